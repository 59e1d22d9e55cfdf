/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Both ends in one thread, for counting instructions: steps WORK ENDPOINT SIZE COUNT
 *
 * Messages go in batches, so that all of one is there before the first is received.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define BATCH 100

static void *context;
static char *body;
static size_t size;

static void
must (int good, const char *what)
{
    if (!good) {
        fprintf (stderr, "%s: %s\n", what, zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

/* Two sockets that are connected. */
struct pair
{
    void *bound;
    void *connected;
};

static void *
opened (int type)
{
    void *socket = zmq_socket (context, type);
    must (socket != NULL, "zmq_socket");
    return socket;
}

static struct pair
joined (const char *endpoint, int bound, int connected)
{
    char name[256];
    size_t len = sizeof name;
    struct pair pair = {opened (bound), opened (connected)};
    must (zmq_bind (pair.bound, endpoint) == 0, "zmq_bind");
    must (zmq_getsockopt (pair.bound, ZMQ_LAST_ENDPOINT, name, &len) == 0, "zmq_getsockopt");
    must (zmq_connect (pair.connected, name) == 0, "zmq_connect");
    return pair;
}

static void
send_buffer (void *socket, int flags)
{
    must (zmq_send (socket, body, size, flags) == (int) size, "zmq_send");
}

static void
recv_buffer (void *socket)
{
    must (zmq_recv (socket, body, size, 0) == (int) size, "zmq_recv");
}

static void
send_message (void *socket)
{
    zmq_msg_t message;
    must (zmq_msg_init_size (&message, size) == 0, "zmq_msg_init_size");
    memcpy (zmq_msg_data (&message), body, size);
    must (zmq_msg_send (&message, socket, 0) == (int) size, "zmq_msg_send");
}

static void
leave (void *data, void *hint)
{
    (void) data;
    (void) hint;
}

static void
send_referenced (void *socket)
{
    zmq_msg_t message;
    must (zmq_msg_init_data (&message, body, size, leave, NULL) == 0, "zmq_msg_init_data");
    must (zmq_msg_send (&message, socket, 0) == (int) size, "zmq_msg_send");
}

static void
recv_message (void *socket)
{
    zmq_msg_t message;
    must (zmq_msg_init (&message) == 0, "zmq_msg_init");
    must (zmq_msg_recv (&message, socket, 0) == (int) size, "zmq_msg_recv");
    must (zmq_msg_close (&message) == 0, "zmq_msg_close");
}

static void
push_buffer (void *socket)
{
    send_buffer (socket, 0);
}

/* PUSH to PULL, by one call at each end. */
static void
stream (const char *endpoint, int count, void (*send) (void *), void (*recv) (void *))
{
    struct pair pair = joined (endpoint, ZMQ_PULL, ZMQ_PUSH);
    for (int batch = 0; batch < count / BATCH; batch++) {
        for (int at = 0; at < BATCH; at++)
            send (pair.connected);
        for (int at = 0; at < BATCH; at++)
            recv (pair.bound);
    }
}

/* Asked by a DEALER, sent back by a ROUTER. */
static void
echo (const char *endpoint, int count)
{
    struct pair pair = joined (endpoint, ZMQ_ROUTER, ZMQ_DEALER);
    for (int batch = 0; batch < count / BATCH; batch++) {
        for (int at = 0; at < BATCH; at++)
            send_buffer (pair.connected, 0);
        for (int at = 0; at < BATCH; at++) {
            char id[256];
            int len = zmq_recv (pair.bound, id, sizeof id, 0);
            must (len > 0, "zmq_recv");
            recv_buffer (pair.bound);
            must (zmq_send (pair.bound, id, len, ZMQ_SNDMORE) == len, "zmq_send");
            send_buffer (pair.bound, 0);
        }
        for (int at = 0; at < BATCH; at++)
            recv_buffer (pair.connected);
    }
}

/* Asked by a REQ, answered by a REP, one at a time. */
static void
ask (const char *endpoint, int count)
{
    struct pair pair = joined (endpoint, ZMQ_REP, ZMQ_REQ);
    for (int at = 0; at < count; at++) {
        send_buffer (pair.connected, 0);
        recv_buffer (pair.bound);
        send_buffer (pair.bound, 0);
        recv_buffer (pair.connected);
    }
}

/* A PUB with some topics of others, to one SUB. */
static void
publish (const char *endpoint, int count)
{
    struct pair pair = joined (endpoint, ZMQ_XPUB, ZMQ_SUB);
    for (int topic = 0; topic < 50; topic++) {
        char other[16];
        snprintf (other, sizeof other, "other %d", topic);
        must (zmq_setsockopt (pair.connected, ZMQ_SUBSCRIBE, other, strlen (other)) == 0, "subscribe");
    }
    must (zmq_setsockopt (pair.connected, ZMQ_SUBSCRIBE, body, 4) == 0, "subscribe");
    /* All of them are known. */
    for (int topic = 0; topic < 51; topic++) {
        char told[64];
        must (zmq_recv (pair.bound, told, sizeof told, 0) > 0, "zmq_recv");
    }
    for (int batch = 0; batch < count / BATCH; batch++) {
        for (int at = 0; at < BATCH; at++)
            send_buffer (pair.bound, 0);
        for (int at = 0; at < BATCH; at++)
            recv_buffer (pair.connected);
    }
}

/* Sixteen sockets are polled, one has a message. */
static void
look (const char *endpoint, int count)
{
    enum { ALL = 16 };
    struct pair pair = joined (endpoint, ZMQ_PULL, ZMQ_PUSH);
    zmq_pollitem_t items[ALL];
    memset (items, 0, sizeof items);
    for (int at = 0; at < ALL; at++) {
        items[at].socket = at == ALL / 2 ? pair.bound : opened (ZMQ_PULL);
        items[at].events = ZMQ_POLLIN;
        if (at != ALL / 2)
            must (zmq_bind (items[at].socket, "tcp://127.0.0.1:*") == 0, "zmq_bind");
    }
    for (int at = 0; at < count; at++) {
        send_buffer (pair.connected, 0);
        must (zmq_poll (items, ALL, -1) == 1, "zmq_poll");
        recv_buffer (pair.bound);
    }
}

int
main (int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const char *work = argv[1], *endpoint = argv[2];
    int count = atoi (argv[4]);
    size = (size_t) atol (argv[3]);
    body = malloc (size);
    memset (body, 'z', size);
    context = zmq_ctx_new ();
    if (strcmp (work, "buffers") == 0)
        stream (endpoint, count, push_buffer, recv_buffer);
    else if (strcmp (work, "msg-recv") == 0)
        stream (endpoint, count, push_buffer, recv_message);
    else if (strcmp (work, "msg") == 0)
        stream (endpoint, count, send_message, recv_message);
    else if (strcmp (work, "msg-data") == 0)
        stream (endpoint, count, send_referenced, recv_message);
    else if (strcmp (work, "echo") == 0)
        echo (endpoint, count);
    else if (strcmp (work, "ask") == 0)
        ask (endpoint, count);
    else if (strcmp (work, "publish") == 0)
        publish (endpoint, count);
    else if (strcmp (work, "poll") == 0)
        look (endpoint, count);
    else
        return 2;
    /* Without a farewell: what is counted has ended. */
    _Exit (0);
}
