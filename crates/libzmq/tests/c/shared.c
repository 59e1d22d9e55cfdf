/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* item 46: the types of the draft interface are there to be used by several threads at once: each socket by four,
   and whatever is sent arrives once. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>

enum
{
    THREADS = 4,
    EACH = 300,
    ALL = THREADS * EACH
};

static void *context;
static int seen[ALL];

/* A socket and who uses it. */
struct user
{
    void *socket;
    int number;
    uint32_t peer;
    pthread_t thread;
};

static void run (struct user *users, void *socket, uint32_t peer, void *(*body) (void *))
{
    for (int i = 0; i < THREADS; ++i) {
        users[i] = (struct user){socket, i, peer, 0};
        CHECK (pthread_create (&users[i].thread, NULL, body, &users[i]) == 0);
    }
}

static void join_all (struct user *users)
{
    for (int i = 0; i < THREADS; ++i)
        CHECK (pthread_join (users[i].thread, NULL) == 0);
}

static void see (const void *body, size_t size)
{
    int number;
    CHECK (size == sizeof number);
    memcpy (&number, body, sizeof number);
    CHECK (number >= 0 && number < ALL);
    __atomic_add_fetch (&seen[number], 1, __ATOMIC_SEQ_CST);
}

/* Every number once. */
static void all_seen (void)
{
    for (int i = 0; i < ALL; ++i)
        CHECK (seen[i] == 1);
    memset (seen, 0, sizeof seen);
}

static void *sends (void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < EACH; ++i) {
        int number = user->number * EACH + i;
        zmq_msg_t msg;
        zmq_msg_init_size (&msg, sizeof number);
        memcpy (zmq_msg_data (&msg), &number, sizeof number);
        if (user->peer)
            CHECK (zmq_msg_set_routing_id (&msg, user->peer) == 0);
        CHECK (zmq_msg_send (&msg, user->socket, 0) == sizeof number);
    }
    return NULL;
}

static void *receives (void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < EACH; ++i) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        CHECK (zmq_msg_recv (&msg, user->socket, 0) == sizeof (int));
        see (zmq_msg_data (&msg), zmq_msg_size (&msg));
        zmq_msg_close (&msg);
    }
    return NULL;
}

/* To whoever it came from. */
static void *answers (void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < EACH; ++i) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        CHECK (zmq_msg_recv (&msg, user->socket, 0) == sizeof (int));
        CHECK (zmq_msg_routing_id (&msg) != 0);
        CHECK (zmq_msg_send (&msg, user->socket, 0) == sizeof (int));
    }
    return NULL;
}

static void scatter_and_gather (const char *endpoint)
{
    void *gather = zmq_socket (context, ZMQ_GATHER), *scatter = zmq_socket (context, ZMQ_SCATTER);
    struct user in[THREADS], out[THREADS];
    join_by (gather, scatter, endpoint);
    run (in, gather, 0, receives);
    run (out, scatter, 0, sends);
    join_all (out);
    join_all (in);
    all_seen ();
    CHECK (zmq_close (scatter) == 0 && zmq_close (gather) == 0);
}

static void channels (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_CHANNEL), *two = zmq_socket (context, ZMQ_CHANNEL);
    struct user in[2][THREADS], out[2][THREADS];
    join_by (one, two, endpoint);
    run (in[0], one, 0, receives);
    run (out[1], two, 0, sends);
    join_all (out[1]);
    join_all (in[0]);
    all_seen ();
    /* Both ways, and each end in eight threads. */
    run (in[0], one, 0, receives);
    run (in[1], two, 0, receives);
    run (out[0], one, 0, sends);
    run (out[1], two, 0, sends);
    for (int i = 0; i < 2; ++i) {
        join_all (out[i]);
        join_all (in[i]);
    }
    for (int i = 0; i < ALL; ++i)
        CHECK (seen[i] == 2);
    memset (seen, 0, sizeof seen);
    CHECK (zmq_close (one) == 0 && zmq_close (two) == 0);
}

static void clients_and_servers (const char *endpoint)
{
    void *server = zmq_socket (context, ZMQ_SERVER), *client = zmq_socket (context, ZMQ_CLIENT);
    struct user serving[THREADS], in[THREADS], out[THREADS];
    join_by (server, client, endpoint);
    run (serving, server, 0, answers);
    run (in, client, 0, receives);
    run (out, client, 0, sends);
    join_all (out);
    join_all (serving);
    join_all (in);
    all_seen ();
    CHECK (zmq_close (client) == 0 && zmq_close (server) == 0);
}

