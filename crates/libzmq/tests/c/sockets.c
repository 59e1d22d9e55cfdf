/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Sockets: sending and receiving in every way there is, waiting, wrong handles. */
#include "check.h"

#include <sys/uio.h>

static void *context;

static void wrong_handles (void)
{
    char buffer[8];
    int value = 0;
    size_t length = sizeof value;
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    void *wrong[3] = {NULL, NULL, NULL};
    int count = 1;
#ifdef FERROMQ
    void *stale = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_close (stale) == 0);
    wrong[count++] = stale;
    wrong[count++] = buffer;
#endif
    for (int i = 0; i < count; ++i) {
        FAILS (zmq_close (wrong[i]), ENOTSOCK);
        FAILS (zmq_send (wrong[i], "x", 1, 0), ENOTSOCK);
        FAILS (zmq_send_const (wrong[i], "x", 1, 0), ENOTSOCK);
        FAILS (zmq_recv (wrong[i], buffer, 1, 0), ENOTSOCK);
        FAILS (zmq_msg_send (&msg, wrong[i], 0), ENOTSOCK);
        FAILS (zmq_msg_recv (&msg, wrong[i], 0), ENOTSOCK);
        FAILS (zmq_sendmsg (wrong[i], &msg, 0), ENOTSOCK);
        FAILS (zmq_recvmsg (wrong[i], &msg, 0), ENOTSOCK);
        FAILS (zmq_bind (wrong[i], "inproc://x"), ENOTSOCK);
        FAILS (zmq_connect (wrong[i], "inproc://x"), ENOTSOCK);
        FAILS (zmq_unbind (wrong[i], "inproc://x"), ENOTSOCK);
        FAILS (zmq_disconnect (wrong[i], "inproc://x"), ENOTSOCK);
        FAILS (zmq_setsockopt (wrong[i], ZMQ_LINGER, &value, length), ENOTSOCK);
        FAILS (zmq_getsockopt (wrong[i], ZMQ_LINGER, &value, &length), ENOTSOCK);
    }
    zmq_msg_close (&msg);
}

static void endpoints (void)
{
    void *pull = zmq_socket (context, ZMQ_PULL);
    FAILS (zmq_bind (pull, "nonsense"), EINVAL);
    FAILS (zmq_bind (pull, "none://x"), EPROTONOSUPPORT);
    FAILS (zmq_connect (pull, "tcp://"), EINVAL);
    FAILS (zmq_connect (pull, "tcp://localhost:*"), EINVAL);
    CHECK (zmq_bind (pull, "inproc://taken") == 0);
    void *other = zmq_socket (context, ZMQ_PULL);
    FAILS (zmq_bind (other, "inproc://taken"), EADDRINUSE);
    FAILS (zmq_unbind (pull, "inproc://other"), ENOENT);
    FAILS (zmq_disconnect (pull, "tcp://127.0.0.1:1"), ENOENT);
    CHECK (zmq_unbind (pull, "inproc://taken") == 0);
    CHECK (zmq_bind (other, "inproc://taken") == 0);
    CHECK (zmq_bind (pull, "tcp://127.0.0.1:*") == 0);
    char endpoint[256];
    size_t length = sizeof endpoint;
    CHECK (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0);
    FAILS (zmq_bind (other, endpoint), EADDRINUSE);
    CHECK (zmq_unbind (pull, endpoint) == 0);
    length = 3;
    FAILS (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length), EINVAL);
    CHECK (zmq_close (pull) == 0 && zmq_close (other) == 0);
}

