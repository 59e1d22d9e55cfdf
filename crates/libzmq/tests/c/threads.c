/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What libzmq leaves undefined is defined here: sockets used by several threads at once, closed
   while others are in a call, and after a fork. Ours only. */
#include "check.h"

#include <sys/wait.h>

static void *context;
static int received;

static void *receive_until_closed (void *socket)
{
    char byte;
    for (;;) {
        int rc = zmq_recv (socket, &byte, 1, 0);
        if (rc == -1) {
            CHECK (errno == ENOTSOCK);
            return NULL;
        }
        __atomic_add_fetch (&received, 1, __ATOMIC_SEQ_CST);
    }
}

static void *send_until_closed (void *socket)
{
    for (;;)
        if (zmq_send (socket, "x", 1, 0) == -1) {
            CHECK (errno == ENOTSOCK);
            return NULL;
        }
}

static void *poll_until_closed (void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    while (zmq_poll (&item, 1, -1) != -1)
        ;
    CHECK (errno == ENOTSOCK);
    return NULL;
}

static void closed_meanwhile (const char *endpoint)
{
    for (int round = 0; round < 20; ++round) {
        void *pull = zmq_socket (context, ZMQ_PULL);
        void *push = zmq_socket (context, ZMQ_PUSH);
        SET_INT (push, ZMQ_LINGER, 0);
        join_by (pull, push, endpoint);
        pthread_t threads[5];
        received = 0;
        for (int i = 0; i < 3; ++i)
            CHECK (pthread_create (&threads[i], NULL, receive_until_closed, pull) == 0);
        CHECK (pthread_create (&threads[3], NULL, send_until_closed, push) == 0);
        CHECK (pthread_create (&threads[4], NULL, poll_until_closed, pull) == 0);
        while (__atomic_load_n (&received, __ATOMIC_SEQ_CST) < 1000)
            usleep (100);
        if (round % 2) {
            CHECK (zmq_close (pull) == 0);
            CHECK (zmq_close (push) == 0);
        } else {
            CHECK (zmq_close (push) == 0);
            CHECK (zmq_close (pull) == 0);
        }
        for (int i = 0; i < 5; ++i)
            CHECK (pthread_join (threads[i], NULL) == 0);
    }
}

static void *echo (void *socket)
{
    int number;
    for (int i = 0; i < 500; ++i) {
        CHECK (zmq_recv (socket, &number, sizeof number, 0) == sizeof number);
        CHECK (zmq_send (socket, &number, sizeof number, 0) == sizeof number);
    }
    return NULL;
}

static void *receive_many (void *socket)
{
    int number;
    for (int i = 0; i < 500; ++i)
        CHECK (zmq_recv (socket, &number, sizeof number, 0) == sizeof number);
    return NULL;
}

/* One thread receives, the other sends, on the same socket. */
static void both_ways (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_PAIR);
    void *two = zmq_socket (context, ZMQ_PAIR);
    join_by (one, two, endpoint);
    pthread_t threads[2];
    CHECK (pthread_create (&threads[0], NULL, echo, two) == 0);
    CHECK (pthread_create (&threads[1], NULL, receive_many, one) == 0);
    for (int i = 0; i < 500; ++i)
        CHECK (zmq_send (one, &i, sizeof i, 0) == sizeof i);
    for (int i = 0; i < 2; ++i)
        CHECK (pthread_join (threads[i], NULL) == 0);
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
}

static void item_51_child (void)
{
    void *pull = zmq_socket (context, ZMQ_PULL);
    void *push = zmq_socket (context, ZMQ_PUSH);
    join_by (pull, push, "tcp://127.0.0.1:*");
    send_text (push, "before", 0);
    expect_text (pull, "before");
    pid_t id = fork ();
    CHECK (id >= 0);
    if (id == 0) {
        limit ();
        char byte;
        FAILS (zmq_recv (pull, &byte, 1, 0), EINTR);
        CHECK (zmq_close (pull) == 0 && zmq_close (push) == 0);
        CHECK (zmq_ctx_term (context) == 0);
        /* A context of its own works. */
        context = zmq_ctx_new ();
        both_ways ("tcp://127.0.0.1:*");
        CHECK (zmq_ctx_term (context) == 0);
        /* Not _exit: valgrind would look here for what the parent's threads own. */
        execl ("/bin/true", "true", (char *) NULL);
        _exit (1);
    }
    int status;
    CHECK (waitpid (id, &status, 0) == id);
    CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 0);
    send_text (push, "after", 0);
    expect_text (pull, "after");
    CHECK (zmq_close (pull) == 0 && zmq_close (push) == 0);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    item_51_child ();
    const char *endpoints[] = {"inproc://threads", "tcp://127.0.0.1:*"};
    for (int i = 0; i < 2; ++i) {
        both_ways (endpoints[i]);
        closed_meanwhile (endpoints[i]);
    }
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
