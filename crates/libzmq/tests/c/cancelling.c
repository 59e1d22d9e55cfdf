/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Unwinding of C's own kind: a thread that is cancelled, or ends itself, in a call or in a function that frees data; an
   exception or a jump out of such a function. The process goes on, and so do the sockets. Ours only: in libzmq most of
   these end the process. */
#include "check.h"

#include <setjmp.h>
#include <stdio.h>
#include <unwind.h>

static void *context;

/* ---- threads that are cancelled in a call ---------------------------------------------------------- */

struct call {
    const char *name;
    void (*run) (void *socket);
    int type;
};

static void receives (void *socket)
{
    char buffer[8];
    zmq_recv (socket, buffer, sizeof buffer, 0);
}

static void receives_a_message (void *socket)
{
    zmq_msg_t message;
    zmq_msg_init (&message);
    zmq_msg_recv (&message, socket, 0);
}

static void receives_in_time (void *socket)
{
    SET_INT (socket, ZMQ_RCVTIMEO, 1000000);
    receives (socket);
}

static void sends (void *socket)
{
    zmq_send (socket, "x", 1, 0);
}

static void sends_a_message (void *socket)
{
    zmq_msg_t message;
    zmq_msg_init_buffer (&message, "x", 1);
    zmq_msg_send (&message, socket, 0);
}

static void polls (void *socket)
{
    zmq_pollitem_t items[2] = {{socket, 0, ZMQ_POLLIN, 0}, {NULL, 0, 0, 0}};
    zmq_poll (items, 1, -1);
}

static void polls_in_time (void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    zmq_poll (&item, 1, 1000000);
}

static void polls_a_set (void *socket)
{
    void *poller = zmq_poller_new ();
    zmq_poller_event_t event;
    zmq_poller_add (poller, socket, NULL, ZMQ_POLLIN);
    zmq_poller_wait (poller, &event, -1);
}

static void passes_on (void *socket)
{
    zmq_proxy (socket, socket, NULL);
}

static const struct call calls[] = {
    {"zmq_recv", receives, ZMQ_PULL},
    {"zmq_msg_recv", receives_a_message, ZMQ_PULL},
    {"zmq_recv with a time", receives_in_time, ZMQ_PULL},
    {"zmq_send", sends, ZMQ_PUSH},
    {"zmq_msg_send", sends_a_message, ZMQ_PUSH},
    {"zmq_poll", polls, ZMQ_PULL},
    {"zmq_poll with a time", polls_in_time, ZMQ_PULL},
    {"zmq_poller_wait", polls_a_set, ZMQ_PULL},
    {"zmq_proxy", passes_on, ZMQ_DEALER},
};

struct waiter {
    const struct call *call;
    void *socket;
};

static void *wait_in_call (void *argument)
{
    struct waiter *waiter = argument;
    for (;;)
        waiter->call->run (waiter->socket);
    return NULL;
}

/* Whatever is cancelled, and however far it has come, the socket works afterwards. */
static void cancel_in (const struct call *call, long nanoseconds)
{
    void *socket = zmq_socket (context, call->type);
    struct waiter waiter = {call, socket};
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, wait_in_call, &waiter) == 0);
    struct timespec some_time = {0, nanoseconds};
    nanosleep (&some_time, NULL);
    CHECK (pthread_cancel (thread) == 0);
    void *result;
    CHECK (pthread_join (thread, &result) == 0);
    CHECK (result == PTHREAD_CANCELED);

    int sends = call->type == ZMQ_PUSH;
    void *other = zmq_socket (context, sends ? ZMQ_PULL : call->type == ZMQ_DEALER ? ZMQ_DEALER : ZMQ_PUSH);
    join_by (socket, other, "tcp://127.0.0.1:*");
    SET_INT (socket, ZMQ_RCVTIMEO, -1);
    send_text (sends ? socket : other, "still here", 0);
    /* What was about to be sent may have gone. */
    char buffer[64];
    int length = zmq_recv (sends ? other : socket, buffer, sizeof buffer, 0);
    if (length == 1)
        length = zmq_recv (sends ? other : socket, buffer, sizeof buffer, 0);
    CHECK (length == 10);
    CHECK (zmq_close (socket) == 0 && zmq_close (other) == 0);
}

static void *end_context (void *argument)
{
    zmq_ctx_term (argument);
    return NULL;
}

static void cancel_the_end (void)
{
    void *own = zmq_ctx_new (), *socket = zmq_socket (own, ZMQ_PULL);
    pthread_t thread;
    void *result;
    CHECK (pthread_create (&thread, NULL, end_context, own) == 0);
    char byte;
    FAILS (zmq_recv (socket, &byte, 1, 0), ETERM);
    CHECK (pthread_cancel (thread) == 0);
    CHECK (pthread_join (thread, &result) == 0);
    CHECK (result == PTHREAD_CANCELED);
    CHECK (zmq_close (socket) == 0);
    CHECK (zmq_ctx_term (own) == 0);
}