static void parts (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_PAIR);
    void *two = zmq_socket (context, ZMQ_PAIR);
    join_by (one, two, endpoint);
    send_text (two, "a", ZMQ_SNDMORE);
    send_text (two, "", ZMQ_SNDMORE);
    CHECK (zmq_send_const (two, "constant", 8, 0) == 8);
    expect_text (one, "a");
    CHECK (get_int (one, ZMQ_RCVMORE) == 1);
    int64_t wide = -1;
    size_t length = sizeof wide;
    CHECK (zmq_getsockopt (one, ZMQ_RCVMORE, &wide, &length) == 0);
    expect_text (one, "");
    expect_text (one, "constant");
    CHECK (get_int (one, ZMQ_RCVMORE) == 0);

    /* Truncated, and into nothing. */
    send_text (one, "longer than that", 0);
    send_text (one, "gone", 0);
    send_text (one, "", 0);
    char buffer[5] = "....";
    CHECK (zmq_recv (two, buffer, 4, 0) == 16);
    CHECK (strcmp (buffer, "long") == 0);
    CHECK (zmq_recv (two, NULL, 0, 0) == 4);
    CHECK (zmq_recv (two, NULL, 0, 0) == 0);
    FAILS (zmq_recv (two, buffer, 4, ZMQ_DONTWAIT), EAGAIN);

    struct iovec iov[4];
    for (int i = 0; i < 4; ++i) {
        iov[i].iov_base = (void *) "part";
        iov[i].iov_len = 1 + i;
    }
    CHECK (zmq_sendiov (one, iov, 4, ZMQ_SNDMORE) == 4);
    FAILS (zmq_sendiov (one, iov, 0, 0), EINVAL);
    FAILS (zmq_sendiov (one, NULL, 1, 0), EINVAL);
    size_t count = 2;
    memset (iov, 0, sizeof iov);
    CHECK (zmq_recviov (two, iov, &count, 0) == 2 && count == 2);
    for (int i = 0; i < 2; ++i) {
        CHECK (iov[i].iov_len == (size_t) 1 + i && memcmp (iov[i].iov_base, "part", 1 + i) == 0);
        free (iov[i].iov_base);
    }
    count = 4;
    CHECK (zmq_recviov (two, iov, &count, 0) == 2 && count == 2);
    for (int i = 0; i < 2; ++i)
        free (iov[i].iov_base);
    FAILS (zmq_recviov (two, iov, &count, ZMQ_DONTWAIT), EAGAIN);
    CHECK (count == 0);

    zmq_msg_t msg;
    zmq_msg_init_size (&msg, 3000);
    memset (zmq_msg_data (&msg), 'm', 3000);
    CHECK (zmq_sendmsg (one, &msg, ZMQ_SNDMORE) == 3000);
    CHECK (zmq_sendmsg (one, &msg, 0) == 0);
    CHECK (zmq_recvmsg (two, &msg, 0) == 3000);
    CHECK (zmq_msg_more (&msg) && ((char *) zmq_msg_data (&msg))[2999] == 'm');
    CHECK (zmq_recvmsg (two, &msg, 0) == 0 && !zmq_msg_more (&msg));
#ifdef FERROMQ
    zmq_msg_close (&msg);
    FAILS (zmq_msg_send (&msg, one, 0), EFAULT);
    FAILS (zmq_msg_recv (&msg, one, 0), EFAULT);
#endif
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
}

static void states (void)
{
    void *req = zmq_socket (context, ZMQ_REQ);
    void *rep = zmq_socket (context, ZMQ_REP);
    join_by (rep, req, "tcp://127.0.0.1:*");
    char byte;
    FAILS (zmq_recv (req, &byte, 1, 0), EFSM);
    FAILS (zmq_send (rep, &byte, 1, 0), EFSM);
    for (int i = 0; i < 100; ++i) {
        send_text (req, "question", 0);
        FAILS (zmq_send (req, &byte, 1, 0), EFSM);
        expect_text (rep, "question");
        FAILS (zmq_recv (rep, &byte, 1, 0), EFSM);
        send_text (rep, "answer", 0);
        expect_text (req, "answer");
    }
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    send_text (req, "question", 0);
    CHECK (zmq_msg_recv (&msg, rep, 0) == 8);
    CHECK (strcmp (zmq_msg_gets (&msg, "Peer-Address"), "127.0.0.1") == 0);
    CHECK (strcmp (zmq_msg_gets (&msg, "Socket-Type"), "REQ") == 0);
    CHECK (zmq_msg_gets (&msg, "Nothing") == NULL && errno == EINVAL);
    CHECK (zmq_msg_get (&msg, ZMQ_SRCFD) >= 0);
    CHECK (zmq_msg_send (&msg, rep, 0) == 8);
    expect_text (req, "question");
    CHECK (zmq_close (req) == 0 && zmq_close (rep) == 0);

    void *pull = zmq_socket (context, ZMQ_PULL);
    void *push = zmq_socket (context, ZMQ_PUSH);
    FAILS (zmq_send (pull, &byte, 1, 0), ENOTSUP);
    FAILS (zmq_recv (push, &byte, 1, 0), ENOTSUP);
    FAILS (zmq_send (push, &byte, 1, ZMQ_DONTWAIT), EAGAIN);
    SET_INT (push, ZMQ_SNDTIMEO, 30);
    SET_INT (pull, ZMQ_RCVTIMEO, 30);
    FAILS (zmq_send (push, &byte, 1, 0), EAGAIN);
    FAILS (zmq_recv (pull, &byte, 1, 0), EAGAIN);
    SET_INT (pull, ZMQ_RCVTIMEO, 0);
    FAILS (zmq_recv (pull, &byte, 1, 0), EAGAIN);
    CHECK (zmq_close (push) == 0 && zmq_close (pull) == 0);
}

