/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A signal ends a wait with EINTR, and nothing is lost. */
#include "check.h"

static volatile int running = 1;
static pthread_t victim;

static void ignore (int number)
{
    (void) number;
}

static void *disturb (void *unused)
{
    (void) unused;
    struct timespec pause = {0, 20000000};
    while (running) {
        nanosleep (&pause, NULL);
        pthread_kill (victim, SIGUSR1);
    }
    return NULL;
}

static void item_49_interrupted (void);

int main (void)
{
    limit ();
    struct sigaction action;
    memset (&action, 0, sizeof action);
    action.sa_handler = ignore;
    action.sa_flags = SA_RESTART;
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    victim = pthread_self ();

    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, disturb, NULL) == 0);
    item_49_interrupted ();
    running = 0;
    CHECK (pthread_join (thread, NULL) == 0);
    return 0;
}

/* Every kind of wait. */
static void item_49_interrupted (void)
{
    void *context = zmq_ctx_new ();
    const char *endpoints[] = {"inproc://signals", "tcp://127.0.0.1:*"};
    for (int i = 0; i < 2; ++i) {
        void *pull = zmq_socket (context, ZMQ_PULL);
        void *push = zmq_socket (context, ZMQ_PUSH);
        SET_INT (push, ZMQ_LINGER, 0);
        char byte;
        FAILS (zmq_send (push, "x", 1, 0), EINTR);
        join_by (pull, push, endpoints[i]);
        FAILS (zmq_recv (pull, &byte, 1, 0), EINTR);
        zmq_pollitem_t items[2] = {{pull, 0, ZMQ_POLLIN, 0}, {NULL, 0, 0, 0}};
        FAILS (zmq_poll (items, 1, -1), EINTR);
        while (zmq_send (push, "x", 1, 0) == -1)
            CHECK (errno == EINTR);
        while (zmq_recv (pull, &byte, 1, 0) == -1)
            CHECK (errno == EINTR);
        CHECK (byte == 'x');
#if defined ZMQ_BUILD_DRAFT_API && defined FERROMQ
        /* The mask keeps the signal away while it waits. */
        sigset_t mask;
        sigemptyset (&mask);
        sigaddset (&mask, SIGUSR1);
#ifndef UNDER_VALGRIND /* 3.19 has ppoll fail now and then when a signal comes */
        CHECK (zmq_ppoll (items, 1, 100, &mask) == 0);
#endif
        FAILS (zmq_ppoll (items, 1, -1, NULL), EINTR);
#endif
        CHECK (zmq_close (pull) == 0);
        if (i == 1) {
            /* The end waits for the other socket. */
            FAILS (zmq_ctx_term (context), EINTR);
            FAILS (zmq_ctx_term (context), EINTR);
        }
        CHECK (zmq_close (push) == 0);
    }
    while (zmq_ctx_term (context) == -1)
        CHECK (errno == EINTR);
}