static void peers (const char *endpoint)
{
    void *one = zmq_socket (context, ZMQ_PEER), *two = zmq_socket (context, ZMQ_PEER);
    struct user serving[THREADS], in[THREADS], out[THREADS];
    char resolved[256];
    size_t length = sizeof resolved;
    CHECK (zmq_bind (one, endpoint) == 0);
    CHECK (zmq_getsockopt (one, ZMQ_LAST_ENDPOINT, resolved, &length) == 0);
    uint32_t peer = zmq_connect_peer (two, resolved);
    CHECK (peer != 0);
    run (serving, one, 0, answers);
    run (in, two, 0, receives);
    run (out, two, peer, sends);
    join_all (out);
    join_all (serving);
    join_all (in);
    all_seen ();
    CHECK (zmq_close (two) == 0 && zmq_close (one) == 0);
}

static void *broadcasts (void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < EACH; ++i) {
        int number = user->number * EACH + i;
        for (int group = 0; group < 2; ++group) {
            zmq_msg_t msg;
            zmq_msg_init_size (&msg, sizeof number);
            memcpy (zmq_msg_data (&msg), &number, sizeof number);
            CHECK (zmq_msg_set_group (&msg, group ? "nobody's" : "ours") == 0);
            CHECK (zmq_msg_send (&msg, user->socket, 0) == sizeof number);
        }
    }
    return NULL;
}

static void *tunes_in (void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < EACH; ++i) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        CHECK (zmq_msg_recv (&msg, user->socket, 0) == sizeof (int));
        CHECK (strcmp (zmq_msg_group (&msg), "ours") == 0);
        see (zmq_msg_data (&msg), zmq_msg_size (&msg));
        zmq_msg_close (&msg);
    }
    return NULL;
}

static void send_to_group (void *radio, const char *group, const char *text)
{
    int size = strlen (text);
    zmq_msg_t msg;
    zmq_msg_init_size (&msg, size);
    memcpy (zmq_msg_data (&msg), text, size);
    CHECK (zmq_msg_set_group (&msg, group) == 0);
    CHECK (zmq_msg_send (&msg, radio, 0) == size);
}

static void radios_and_dishes (const char *endpoint)
{
    void *radio = zmq_socket (context, ZMQ_RADIO), *dish = zmq_socket (context, ZMQ_DISH);
    struct user in[THREADS], out[THREADS];
    char byte;
    SET_INT (radio, ZMQ_SNDHWM, 0);
    SET_INT (dish, ZMQ_RCVHWM, 0);
    CHECK (zmq_join (dish, "ours") == 0 && zmq_join (dish, "probe") == 0);
    join_by (radio, dish, endpoint);
    /* Until the RADIO knows, and then until the last of that has come through. */
    SET_INT (dish, ZMQ_RCVTIMEO, 20);
    do
        send_to_group (radio, "probe", "");
    while (zmq_recv (dish, &byte, 1, 0) == -1);
    SET_INT (dish, ZMQ_RCVTIMEO, -1);
    send_to_group (radio, "probe", "!");
    while (zmq_recv (dish, &byte, 1, 0) == 0)
        ;
    CHECK (zmq_leave (dish, "probe") == 0);
    run (in, dish, 0, tunes_in);
    run (out, radio, 0, broadcasts);
    join_all (out);
    join_all (in);
    all_seen ();
    CHECK (zmq_close (radio) == 0 && zmq_close (dish) == 0);
}

static void all_types (const char *endpoint)
{
    scatter_and_gather (endpoint);
    channels (endpoint);
    clients_and_servers (endpoint);
    peers (endpoint);
    radios_and_dishes (endpoint);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    all_types ("tcp://127.0.0.1:*");
    all_types ("ipc://*");
    /* libzmq 4.3.5 deadlocks here in 4 of 260 runs: a send that wakes the other socket of an inproc pair takes that
       one's lock (`mailbox_safe_t::send`) while it holds its own, and so does a send of the other. Over a wire it is the
       I/O thread that wakes, and that holds no lock. */
#ifdef FERROMQ
    all_types ("inproc://shared");
#endif
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