static void options (void)
{
    void *sub = zmq_socket (context, ZMQ_SUB);
    CHECK (get_int (sub, ZMQ_TYPE) == ZMQ_SUB);
    CHECK (get_int (sub, ZMQ_SNDHWM) == 1000);
    CHECK (get_int (sub, ZMQ_THREAD_SAFE) == 0);
    int value = -1;
    FAILS (zmq_setsockopt (sub, ZMQ_SNDHWM, &value, sizeof value), EINVAL);
    value = 5;
    FAILS (zmq_setsockopt (sub, ZMQ_SNDHWM, &value, 2), EINVAL);
    FAILS (zmq_setsockopt (sub, 4711, &value, sizeof value), EINVAL);
    FAILS (zmq_setsockopt (sub, ZMQ_TYPE, &value, sizeof value), EINVAL);
    size_t length = sizeof value;
    FAILS (zmq_getsockopt (sub, 4711, &value, &length), EINVAL);
    FAILS (zmq_getsockopt (sub, ZMQ_SUBSCRIBE, &value, &length), EINVAL);
    length = 2;
    FAILS (zmq_getsockopt (sub, ZMQ_SNDHWM, &value, &length), EINVAL);
    int64_t most;
    length = sizeof most;
    CHECK (zmq_getsockopt (sub, ZMQ_MAXMSGSIZE, &most, &length) == 0 && most == -1);
    most = 1000;
    CHECK (zmq_setsockopt (sub, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0);
    FAILS (zmq_setsockopt (sub, ZMQ_MAXMSGSIZE, &most, 4), EINVAL);
    uint64_t affinity = 3;
    CHECK (zmq_setsockopt (sub, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0);
    affinity = 0;
    length = sizeof affinity;
    CHECK (zmq_getsockopt (sub, ZMQ_AFFINITY, &affinity, &length) == 0 && affinity == 3);
    CHECK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0) == 0);
    CHECK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, NULL, 0) == 0);
    CHECK (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "", 0) == 0);
    CHECK (zmq_setsockopt (sub, ZMQ_IDENTITY, "me", 2) == 0);
    FAILS (zmq_setsockopt (sub, ZMQ_IDENTITY, "", 0), EINVAL);
    char buffer[256];
    length = sizeof buffer;
    memset (buffer, 'x', sizeof buffer);
    CHECK (zmq_getsockopt (sub, ZMQ_IDENTITY, buffer, &length) == 0);
    CHECK (length == 2 && memcmp (buffer, "me", 2) == 0);
    CHECK (zmq_close (sub) == 0);
}

/* The descriptor tells of changes only: after each, everything is to be taken. */
static void by_descriptor (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_PAIR);
    void *two = zmq_socket (context, ZMQ_PAIR);
    join_by (one, two, endpoint);
    zmq_pollitem_t item = {NULL, get_int (one, ZMQ_FD), ZMQ_POLLIN, 0};
    int received = 0;
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 3; ++i)
            send_text (two, "message", 0);
        while (received < 3 * (round + 1)) {
            if (!(get_int (one, ZMQ_EVENTS) & ZMQ_POLLIN)) {
                CHECK (zmq_poll (&item, 1, -1) == 1);
                continue;
            }
            while (get_int (one, ZMQ_EVENTS) & ZMQ_POLLIN) {
                expect_text (one, "message");
                ++received;
            }
        }
    }
    /* Nothing more comes, and the descriptor is quiet. */
    while (zmq_poll (&item, 1, 0) == 1)
        CHECK (!(get_int (one, ZMQ_EVENTS) & ZMQ_POLLIN));
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
}

static void *answer (void *socket)
{
    char buffer[16];
    for (int i = 0; i < 200; ++i) {
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
        CHECK (zmq_poll (&item, 1, -1) == 1 && item.revents == ZMQ_POLLIN);
        CHECK (zmq_recv (socket, buffer, sizeof buffer, ZMQ_DONTWAIT) == 4);
        CHECK (zmq_send (socket, buffer, 4, 0) == 4);
    }
    return NULL;
}