/* A thread that may not be cancelled is not. */
static void *wait_shielded (void *socket)
{
    char byte;
    int before;
    CHECK (pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, &before) == 0);
    CHECK (zmq_recv (socket, &byte, 1, 0) == 1);
    CHECK (pthread_setcancelstate (PTHREAD_CANCEL_ENABLE, &before) == 0);
    CHECK (before == PTHREAD_CANCEL_DISABLE);
    return socket;
}

static void leave_the_shielded_alone (void)
{
    void *pull = zmq_socket (context, ZMQ_PULL), *push = zmq_socket (context, ZMQ_PUSH), *result;
    join_by (pull, push, "inproc://shielded");
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, wait_shielded, pull) == 0);
    CHECK (pthread_cancel (thread) == 0);
    send_text (push, "x", 0);
    CHECK (pthread_join (thread, &result) == 0);
    CHECK (result == pull || result == PTHREAD_CANCELED);
    CHECK (zmq_close (pull) == 0 && zmq_close (push) == 0);
}

/* ---- functions that free data, and unwind ---------------------------------------------------------- */

static int freed;
static jmp_buf place;
static char data[100000];
static __thread struct _Unwind_Exception exception;

static void forget (_Unwind_Reason_Code reason, struct _Unwind_Exception *thrown)
{
    (void) reason;
    (void) thrown;
}

static void free_and_throw (void *what, void *hint)
{
    (void) what;
    (void) hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
    memset (&exception, 0, sizeof exception);
    exception.exception_cleanup = forget;
    _Unwind_RaiseException (&exception);
}

static void free_and_end (void *what, void *hint)
{
    (void) what;
    (void) hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
    pthread_exit (&freed);
}

static void free_and_jump (void *what, void *hint)
{
    (void) what;
    (void) hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
    longjmp (place, 1);
}

static void until_freed (int times)
{
    while (__atomic_load_n (&freed, __ATOMIC_SEQ_CST) < times)
        usleep (100);
}

static void *close_message (void *message)
{
    zmq_msg_close (message);
    return NULL;
}

static void let_go_of_messages (void)
{
    zmq_msg_t message;
    freed = 0;
    CHECK (zmq_msg_init_data (&message, data, sizeof data, free_and_throw, NULL) == 0);
    CHECK (zmq_msg_close (&message) == 0);
    CHECK (freed == 1);

    CHECK (zmq_msg_init_data (&message, data, sizeof data, free_and_jump, NULL) == 0);
    if (!setjmp (place)) {
        zmq_msg_close (&message);
        CHECK (!"jumped over");
    }
    CHECK (freed == 2);

    CHECK (zmq_msg_init_data (&message, data, sizeof data, free_and_end, NULL) == 0);
    pthread_t thread;
    void *result;
    CHECK (pthread_create (&thread, NULL, close_message, &message) == 0);
    CHECK (pthread_join (thread, &result) == 0);
    CHECK (result == &freed && freed == 3);
}

/* Data are freed by whichever thread has them last: an I/O thread, a receiver, whoever closes. */
static void free_elsewhere (const char *endpoint)
{
    void *push = zmq_socket (context, ZMQ_PUSH), *pull = zmq_socket (context, ZMQ_PULL);
    join_by (pull, push, endpoint);
    char buffer[16];
    freed = 0;
    for (int i = 1; i <= 20; ++i) {
        zmq_msg_t message;
        CHECK (zmq_msg_init_data (&message, data, sizeof data, free_and_throw, NULL) == 0);
        CHECK (zmq_msg_send (&message, push, 0) == sizeof data);
        CHECK (zmq_recv (pull, buffer, sizeof buffer, 0) == sizeof data);
        until_freed (i);
    }
    zmq_msg_t message;
    CHECK (zmq_msg_init_data (&message, data, 100, free_and_throw, NULL) == 0);
    CHECK (zmq_msg_send (&message, push, 0) == 100);
    CHECK (zmq_recv (pull, buffer, sizeof buffer, 0) == 100);
    until_freed (21);
    /* What is never received goes with the sockets. */
    SET_INT (push, ZMQ_LINGER, 0);
    CHECK (zmq_close (pull) == 0);
    for (int i = 0; i < 5; ++i) {
        CHECK (zmq_msg_init_data (&message, data, sizeof data, free_and_throw, NULL) == 0);
        if (zmq_msg_send (&message, push, ZMQ_DONTWAIT) < 0)
            CHECK (zmq_msg_close (&message) == 0);
    }
    CHECK (zmq_close (push) == 0);
    until_freed (26);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; ++i)
        for (long nanoseconds = 0; nanoseconds <= 20000000; nanoseconds += 4000000)
            cancel_in (calls + i, nanoseconds);
    cancel_the_end ();
    leave_the_shielded_alone ();
    let_go_of_messages ();
    free_elsewhere ("inproc://elsewhere");
    free_elsewhere ("tcp://127.0.0.1:*");
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
