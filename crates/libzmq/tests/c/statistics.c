/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How many messages wait, as monitors tell it: of every peer an event with two numbers, of what is to go out and
   of what has come in. */
#include "wires.h"

static void *context;

struct counts
{
    uint64_t peers, out, in;
    char local[256], remote[256];
};

static void *watch_queues (void *socket)
{
    static int number;
    char name[64];
    snprintf (name, sizeof name, "inproc://queues-%d", ++number);
    CHECK (zmq_socket_monitor_versioned (socket, name, ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR) == 0);
    void *monitor = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_connect (monitor, name) == 0);
    return monitor;
}

/* libzmq answers while the sockets of both ends are used. */
static void *other_end;

static void use (void *socket)
{
    get_int (socket, ZMQ_EVENTS);
    if (other_end)
        get_int (other_end, ZMQ_EVENTS);
}

/* Asks, and hears of this many peers. */
static struct counts ask (void *socket, void *monitor, unsigned peers)
{
    struct counts counts = {0};
    /* Who was bound has a peer when that has come. */
    while (zmq_socket_monitor_pipes_stats (socket) == -1) {
        CHECK (errno == EAGAIN);
        use (socket);
    }
    for (unsigned i = 0; i < peers; ++i) {
        uint64_t words[4];
        zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
        while (zmq_poll (&item, 1, 5) == 0)
            use (socket);
        CHECK (zmq_recv (monitor, &words[0], 8, 0) == 8 && words[0] == ZMQ_EVENT_PIPES_STATS);
        CHECK (zmq_recv (monitor, &words[1], 8, 0) == 8 && words[1] == 2);
        CHECK (zmq_recv (monitor, &words[2], 8, 0) == 8);
        CHECK (zmq_recv (monitor, &words[3], 8, 0) == 8);
        memset (counts.local, 0, sizeof counts.local);
        memset (counts.remote, 0, sizeof counts.remote);
        CHECK (zmq_recv (monitor, counts.local, sizeof counts.local - 1, 0) >= 0);
        CHECK (zmq_recv (monitor, counts.remote, sizeof counts.remote - 1, 0) >= 0);
        CHECK (get_int (monitor, ZMQ_RCVMORE) == 0);
        counts.peers += 1;
        counts.out += words[2];
        counts.in += words[3];
    }
    zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
    CHECK (zmq_poll (&item, 1, 0) == 0);
    return counts;
}

static void send_many (void *socket, int count)
{
    for (int i = 0; i < count; ++i) {
        /* Parts are not what is counted. */
        send_text (socket, "first part", ZMQ_SNDMORE);
        send_text (socket, "second part", 0);
    }
}

static void receive_many (void *socket, int count)
{
    for (int i = 0; i < count; ++i) {
        expect_text (socket, "first part");
        expect_text (socket, "second part");
    }
}

/* Exactly this much comes in by and by, and no more. */
static void comes_in (void *socket, void *monitor, uint64_t expected)
{
    struct counts counts;
    do {
        counts = ask (socket, monitor, 1);
        CHECK (counts.in <= expected && counts.out == 0);
    } while (counts.in != expected);
}

static void finish (void *socket, void *monitor)
{
    CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
    CHECK (zmq_close (socket) == 0 && zmq_close (monitor) == 0);
    other_end = NULL;
}

/* With nobody there, all that is sent waits. */
static void nobody_there (void)
{
    void *push = zmq_socket (context, ZMQ_PUSH);
    SET_INT (push, ZMQ_LINGER, 0);
    void *monitor = watch_queues (push);
    FAILS (zmq_socket_monitor_pipes_stats (push), EAGAIN);
    CHECK (zmq_connect (push, "ipc:///tmp/ferromq-statistics-nobody") == 0);
    CHECK (ask (push, monitor, 1).out == 0);
    send_many (push, 37);
    struct counts counts = ask (push, monitor, 1);
    CHECK (counts.out == 37 && counts.in == 0);
    /* Half a message counts with its other half. */
    send_text (push, "first part", ZMQ_SNDMORE);
    CHECK (ask (push, monitor, 1).out == 37);
    send_text (push, "second part", 0);
    CHECK (ask (push, monitor, 1).out == 38);
    /* A second peer has a line of its own. */
    CHECK (zmq_connect (push, "ipc:///tmp/ferromq-statistics-nobody-else") == 0);
    counts = ask (push, monitor, 2);
    CHECK (counts.peers == 2 && counts.out == 38);
    finish (push, monitor);
}

/* What has come in waits to be received. */
static void nobody_receives (const char *endpoint)
{
    void *pull = zmq_socket (context, ZMQ_PULL), *push = zmq_socket (context, ZMQ_PUSH);
    void *monitor = watch_queues (pull);
    other_end = push;
    join_by (pull, push, endpoint);
    send_many (push, 100);
    comes_in (pull, monitor, 100);
    struct counts counts = ask (pull, monitor, 1);
    if (strncmp (endpoint, "inproc", 6) != 0)
        CHECK (strcmp (counts.local, bound_to (pull)) == 0 && counts.remote[0] != 0);
    receive_many (pull, 30);
    counts = ask (pull, monitor, 1);
#ifdef FERROMQ
    CHECK (counts.in == 70);
#else
    /* libzmq counts what was received in steps of half a high-water mark. */
    CHECK (counts.in == 100);
#endif
    receive_many (pull, 70);
    send_many (push, 1);
#ifdef FERROMQ
    comes_in (pull, monitor, 1);
#endif
    finish (pull, monitor);
    CHECK (zmq_close (push) == 0);
}

/* Both ways at once, between two sockets of one process. */
static void both_ways (void)
{
    void *one = zmq_socket (context, ZMQ_PAIR), *two = zmq_socket (context, ZMQ_PAIR);
    void *monitor = watch_queues (one);
    other_end = two;
    join_by (one, two, "inproc://both-ways");
    send_many (one, 5);
    send_many (two, 3);
    struct counts counts = ask (one, monitor, 1);
    CHECK (counts.out == 5 && counts.in == 3);
    finish (one, monitor);
    CHECK (zmq_close (two) == 0);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH);
    FAILS (zmq_socket_monitor_pipes_stats (push), EINVAL);
    CHECK (zmq_close (push) == 0);
    nobody_there ();
    nobody_receives ("tcp://127.0.0.1:*");
    nobody_receives ("ipc://*");
    nobody_receives ("inproc://nobody-receives");
    both_ways ();
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
