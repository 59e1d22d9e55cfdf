/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Handlers at inproc://zeromq.zap.01 (RFC 27), behind each type of socket that may answer. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>

/* One that has several parts, or one part with several frames. */
typedef struct {
    int count;
    size_t lengths[16];
    char frames[16][256];
} frames_t;

static void add (frames_t *frames, const void *bytes, size_t length)
{
    CHECK (frames->count < 16 && length <= 256);
    frames->lengths[frames->count] = length;
    memcpy (frames->frames[frames->count++], bytes, length);
}

static int is (const frames_t *frames, int at, const char *text)
{
    return at < frames->count && frames->lengths[at] == strlen (text)
           && memcmp (frames->frames[at], text, strlen (text)) == 0;
}

static void receive_all (void *socket, frames_t *frames)
{
    char buffer[256];
    do {
        int length = zmq_recv (socket, buffer, sizeof buffer, 0);
        CHECK (length >= 0);
        add (frames, buffer, length);
    } while (get_int (socket, ZMQ_RCVMORE));
}

static void send_all (void *socket, const frames_t *frames)
{
    for (int i = 0; i < frames->count; ++i)
        CHECK (zmq_send (socket, frames->frames[i], frames->lengths[i],
                         i + 1 < frames->count ? ZMQ_SNDMORE : 0)
               == (int) frames->lengths[i]);
}

/* Decides about a request: version, id, domain, address, identity, mechanism, credentials. */
static void decide (const frames_t *request, int from, frames_t *reply)
{
    static const char metadata[] = "\005Floor\0\0\0\0013";
    CHECK (request->count == from + 8);
    CHECK (is (request, from, "1.0") && is (request, from + 2, "here"));
    CHECK (is (request, from + 3, "127.0.0.1") && is (request, from + 4, "doorkeeper"));
    CHECK (is (request, from + 5, "PLAIN") && is (request, from + 6, "me"));
    add (reply, request->frames[from], request->lengths[from]);
    add (reply, request->frames[from + 1], request->lengths[from + 1]);
    if (is (request, from + 7, "good")) {
        add (reply, "200", 3);
        add (reply, "OK", 2);
        add (reply, "somebody", 8);
        add (reply, metadata, sizeof metadata - 1);
    } else {
        add (reply, "400", 3);
        add (reply, "no", 2);
        add (reply, "", 0);
        add (reply, "", 0);
    }
}

#ifdef FERROMQ
/* Ours alone: libzmq takes such a handler and never asks it, for messages of a SERVER have one part. */
static void answer_in_one_part (void *handler)
{
    zmq_msg_t msg;
    frames_t request = {0}, reply = {0};
    CHECK (zmq_msg_init (&msg) == 0 && zmq_msg_recv (&msg, handler, 0) >= 0);
    const uint8_t *at = zmq_msg_data (&msg), *end = at + zmq_msg_size (&msg);
    while (at < end) {
        CHECK (*at < 255 && *at < end - at);
        add (&request, at + 1, *at);
        at += 1 + *at;
    }
    decide (&request, 0, &reply);
    uint32_t who = zmq_msg_routing_id (&msg);
    CHECK (who != 0 && zmq_msg_close (&msg) == 0);
    uint8_t part[sizeof reply.frames];
    size_t length = 0;
    for (int i = 0; i < reply.count; ++i) {
        part[length++] = (uint8_t) reply.lengths[i];
        memcpy (part + length, reply.frames[i], reply.lengths[i]);
        length += reply.lengths[i];
    }
    CHECK (zmq_msg_init_size (&msg, length) == 0);
    memcpy (zmq_msg_data (&msg), part, length);
    CHECK (zmq_msg_set_routing_id (&msg, who) == 0);
    CHECK (zmq_msg_send (&msg, handler, 0) == (int) length);
}
#endif

static void answer (void *handler, int type)
{
#ifdef FERROMQ
    if (type == ZMQ_SERVER) {
        answer_in_one_part (handler);
        return;
    }
#endif
    frames_t request = {0}, reply = {0};
    receive_all (handler, &request);
    int envelope = type == ZMQ_ROUTER ? 2 : 0;
    for (int i = 0; i < envelope; ++i)
        add (&reply, request.frames[i], request.lengths[i]);
    decide (&request, envelope, &reply);
    send_all (handler, &reply);
}

/* Answers until the other socket has something. */
static void answer_until (void *handler, int type, void *socket)
{
    for (;;) {
        zmq_pollitem_t items[2] = {{socket, 0, ZMQ_POLLIN, 0}, {handler, 0, ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, 2, -1) > 0);
        if (items[0].revents)
            return;
        answer (handler, type);
    }
}

static void *client (void *context, const char *password, const char *endpoint)
{
    void *push = zmq_socket (context, ZMQ_PUSH);
    SET_INT (push, ZMQ_LINGER, 0);
    CHECK (zmq_setsockopt (push, ZMQ_PLAIN_USERNAME, "me", 2) == 0);
    CHECK (zmq_setsockopt (push, ZMQ_PLAIN_PASSWORD, password, strlen (password)) == 0);
    CHECK (zmq_connect (push, endpoint) == 0);
    return push;
}

static void handled_by (int type)
{
    void *context = zmq_ctx_new ();
    void *handler = zmq_socket (context, type);
    CHECK (zmq_bind (handler, "inproc://zeromq.zap.01") == 0);
    void *pull = zmq_socket (context, ZMQ_PULL);
    SET_INT (pull, ZMQ_PLAIN_SERVER, 1);
    CHECK (zmq_setsockopt (pull, ZMQ_ZAP_DOMAIN, "here", 4) == 0);
    CHECK (zmq_setsockopt (pull, ZMQ_ROUTING_ID, "doorkeeper", 10) == 0);
    CHECK (zmq_socket_monitor (pull, "inproc://refusals", ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0);
    void *refusals = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_connect (refusals, "inproc://refusals") == 0);
    char endpoint[256];
    size_t length = sizeof endpoint;
    CHECK (zmq_bind (pull, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0);

    void *bad = client (context, "bad", endpoint);
    answer_until (handler, type, refusals);
    frames_t event = {0};
    receive_all (refusals, &event);
    uint32_t status;
    memcpy (&status, event.frames[0] + 2, sizeof status);
    CHECK (status == 400);
    CHECK (zmq_close (bad) == 0);

    void *good = client (context, "good", endpoint);
    send_text (good, "hello", 0);
    answer_until (handler, type, pull);
    zmq_msg_t msg;
    CHECK (zmq_msg_init (&msg) == 0 && zmq_msg_recv (&msg, pull, 0) == 5);
    CHECK (strcmp (zmq_msg_gets (&msg, "User-Id"), "somebody") == 0);
    CHECK (strcmp (zmq_msg_gets (&msg, "Floor"), "3") == 0);
    CHECK (zmq_msg_close (&msg) == 0);
    CHECK (zmq_close (good) == 0 && zmq_close (refusals) == 0 && zmq_close (pull) == 0);
    CHECK (zmq_close (handler) == 0 && zmq_ctx_term (context) == 0);
}

int main (void)
{
    limit ();
    handled_by (ZMQ_REP);
    handled_by (ZMQ_ROUTER);
#ifdef FERROMQ
    handled_by (ZMQ_SERVER);
#endif
    return 0;
}