static void item_50_by_poll (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_PAIR);
    void *two = zmq_socket (context, ZMQ_PAIR);
    int fds[2];
    CHECK (pipe (fds) == 0);
    zmq_pollitem_t items[3] = {{one, 0, ZMQ_POLLIN, 0},
                               {NULL, fds[0], ZMQ_POLLIN, 0},
                               {two, 0, ZMQ_POLLIN, 0}};
    CHECK (zmq_poll (items, 3, 0) == 0);
    CHECK (zmq_poll (items, 3, 20) == 0);
    CHECK (zmq_poll (NULL, 0, 10) == 0);
    FAILS (zmq_poll (NULL, 1, 0), EFAULT);
    join_by (one, two, endpoint);
    CHECK (write (fds[1], "x", 1) == 1);
    CHECK (zmq_poll (items, 3, -1) == 1);
    CHECK (items[0].revents == 0 && items[1].revents == ZMQ_POLLIN && items[2].revents == 0);
    char byte;
    CHECK (read (fds[0], &byte, 1) == 1);
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, answer, two) == 0);
    for (int i = 0; i < 200; ++i) {
        send_text (one, "ping", 0);
        CHECK (zmq_poll (items, 2, -1) == 1 && items[0].revents == ZMQ_POLLIN);
        expect_text (one, "ping");
    }
    CHECK (pthread_join (thread, NULL) == 0);
    items[0].events = ZMQ_POLLIN | ZMQ_POLLOUT;
    CHECK (zmq_poll (items, 1, -1) == 1 && items[0].revents == ZMQ_POLLOUT);
    items[0].events = 0;
    CHECK (zmq_poll (items, 1, 0) == 0 && items[0].revents == 0);
    close (fds[1]);
    items[1].events = ZMQ_POLLIN;
    CHECK (zmq_poll (items, 2, 0) == 1 && items[1].revents & ZMQ_POLLERR);
    close (fds[0]);
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
}

static void marks (const char *endpoint)
{
    void *push = zmq_socket (context, ZMQ_PUSH);
    void *pull = zmq_socket (context, ZMQ_PULL);
    SET_INT (push, ZMQ_SNDHWM, 2);
    SET_INT (pull, ZMQ_RCVHWM, 2);
    SET_INT (push, ZMQ_LINGER, 0);
    join_by (pull, push, endpoint);
    static char large[1 << 20];
    int sent = 0;
    zmq_pollitem_t item = {push, 0, ZMQ_POLLOUT, 0};
    for (;;) {
        int room = zmq_poll (&item, 1, 200);
        /* When there has been none for a while there may be some now. */
        int size = zmq_send (push, large, sizeof large, ZMQ_DONTWAIT);
        if (size == -1) {
            CHECK (room == 0 && errno == EAGAIN);
            break;
        }
        CHECK (size == (int) sizeof large && ++sent < 100);
    }
    CHECK (sent >= 2);
    for (int i = 0; i < sent; ++i)
        CHECK (zmq_recv (pull, large, sizeof large, 0) == (int) sizeof large);
    CHECK (zmq_poll (&item, 1, -1) == 1);
    CHECK (zmq_close (push) == 0 && zmq_close (pull) == 0);
}

static void *blocked_send (void *socket)
{
    for (int i = 0; i < 2000; ++i)
        CHECK (zmq_send (socket, &i, sizeof i, 0) == sizeof i);
    return NULL;
}

/* A sender that has to wait for room goes on when there is some. */
static void waits_for_room (const char *endpoint)
{
    void *push = zmq_socket (context, ZMQ_PUSH);
    void *pull = zmq_socket (context, ZMQ_PULL);
    SET_INT (push, ZMQ_SNDHWM, 1);
    SET_INT (pull, ZMQ_RCVHWM, 1);
    join_by (pull, push, endpoint);
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, blocked_send, push) == 0);
    for (int i = 0; i < 2000; ++i) {
        int number;
        CHECK (zmq_recv (pull, &number, sizeof number, 0) == sizeof number);
        CHECK (number == i);
    }
    CHECK (pthread_join (thread, NULL) == 0);
    CHECK (zmq_close (push) == 0 && zmq_close (pull) == 0);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    const char *all[] = {"inproc://all", "tcp://127.0.0.1:*", "ipc://*"};
    wrong_handles ();
    endpoints ();
    states ();
    options ();
    for (int i = 0; i < 3; ++i) {
        parts (all[i]);
        by_descriptor (all[i]);
        item_50_by_poll (all[i]);
        marks (all[i]);
        waits_for_room (all[i]);
    }
    CHECK (zmq_ctx_term (context) == 0);
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    CHECK (major == 4 && minor == 3);
    CHECK (strcmp (zmq_strerror (EFSM), "Operation cannot be accomplished in current state") == 0);
    CHECK (strcmp (zmq_strerror (ENOCOMPATPROTO),
                   "The protocol is not compatible with the socket type") == 0);
    CHECK (strcmp (zmq_strerror (ETERM), "Context was terminated") == 0);
    CHECK (strcmp (zmq_strerror (EMTHREAD), "No thread available") == 0);
    CHECK (strcmp (zmq_strerror (EHOSTUNREACH), "Host unreachable") == 0);
    CHECK (strcmp (zmq_strerror (EINVAL), "Invalid argument") == 0);
    errno = 4711;
    CHECK (zmq_errno () == 4711);
    return 0;
}
