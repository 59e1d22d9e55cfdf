/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Contexts: options with their ranges, the order of things at the end. */
#include "check.h"

static void options (void)
{
    void *context = zmq_ctx_new ();
    CHECK (context);
    CHECK (zmq_ctx_get (context, ZMQ_IO_THREADS) == ZMQ_IO_THREADS_DFLT);
    CHECK (zmq_ctx_get (context, ZMQ_MAX_SOCKETS) == ZMQ_MAX_SOCKETS_DFLT);
    CHECK (zmq_ctx_get (context, ZMQ_SOCKET_LIMIT) == 65535);
    CHECK (zmq_ctx_get (context, ZMQ_MAX_MSGSZ) == 2147483647);
    CHECK (zmq_ctx_get (context, ZMQ_MSG_T_SIZE) == (int) sizeof (zmq_msg_t));
    CHECK (zmq_ctx_get (context, ZMQ_IPV6) == 0);
    CHECK (zmq_ctx_get (context, ZMQ_BLOCKY) == 1);
    CHECK (zmq_ctx_get (context, ZMQ_THREAD_SCHED_POLICY) == -1);
    FAILS (zmq_ctx_get (context, 4711), EINVAL);
    FAILS (zmq_ctx_set (context, 4711, 1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_IO_THREADS, -1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 0), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_MSG_T_SIZE, 1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, -1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_THREAD_PRIORITY, -1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, -1), EINVAL);
    FAILS (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0), EINVAL);
    CHECK (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, 0) == 0);
    CHECK (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0) == 0);
    CHECK (zmq_ctx_set (context, ZMQ_THREAD_NAME_PREFIX, 12) == 0);
    CHECK (zmq_ctx_get (context, ZMQ_THREAD_NAME_PREFIX) == 12);
    CHECK (zmq_ctx_set (context, ZMQ_IO_THREADS, 2) == 0);
    CHECK (zmq_ctx_get (context, ZMQ_IO_THREADS) == 2);
    CHECK (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 3) == 0);
    CHECK (zmq_ctx_set (context, ZMQ_BLOCKY, 0) == 0);
    CHECK (zmq_ctx_set (context, ZMQ_IPV6, 1) == 0);
#ifdef ZMQ_BUILD_DRAFT_API
    char prefix[32];
    size_t length = sizeof prefix;
    CHECK (zmq_ctx_set_ext (context, ZMQ_THREAD_NAME_PREFIX, "worker", 6) == 0);
    CHECK (zmq_ctx_get_ext (context, ZMQ_THREAD_NAME_PREFIX, prefix, &length) == 0);
    CHECK (length >= 6 && memcmp (prefix, "worker", 6) == 0);
    FAILS (zmq_ctx_set_ext (context, ZMQ_THREAD_NAME_PREFIX, "seventeen letters", 17), EINVAL);
    int threads = 0;
    length = sizeof threads;
    CHECK (zmq_ctx_get_ext (context, ZMQ_IO_THREADS, &threads, &length) == 0 && threads == 2);
    FAILS (zmq_ctx_set_ext (context, ZMQ_IO_THREADS, &threads, 3), EINVAL);
    CHECK (zmq_ctx_get (context, ZMQ_ZERO_COPY_RECV) == 1);
#endif
    void *sockets[3];
    for (int i = 0; i < 3; ++i)
        CHECK ((sockets[i] = zmq_socket (context, ZMQ_PAIR)));
    CHECK (!zmq_socket (context, ZMQ_PAIR) && errno == EMFILE);
    CHECK (get_int (sockets[0], ZMQ_LINGER) == 0);
    CHECK (get_int (sockets[0], ZMQ_IPV6) == 1);
    for (int i = 0; i < 3; ++i)
        CHECK (zmq_close (sockets[i]) == 0);
    CHECK (zmq_ctx_term (context) == 0);
}

static void no_threads (void)
{
    void *context = zmq_ctx_new ();
    CHECK (zmq_ctx_set (context, ZMQ_IO_THREADS, 0) == 0);
    void *one = zmq_socket (context, ZMQ_PAIR);
    void *two = zmq_socket (context, ZMQ_PAIR);
    FAILS (zmq_bind (one, "tcp://127.0.0.1:*"), EMTHREAD);
    FAILS (zmq_connect (two, "tcp://127.0.0.1:1"), EMTHREAD);
    join_by (one, two, "inproc://no-threads");
    send_text (two, "hello", 0);
    expect_text (one, "hello");
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
    CHECK (zmq_ctx_term (context) == 0);
}

static void *receive (void *socket)
{
    char byte;
    int rc = zmq_recv (socket, &byte, 1, 0);
    CHECK (rc == -1 && errno == ETERM);
    CHECK (zmq_close (socket) == 0);
    return NULL;
}

