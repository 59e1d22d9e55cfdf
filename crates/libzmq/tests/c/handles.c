/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Gives every function a handle that is none of its own - NULL, closed, of another kind, memory of the program, a small
 * number - and every pointer it takes as NULL. Each question is asked in a process of its own, for libzmq dies of some.
 */
#include "ask.h"

static uint64_t zeros[512];
static char text[256];
static size_t size = sizeof text;
static int number = 1;
static zmq_msg_t message;
static zmq_poller_event_t event;
static zmq_fd_t descriptor;

static void nothing (void *arg)
{
    (void) arg;
}

static void at_timer (int id, void *arg)
{
    (void) id;
    (void) arg;
}

#define TRY(call, name) ASK_SAFELY (call, "%s handle, %s", kind, name)

static void context_calls (const char *kind, void *handle)
{
    TRY (zmq_ctx_term (handle), "ctx_term");
    TRY (zmq_term (handle), "term");
    TRY (zmq_ctx_destroy (handle), "ctx_destroy");
    TRY (zmq_ctx_shutdown (handle), "ctx_shutdown");
    TRY (zmq_ctx_set (handle, ZMQ_IO_THREADS, 1), "ctx_set");
    TRY (zmq_ctx_get (handle, ZMQ_IO_THREADS), "ctx_get");
    TRY (zmq_ctx_set_ext (handle, ZMQ_THREAD_NAME_PREFIX, "a", 1), "ctx_set_ext");
    TRY (zmq_ctx_get_ext (handle, ZMQ_THREAD_NAME_PREFIX, text, &size), "ctx_get_ext");
    TRY (zmq_socket (handle, ZMQ_PULL) != NULL, "socket");
    TRY ((zmq_socket (handle, ZMQ_PULL), -1), "socket, error");
}

static void socket_calls (const char *kind, void *handle)
{
    struct iovec parts[2] = {{text, 1}, {text, 1}};
    size_t count = 2;
    zmq_pollitem_t item = {handle, 0, ZMQ_POLLIN, 0};
    zmq_msg_init (&message);
    TRY (zmq_close (handle), "close");
    TRY (zmq_setsockopt (handle, ZMQ_LINGER, &number, sizeof number), "setsockopt");
    TRY (zmq_getsockopt (handle, ZMQ_TYPE, text, &size), "getsockopt");
    TRY (zmq_bind (handle, "inproc://x"), "bind");
    TRY (zmq_connect (handle, "inproc://x"), "connect");
    TRY (zmq_unbind (handle, "inproc://x"), "unbind");
    TRY (zmq_disconnect (handle, "inproc://x"), "disconnect");
    TRY (zmq_send (handle, "x", 1, 0), "send");
    TRY (zmq_send_const (handle, "x", 1, 0), "send_const");
    TRY (zmq_recv (handle, text, 1, 0), "recv");
    TRY (zmq_msg_send (&message, handle, 0), "msg_send");
    TRY (zmq_msg_recv (&message, handle, 0), "msg_recv");
    TRY (zmq_sendmsg (handle, &message, 0), "sendmsg");
    TRY (zmq_recvmsg (handle, &message, 0), "recvmsg");
    TRY (zmq_sendiov (handle, parts, count, 0), "sendiov");
    TRY (zmq_recviov (handle, parts, &count, 0), "recviov");
    TRY (zmq_socket_monitor (handle, "inproc://x", 1), "socket_monitor");
    TRY (zmq_socket_monitor_versioned (handle, "inproc://x", 1, 2, ZMQ_PAIR), "socket_monitor_versioned");
    TRY (zmq_socket_monitor_pipes_stats (handle), "socket_monitor_pipes_stats");
    TRY (zmq_join (handle, "x"), "join");
    TRY (zmq_leave (handle, "x"), "leave");
    TRY (zmq_connect_peer (handle, "inproc://x"), "connect_peer");
    TRY ((zmq_connect_peer (handle, "inproc://x"), -1), "connect_peer, error");
    TRY (zmq_disconnect_peer (handle, 1), "disconnect_peer");
    TRY (zmq_socket_get_peer_state (handle, "x", 1), "socket_get_peer_state");
    if (handle) {
        TRY (zmq_poll (&item, 1, 0), "poll");
        TRY (zmq_ppoll (&item, 1, 0, NULL), "ppoll");
    }
    void *poller = zmq_poller_new ();
    TRY (zmq_poller_add (poller, handle, NULL, ZMQ_POLLIN), "poller_add to it");
    TRY (zmq_poller_modify (poller, handle, ZMQ_POLLIN), "poller_modify of it");
    TRY (zmq_poller_remove (poller, handle), "poller_remove of it");
    zmq_poller_destroy (&poller);
    TRY (zmq_proxy (handle, handle, NULL), "proxy");
    TRY (zmq_proxy_steerable (handle, handle, NULL, NULL), "proxy_steerable");
    TRY (zmq_device (ZMQ_QUEUE, handle, handle), "device");
    zmq_msg_close (&message);
}

static void poller_calls (const char *kind, void *handle)
{
    void *place = handle;
    TRY (zmq_poller_destroy (&place), "poller_destroy");
    TRY (zmq_poller_size (handle), "poller_size");
    TRY (zmq_poller_add (handle, NULL, NULL, ZMQ_POLLIN), "poller_add");
    TRY (zmq_poller_modify (handle, NULL, ZMQ_POLLIN), "poller_modify");
    TRY (zmq_poller_remove (handle, NULL), "poller_remove");
    TRY (zmq_poller_wait (handle, &event, 0), "poller_wait");
    TRY (zmq_poller_wait_all (handle, &event, 1, 0), "poller_wait_all");
    TRY (zmq_poller_fd (handle, &descriptor), "poller_fd");
    TRY (zmq_poller_add_fd (handle, 0, NULL, ZMQ_POLLIN), "poller_add_fd");
    TRY (zmq_poller_modify_fd (handle, 0, ZMQ_POLLIN), "poller_modify_fd");
    TRY (zmq_poller_remove_fd (handle, 0), "poller_remove_fd");
}

static void timer_calls (const char *kind, void *handle)
{
    void *place = handle;
    TRY (zmq_timers_destroy (&place), "timers_destroy");
    TRY (zmq_timers_add (handle, 5, at_timer, NULL), "timers_add");
    TRY (zmq_timers_cancel (handle, 1), "timers_cancel");
    TRY (zmq_timers_set_interval (handle, 1, 5), "timers_set_interval");
    TRY (zmq_timers_reset (handle, 1), "timers_reset");
    TRY (zmq_timers_timeout (handle), "timers_timeout");
    TRY (zmq_timers_execute (handle), "timers_execute");
}

/* What has no error to answer with: these have to come back. */
static void other_calls (const char *kind, void *handle)
{
    void *place = handle;
    TRY ((zmq_atomic_counter_set (handle, 1), 0), "atomic_counter_set");
    TRY ((zmq_atomic_counter_inc (handle), 0), "atomic_counter_inc");
    TRY ((zmq_atomic_counter_dec (handle), 0), "atomic_counter_dec");
    TRY ((zmq_atomic_counter_value (handle), 0), "atomic_counter_value");
    TRY ((zmq_atomic_counter_destroy (&place), 0), "atomic_counter_destroy");
    TRY ((zmq_stopwatch_intermediate (handle), 0), "stopwatch_intermediate");
    TRY ((zmq_stopwatch_stop (handle), 0), "stopwatch_stop");
    TRY ((zmq_threadclose (handle), 0), "threadclose");
}