static void end (void)
{
    void *context = zmq_ctx_new ();
    void *waiting = zmq_socket (context, ZMQ_PULL);
    void *other = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_bind (waiting, "inproc://waiting") == 0);
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, receive, waiting) == 0);
    CHECK (zmq_ctx_shutdown (context) == 0);
    CHECK (zmq_ctx_shutdown (context) == 0);
    int value;
    size_t length = sizeof value;
    FAILS (zmq_send (other, "", 0, ZMQ_DONTWAIT), ETERM);
    FAILS (zmq_recv (other, &value, 1, ZMQ_DONTWAIT), ETERM);
    FAILS (zmq_getsockopt (other, ZMQ_EVENTS, &value, &length), ETERM);
    FAILS (zmq_getsockopt (other, ZMQ_TYPE, &value, &length), ETERM);
    value = 0;
    FAILS (zmq_setsockopt (other, ZMQ_LINGER, &value, sizeof value), ETERM);
    FAILS (zmq_bind (other, "inproc://late"), ETERM);
    FAILS (zmq_connect (other, "inproc://late"), ETERM);
    zmq_pollitem_t item = {other, 0, ZMQ_POLLIN, 0};
    FAILS (zmq_poll (&item, 1, 0), ETERM);
    CHECK (!zmq_socket (context, ZMQ_PAIR) && errno == ETERM);
    CHECK (zmq_close (other) == 0);
    CHECK (zmq_ctx_term (context) == 0);
    CHECK (pthread_join (thread, NULL) == 0);
}

/* A connect that nobody answers does not keep the context. */
static void pending (void)
{
    void *context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH);
    CHECK (zmq_connect (push, "inproc://nobody") == 0);
    send_text (push, "lost", 0);
    CHECK (zmq_close (push) == 0);
    CHECK (zmq_ctx_term (context) == 0);
}

/* Sends and receives until it is told of the end, in whichever call that is; every later one must tell of it, too. */
static void *busy (void *socket)
{
    char byte;
    for (;;) {
        if (zmq_send (socket, "x", 1, ZMQ_DONTWAIT) == -1 && errno == ETERM)
            break;
        if (zmq_recv (socket, &byte, 1, ZMQ_DONTWAIT) == -1 && errno == ETERM)
            break;
    }
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    for (int i = 0; i < 5; ++i) {
        FAILS (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), ETERM);
        FAILS (zmq_recv (socket, &byte, 1, ZMQ_DONTWAIT), ETERM);
        FAILS (zmq_poll (&item, 1, 0), ETERM);
    }
    CHECK (zmq_close (socket) == 0);
    return NULL;
}

static void end_is_for_good (void)
{
    for (int round = 0; round < 300; ++round) {
        pthread_t threads[2];
        void *context = zmq_ctx_new ();
        void *dealer = zmq_socket (context, ZMQ_DEALER), *rep = zmq_socket (context, ZMQ_REP);
        SET_INT (dealer, ZMQ_LINGER, 0);
        SET_INT (rep, ZMQ_LINGER, 0);
        join_by (dealer, rep, "tcp://127.0.0.1:*");
        CHECK (pthread_create (&threads[0], NULL, busy, dealer) == 0);
        CHECK (pthread_create (&threads[1], NULL, busy, rep) == 0);
        usleep (round % 10 * 100);
        CHECK (zmq_ctx_shutdown (context) == 0);
        CHECK (pthread_join (threads[0], NULL) == 0 && pthread_join (threads[1], NULL) == 0);
        CHECK (zmq_ctx_term (context) == 0);
    }
}

int main (void)
{
    limit ();
    options ();
    no_threads ();
    end ();
    end_is_for_good ();
    pending ();
    FAILS (zmq_ctx_term (NULL), EFAULT);
    FAILS (zmq_ctx_shutdown (NULL), EFAULT);
    FAILS (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1), EFAULT);
    FAILS (zmq_ctx_get (NULL, ZMQ_IO_THREADS), EFAULT);
    CHECK (!zmq_socket (NULL, ZMQ_PAIR) && errno == EFAULT);
    CHECK (!zmq_init (-1) && errno == EINVAL);
    void *context = zmq_init (2);
    CHECK (zmq_ctx_get (context, ZMQ_IO_THREADS) == 2);
    CHECK (!zmq_socket (context, 4711) && errno == EINVAL);
    CHECK (!zmq_socket (context, -1) && errno == EINVAL);
#ifdef FERROMQ
    FAILS (zmq_close (context), ENOTSOCK);
    CHECK (zmq_term (context) == 0);
    FAILS (zmq_term (context), EFAULT);
    FAILS (zmq_ctx_term (&context), EFAULT);
#else
    CHECK (zmq_term (context) == 0);
#endif
    return 0;
}