static void null_pointers (void)
{
    const char *kind = "valid";
    void *context = zmq_ctx_new ();
    void *poller = zmq_poller_new (), *timers = zmq_timers_new ();
    zmq_msg_t other;
    zmq_msg_init (&message);
    zmq_msg_init (&other);
    TRY (zmq_ctx_set_ext (context, ZMQ_THREAD_NAME_PREFIX, NULL, 1), "ctx_set_ext NULL");
    TRY (zmq_ctx_get_ext (context, ZMQ_THREAD_NAME_PREFIX, NULL, &size), "ctx_get_ext NULL");
    TRY (zmq_ctx_get_ext (context, ZMQ_THREAD_NAME_PREFIX, text, NULL), "ctx_get_ext NULL size");
    TRY (zmq_msg_init (NULL), "msg_init NULL");
    TRY (zmq_msg_init_size (NULL, 1), "msg_init_size NULL");
    TRY (zmq_msg_init_data (NULL, text, 1, NULL, NULL), "msg_init_data NULL");
    TRY (zmq_msg_init_data (&other, NULL, 1, NULL, NULL), "msg_init_data NULL data");
    TRY (zmq_msg_init_buffer (NULL, text, 1), "msg_init_buffer NULL");
    TRY (zmq_msg_init_buffer (&other, NULL, 1), "msg_init_buffer NULL data");
    TRY (zmq_msg_init_buffer (&other, NULL, 0), "msg_init_buffer no data");
    TRY (zmq_msg_close (NULL), "msg_close NULL");
    TRY (zmq_msg_move (NULL, &message), "msg_move to NULL");
    TRY (zmq_msg_move (&message, NULL), "msg_move from NULL");
    TRY (zmq_msg_copy (NULL, &message), "msg_copy to NULL");
    TRY (zmq_msg_copy (&message, NULL), "msg_copy from NULL");
    TRY (zmq_msg_data (NULL) != NULL, "msg_data NULL");
    TRY (zmq_msg_size (NULL), "msg_size NULL");
    TRY (zmq_msg_more (NULL), "msg_more NULL");
    TRY (zmq_msg_get (NULL, ZMQ_MORE), "msg_get NULL");
    TRY (zmq_msg_set (NULL, ZMQ_MORE, 1), "msg_set NULL");
    TRY (zmq_msg_gets (NULL, "Socket-Type") != NULL, "msg_gets NULL");
    TRY (zmq_msg_gets (&message, NULL) != NULL, "msg_gets NULL name");
    TRY (zmq_msg_set_routing_id (NULL, 1), "msg_set_routing_id NULL");
    TRY (zmq_msg_routing_id (NULL), "msg_routing_id NULL");
    TRY (zmq_msg_set_group (NULL, "a"), "msg_set_group NULL");
    TRY (zmq_msg_set_group (&message, NULL), "msg_set_group NULL name");
    TRY (zmq_msg_group (NULL) != NULL, "msg_group NULL");
    TRY ((zmq_version (NULL, NULL, NULL), 0), "version NULL");
    TRY (zmq_has (NULL), "has NULL");
    TRY (zmq_z85_encode (NULL, (uint8_t *) text, 4) != NULL, "z85_encode NULL");
    TRY (zmq_z85_encode (text, NULL, 4) != NULL, "z85_encode NULL data");
    TRY (zmq_z85_decode (NULL, "HelloWorld") != NULL, "z85_decode NULL");
    TRY (zmq_z85_decode ((uint8_t *) text, NULL) != NULL, "z85_decode NULL text");
    TRY (zmq_curve_keypair (NULL, text), "curve_keypair NULL");
    TRY (zmq_curve_keypair (text, NULL), "curve_keypair NULL secret");
    TRY (zmq_curve_public (NULL, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"), "curve_public NULL");
    TRY (zmq_curve_public (text, NULL), "curve_public NULL secret");
    TRY (zmq_poll (NULL, 0, 0), "poll nothing");
    TRY (zmq_poll (NULL, 1, 0), "poll NULL");
    TRY (zmq_ppoll (NULL, 1, 0, NULL), "ppoll NULL");
    TRY (zmq_poller_wait (poller, NULL, 0), "poller_wait NULL");
    TRY (zmq_poller_wait_all (poller, NULL, 1, 0), "poller_wait_all NULL");
    TRY (zmq_poller_fd (poller, NULL), "poller_fd NULL");
    TRY (zmq_poller_destroy (NULL), "poller_destroy NULL");
    TRY (zmq_timers_destroy (NULL), "timers_destroy NULL");
    TRY (zmq_timers_add (timers, 5, NULL, NULL), "timers_add NULL");
    TRY ((zmq_atomic_counter_destroy (NULL), 0), "atomic_counter_destroy NULL");
    TRY (zmq_threadstart (NULL, NULL) != NULL, "threadstart NULL");
    TRY ((zmq_threadclose (zmq_threadstart (nothing, NULL)), 0), "threadstart");
    TRY (zmq_strerror (-1) != NULL, "strerror");
    TRY (zmq_init (-1) != NULL, "init -1");
    TRY ((zmq_sleep (0), 0), "sleep");
    /* Sockets of a parent answer for that: these are made in the child. */
#define WITH(type, call, name) \
    TRY (({ void *c_ = zmq_ctx_new (), *s = zmq_socket (c_, type); (void) s; call; }), name)
    WITH (ZMQ_DEALER, zmq_bind (s, NULL), "bind NULL");
    WITH (ZMQ_DEALER, zmq_connect (s, NULL), "connect NULL");
    WITH (ZMQ_DEALER, zmq_unbind (s, NULL), "unbind NULL");
    WITH (ZMQ_DEALER, zmq_disconnect (s, NULL), "disconnect NULL");
    WITH (ZMQ_DEALER, zmq_setsockopt (s, ZMQ_SNDHWM, NULL, 4), "setsockopt NULL");
    WITH (ZMQ_DEALER, zmq_getsockopt (s, ZMQ_SNDHWM, NULL, &size), "getsockopt NULL");
    WITH (ZMQ_DEALER, zmq_getsockopt (s, ZMQ_SNDHWM, text, NULL), "getsockopt NULL size");
    WITH (ZMQ_DEALER, zmq_send (s, NULL, 1, ZMQ_DONTWAIT), "send NULL");
    WITH (ZMQ_DEALER, zmq_send (s, NULL, 0, ZMQ_DONTWAIT), "send nothing");
    WITH (ZMQ_DEALER, zmq_send_const (s, NULL, 1, ZMQ_DONTWAIT), "send_const NULL");
    WITH (ZMQ_DEALER, zmq_recv (s, NULL, 1, ZMQ_DONTWAIT), "recv NULL");
    WITH (ZMQ_DEALER, zmq_recv (s, NULL, 0, ZMQ_DONTWAIT), "recv nothing");
    WITH (ZMQ_DEALER, zmq_msg_send (NULL, s, ZMQ_DONTWAIT), "msg_send NULL");
    WITH (ZMQ_DEALER, zmq_msg_recv (NULL, s, ZMQ_DONTWAIT), "msg_recv NULL");
    WITH (ZMQ_DEALER, zmq_sendmsg (s, NULL, ZMQ_DONTWAIT), "sendmsg NULL");
    WITH (ZMQ_DEALER, zmq_recvmsg (s, NULL, ZMQ_DONTWAIT), "recvmsg NULL");
    WITH (ZMQ_DEALER, zmq_sendiov (s, NULL, 1, 0), "sendiov NULL");
    WITH (ZMQ_DEALER, zmq_sendiov (s, NULL, 0, 0), "sendiov none");
    WITH (ZMQ_DEALER, zmq_recviov (s, NULL, &size, 0), "recviov NULL");
    WITH (ZMQ_DEALER, zmq_recviov (s, NULL, NULL, 0), "recviov NULL count");
    WITH (ZMQ_DEALER, zmq_socket_monitor (s, NULL, 1), "socket_monitor NULL");
    WITH (ZMQ_DISH, zmq_join (s, NULL), "join NULL");
    WITH (ZMQ_DISH, zmq_leave (s, NULL), "leave NULL");
    WITH (ZMQ_PEER, (int) zmq_connect_peer (s, NULL), "connect_peer NULL");
    WITH (ZMQ_ROUTER, zmq_socket_get_peer_state (s, NULL, 1), "socket_get_peer_state NULL");
    WITH (ZMQ_DEALER, zmq_proxy (s, NULL, NULL), "proxy without a back end");
    WITH (ZMQ_DEALER, zmq_proxy (NULL, s, NULL), "proxy without a front end");
    WITH (ZMQ_DEALER, zmq_device (0, s, NULL), "device without a back end");
    zmq_poller_destroy (&poller);
    zmq_timers_destroy (&timers);
    zmq_ctx_term (context);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    limit ();
    void *context = zmq_ctx_new (), *socket = zmq_socket (context, ZMQ_DEALER);
    void *poller = zmq_poller_new (), *timers = zmq_timers_new ();
    void *old_context = zmq_ctx_new (), *old_socket = zmq_socket (context, ZMQ_DEALER);
    void *old_poller = zmq_poller_new (), *old_timers = zmq_timers_new ();
    void *closed[] = {old_context, old_socket, old_poller, old_timers};
    zmq_close (old_socket);
    zmq_ctx_term (old_context);
    zmq_poller_destroy (&old_poller);
    zmq_timers_destroy (&old_timers);
    context_calls ("closed", closed[0]);
    socket_calls ("closed", closed[1]);
    poller_calls ("closed", closed[2]);
    timer_calls ("closed", closed[3]);
    struct
    {
        const char *kind;
        void *handle;
    } wrong[] = {{"NULL", NULL}, {"foreign", zeros + 8}, {"small", (void *) 8}, {"odd", (char *) zeros + 3},
                 {"context's", context}, {"socket's", socket}, {"poller's", poller}, {"timers'", timers}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (wrong[i].handle != context)
            context_calls (wrong[i].kind, wrong[i].handle);
        if (wrong[i].handle != socket)
            socket_calls (wrong[i].kind, wrong[i].handle);
        if (wrong[i].handle != poller)
            poller_calls (wrong[i].kind, wrong[i].handle);
        if (wrong[i].handle != timers)
            timer_calls (wrong[i].kind, wrong[i].handle);
    }
    other_calls ("NULL", NULL);
    null_pointers ();
    zmq_poller_destroy (&poller);
    zmq_timers_destroy (&timers);
    zmq_close (socket);
    zmq_ctx_term (context);
    return 0;
}
