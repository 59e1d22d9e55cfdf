/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Asks a library the same questions in the same order and prints the answers, one a line:
 * `question = answer`. The test compares those of two libraries.
 */
#include "ask.h"

static void *ctx;

static void print_bytes (const unsigned char *bytes, size_t size)
{
    size_t length = size;
    while (length > 0 && bytes[length - 1] == 0)
        length--;
    for (size_t i = 0; i < length && i < 48; i++)
        printf ("%02x", bytes[i]);
    if (length == 0)
        printf ("zeros");
}

static void ask_get (void *socket, int option, size_t room, const char *label)
{
    unsigned char value[1024];
    memset (value, 0xee, sizeof value);
    size_t size = room;
    errno = 0;
    int rc = zmq_getsockopt (socket, option, value, &size);
    printf ("%s get %d into %zu = ", label, option, room);
    if (rc == -1)
        printf ("-1 %s\n", name_of (errno));
    else if (option == ZMQ_FD)
        printf ("0, %zu bytes\n", size);
    else {
        printf ("0, %zu bytes, ", size);
        print_bytes (value, size);
        printf ("\n");
    }
}

static int is_option_asked (int option)
{
    /* Retired numbers and those of Windows are asked, too. */
    return option >= 0 && option <= 130;
}

static void ask_options (int type)
{
    static const int ints[] = {-1000000, -2, -1, 0, 1, 2, 3, 4, 255, 256, 1000, 6553599, 6553600, 2147483647};
    char label[64];
    for (int option = 0; is_option_asked (option); option++) {
        void *socket = zmq_socket (ctx, type);
        if (!socket)
            return;
        int zero = 0;
        zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
        snprintf (label, sizeof label, "type %d", type);
        /* Linger was changed; its default is asked elsewhere. */
        ask_get (socket, option, 4, label);
        ask_get (socket, option, 3, label);
        ask_get (socket, option, 8, label);
        ask_get (socket, option, 32, label);
        ask_get (socket, option, 41, label);
        ask_get (socket, option, 256, label);
        if (type != ZMQ_DEALER && type != ZMQ_XPUB && type != ZMQ_SUB && type != ZMQ_STREAM && type != ZMQ_ROUTER
            && type != ZMQ_SERVER && type != ZMQ_REQ) {
            zmq_close (socket);
            continue;
        }
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
            ASK (zmq_setsockopt (socket, option, &ints[i], sizeof (int)), "type %d set %d to int %d", type, option, ints[i]);
            if (i == 0 || i == 3 || i == 10)
                ask_get (socket, option, 4, label);
        }
        long long wide = 5;
        ASK (zmq_setsockopt (socket, option, &wide, sizeof wide), "type %d set %d to i64 5", type, option);
        ask_get (socket, option, 8, label);
        ASK (zmq_setsockopt (socket, option, &wide, 3), "type %d set %d with 3 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, "", 0), "type %d set %d to nothing", type, option);
        ASK (zmq_setsockopt (socket, option, NULL, 0), "type %d set %d to NULL", type, option);
        ASK (zmq_setsockopt (socket, option, "abc", 3), "type %d set %d to abc", type, option);
        ask_get (socket, option, 256, label);
        char text[300];
        memset (text, 'a', sizeof text);
        ASK (zmq_setsockopt (socket, option, text, 15), "type %d set %d to 15 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, text, 16), "type %d set %d to 16 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, text, 17), "type %d set %d to 17 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, text, 32), "type %d set %d to 32 bytes", type, option);
        ask_get (socket, option, 41, label);
        ASK (zmq_setsockopt (socket, option, text, 40), "type %d set %d to 40 bytes", type, option);
        ask_get (socket, option, 32, label);
        ASK (zmq_setsockopt (socket, option, text, 41), "type %d set %d to 41 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, text, 255), "type %d set %d to 255 bytes", type, option);
        ask_get (socket, option, 256, label);
        ASK (zmq_setsockopt (socket, option, text, 256), "type %d set %d to 256 bytes", type, option);
        ASK (zmq_setsockopt (socket, option, "X-a:b", 5), "type %d set %d to X-a:b", type, option);
        ask_get (socket, ZMQ_MECHANISM, 4, "mechanism afterwards");
        zmq_close (socket);
    }
    void *socket = zmq_socket (ctx, type);
    snprintf (label, sizeof label, "fresh type %d", type);
    ask_get (socket, ZMQ_LINGER, 4, label);
    ask_get (socket, ZMQ_EVENTS, 4, label);
    ask_get (socket, ZMQ_LAST_ENDPOINT, 256, label);
    zmq_close (socket);
}

static void ask_context_options (void)
{
    static const int ints[] = {-1000, -1, 0, 1, 2, 3, 100, 1023, 65536};
    for (int option = 0; option <= 100; option++) {
        void *context = zmq_ctx_new ();
        ASK (zmq_ctx_get (context, option), "ctx get %d", option);
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
            ASK (zmq_ctx_set (context, option, ints[i]), "ctx set %d to %d", option, ints[i]);
            ASK (zmq_ctx_get (context, option), "ctx get %d after %d", option, ints[i]);
        }
        char text[64] = "";
        size_t size = sizeof text;
        ASK (zmq_ctx_get_ext (context, option, text, &size), "ctx get_ext %d", option);
        ASK (zmq_ctx_set_ext (context, option, "abc", 3), "ctx set_ext %d abc", option);
        size = sizeof text;
        ASK (zmq_ctx_get_ext (context, option, text, &size), "ctx get_ext %d after", option);
        zmq_ctx_term (context);
    }
}

static void ask_endpoint (int type, const char *endpoint)
{
    void *socket = zmq_socket (ctx, type);
    int zero = 0;
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    ASK (zmq_bind (socket, endpoint), "type %d bind %s", type, endpoint);
    ASK (zmq_unbind (socket, endpoint), "type %d unbind %s", type, endpoint);
    zmq_close (socket);
    socket = zmq_socket (ctx, type);
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    ASK (zmq_connect (socket, endpoint), "type %d connect %s", type, endpoint);
    ASK (zmq_disconnect (socket, endpoint), "type %d disconnect %s", type, endpoint);
    ASK (zmq_disconnect (socket, endpoint), "type %d disconnect again %s", type, endpoint);
    zmq_close (socket);
}

static void ask_endpoints (void)
{
    static const char *const endpoints[] = {
      "", "tcp", "tcp:", "tcp:/", "tcp://", "://x", "tcp://:", "tcp://*", "tcp://127.0.0.1", "tcp://127.0.0.1:",
      "tcp://127.0.0.1:x", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:0", "tcp://*:*",
      "tcp://127.0.0.1:*", "tcp://300.0.0.1:5555", "tcp://nosuchinterface:5555", "tcp://lo:*", "tcp://[::1]:*",
      "tcp://[::1:5555", "tcp://127.0.0.1:1", "tcp://nosuchhost.invalid:5555", "tcp://127.0.0.1:5555;127.0.0.1:5556",
      "tcp://127.0.0.1:0;127.0.0.1:5556", "tcp://x;127.0.0.1:5556", "tcp://1.2.3.4:5555", "TCP://127.0.0.1:*",
      "ipc://", "ipc://*", "ipc:///nowhere/at/all",
      "ipc:///tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "inproc://", "inproc://a", "nosuch://a", "pgm", "tipc://", "vmci://*:*", "ws://", "norm://", "tcp://127.0.0.1:5 555"};
    static const int types[] = {ZMQ_PUSH, ZMQ_PULL, ZMQ_PUB, ZMQ_SUB, ZMQ_REQ, ZMQ_STREAM, ZMQ_RADIO, ZMQ_DISH};
    static const char *const datagrams[] = {
      "udp://", "udp://x", "udp://:", "udp://:5599", "udp://*", "udp://*:", "udp://*:5599", "udp://*:x", "udp://*:65536",
      "udp://127.0.0.1:5599", "udp://127.0.0.1:0", "udp://127.0.0.1:*", "udp://[::1]:5599", "udp://lo:5599",
      "udp://lo;239.192.0.1:5599", "udp://127.0.0.1;239.192.0.1:5599", "udp://*;239.192.0.1:5599",
      "udp://nosuch0;239.192.0.1:5599", "udp://lo;127.0.0.1:5599", "udp://nosuchhost.invalid:5599", "UDP://127.0.0.1:5599"};
    static const int talkers[] = {ZMQ_RADIO, ZMQ_DISH, ZMQ_DGRAM, ZMQ_PUB};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
            ask_endpoint (types[t], endpoints[i]);
    for (size_t t = 0; t < sizeof talkers / sizeof *talkers; t++)
        for (size_t i = 0; i < sizeof datagrams / sizeof *datagrams; i++)
            ask_endpoint (talkers[t], datagrams[i]);
}

static void ask_traffic (int type)
{
    void *socket = zmq_socket (ctx, type);
    if (!socket)
        return;
    char buffer[8], here[64], elsewhere[64];
    char monitors[4][64];
    for (int i = 0; i < 4; i++)
        snprintf (monitors[i], sizeof monitors[i], "inproc://monitor-%d-%d", type, i);
    snprintf (here, sizeof here, "inproc://traffic-%d", type);
    snprintf (elsewhere, sizeof elsewhere, "inproc://elsewhere-%d", type);
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), "type %d send alone", type);
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE), "type %d send more alone", type);
    ASK (zmq_recv (socket, buffer, sizeof buffer, ZMQ_DONTWAIT), "type %d recv alone", type);
    ASK (zmq_send_const (socket, "x", 1, ZMQ_DONTWAIT), "type %d send_const alone", type);
    ASK (zmq_send (socket, "", 0, ZMQ_DONTWAIT), "type %d send nothing", type);
    ask_get (socket, ZMQ_EVENTS, 4, "events alone");
    ASK (zmq_bind (socket, here), "type %d bind", type);
    ASK (zmq_bind (socket, here), "type %d bind again", type);
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), "type %d send bound", type);
    ASK (zmq_recv (socket, buffer, sizeof buffer, ZMQ_DONTWAIT), "type %d recv bound", type);
    ASK (zmq_connect (socket, elsewhere), "type %d connect", type);
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), "type %d send connected", type);
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), "type %d send connected again", type);
    ASK (zmq_recv (socket, buffer, sizeof buffer, ZMQ_DONTWAIT), "type %d recv connected", type);
    ask_get (socket, ZMQ_EVENTS, 4, "events connected");
    ASK (zmq_join (socket, "group"), "type %d join", type);
    ASK (zmq_join (socket, "group"), "type %d join again", type);
    ASK (zmq_leave (socket, "group"), "type %d leave", type);
    ASK (zmq_leave (socket, "group"), "type %d leave again", type);
    ASK (zmq_connect_peer (socket, here) > 0, "type %d connect_peer", type);
    ASK (zmq_socket_get_peer_state (socket, "nobody", 6), "type %d peer_state", type);
    ASK (zmq_socket_monitor (socket, monitors[0], ZMQ_EVENT_CONNECTED), "type %d monitor", type);
    ASK (zmq_socket_monitor (socket, "tcp://127.0.0.1:*", ZMQ_EVENT_CONNECTED), "type %d monitor tcp", type);
    ASK (zmq_socket_monitor (socket, NULL, 0), "type %d monitor NULL", type);
    ASK (zmq_socket_monitor_versioned (socket, monitors[1], ZMQ_EVENT_CONNECTED, 2, ZMQ_PAIR), "type %d monitor v2", type);
    ASK (zmq_socket_monitor_versioned (socket, monitors[2], ZMQ_EVENT_CONNECTED, 3, ZMQ_PAIR), "type %d monitor v3", type);
    ASK (zmq_socket_monitor_versioned (socket, monitors[3], ZMQ_EVENT_CONNECTED, 2, ZMQ_REQ), "type %d monitor REQ", type);
    ASK (zmq_socket_monitor_pipes_stats (socket), "type %d pipes_stats", type);
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    ASK (zmq_poll (&item, 1, 0), "type %d poll", type);
    printf ("type %d revents = %d\n", type, item.revents);
    int zero = 0;
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_close (socket);
}

static void ask_messages (void)
{
    zmq_msg_t message, other;
    memset (&message, 0, sizeof message);
    ASK_SAFELY (zmq_msg_close (&message), "msg_close of zeros");
    ASK_SAFELY (zmq_msg_init (NULL), "msg_init NULL");
    ASK_SAFELY (zmq_msg_close (NULL), "msg_close NULL");
    zmq_msg_init_size (&message, 5);
    ASK (zmq_msg_size (&message), "msg_size");
    ASK (zmq_msg_more (&message), "msg_more");
    ASK (zmq_msg_get (&message, ZMQ_MORE), "msg_get MORE");
    ASK (zmq_msg_get (&message, ZMQ_SRCFD), "msg_get SRCFD");
    ASK (zmq_msg_get (&message, ZMQ_SHARED), "msg_get SHARED");
    ASK (zmq_msg_get (&message, 77), "msg_get 77");
    ASK (zmq_msg_set (&message, ZMQ_MORE, 1), "msg_set MORE");
    ASK (zmq_msg_set (&message, 77, 1), "msg_set 77");
    ASK (zmq_msg_gets (&message, "Socket-Type") != NULL, "msg_gets");
    printf ("msg_gets errno = %s\n", name_of (errno));
    ASK (zmq_msg_routing_id (&message), "msg_routing_id");
    ASK (zmq_msg_set_routing_id (&message, 0), "msg_set_routing_id 0");
    ASK (zmq_msg_set_routing_id (&message, 7), "msg_set_routing_id 7");
    ASK (zmq_msg_routing_id (&message), "msg_routing_id after");
    printf ("msg_group = [%s]\n", zmq_msg_group (&message));
    ASK (zmq_msg_set_group (&message, "abc"), "msg_set_group");
    printf ("msg_group after = [%s]\n", zmq_msg_group (&message));
    char name[300];
    memset (name, 'g', sizeof name);
    name[255] = 0;
    ASK (zmq_msg_set_group (&message, name), "msg_set_group 255");
    name[255] = 'g';
    name[256] = 0;
    ASK (zmq_msg_set_group (&message, name), "msg_set_group 256");
    zmq_msg_init (&other);
    ASK (zmq_msg_copy (&other, &message), "msg_copy");
    ASK (zmq_msg_size (&other), "msg_size of copy");
    ASK (zmq_msg_move (&message, &other), "msg_move");
    ASK (zmq_msg_size (&other), "msg_size of moved");
    ASK (zmq_msg_close (&message), "msg_close");
    ASK_SAFELY (zmq_msg_close (&message), "msg_close again");
    ASK_SAFELY (zmq_msg_copy (&other, &message), "msg_copy of closed");
    ASK_SAFELY (zmq_msg_move (&other, &message), "msg_move of closed");
    zmq_msg_close (&other);
    zmq_msg_init_buffer (&message, "abc", 3);
    printf ("msg_init_buffer = %.3s\n", (char *) zmq_msg_data (&message));
    zmq_msg_close (&message);
    ASK (zmq_msg_init_size (&message, (size_t) -1), "msg_init_size huge");
    ASK (zmq_msg_init_size (&message, ((size_t) -1) / 2), "msg_init_size half of that");
}

static void ask_handles (void)
{
    void *null = NULL;
    char text[64];
    size_t size = sizeof text;
    int value = 0;
    ASK_SAFELY (zmq_close (null), "close NULL");
    ASK_SAFELY (zmq_bind (null, "inproc://x"), "bind NULL");
    ASK_SAFELY (zmq_connect (null, "inproc://x"), "connect NULL");
    ASK_SAFELY (zmq_unbind (null, "inproc://x"), "unbind NULL");
    ASK_SAFELY (zmq_disconnect (null, "inproc://x"), "disconnect NULL");
    ASK_SAFELY (zmq_send (null, "x", 1, 0), "send NULL");
    ASK_SAFELY (zmq_recv (null, text, 1, 0), "recv NULL");
    ASK_SAFELY (zmq_setsockopt (null, ZMQ_LINGER, &value, sizeof value), "setsockopt NULL");
    ASK_SAFELY (zmq_getsockopt (null, ZMQ_LINGER, text, &size), "getsockopt NULL");
    ASK_SAFELY (zmq_socket_monitor (null, "inproc://x", 1), "monitor NULL");
    ASK_SAFELY (zmq_join (null, "x"), "join NULL");
    ASK_SAFELY (zmq_leave (null, "x"), "leave NULL");
    ASK_SAFELY (zmq_proxy (null, null, null), "proxy NULL");
    ASK_SAFELY (zmq_proxy_steerable (null, null, null, null), "proxy_steerable NULL");
    ASK_SAFELY (zmq_device (0, null, null), "device NULL");
    ASK_SAFELY (zmq_ctx_term (null), "ctx_term NULL");
    ASK_SAFELY (zmq_ctx_shutdown (null), "ctx_shutdown NULL");
    ASK_SAFELY (zmq_ctx_set (null, 1, 1), "ctx_set NULL");
    ASK_SAFELY (zmq_ctx_get (null, 1), "ctx_get NULL");
    ASK_SAFELY (zmq_socket (null, ZMQ_PULL) != NULL, "socket NULL");
    ASK_SAFELY (zmq_init (-1) != NULL, "init -1");
    ASK_SAFELY (zmq_poll (NULL, 1, 0), "poll NULL");
    ASK_SAFELY (zmq_poll (NULL, 0, 0), "poll none");
    ASK_SAFELY (zmq_poll (NULL, -1, 0), "poll -1");
    ASK_SAFELY (zmq_poller_size (NULL), "poller_size NULL");
    ASK_SAFELY (zmq_poller_add (NULL, NULL, NULL, 1), "poller_add NULL");
    ASK_SAFELY (zmq_poller_wait (NULL, NULL, 0), "poller_wait NULL");
    ASK_SAFELY (zmq_poller_destroy (NULL), "poller_destroy NULL");
    ASK_SAFELY (zmq_timers_destroy (NULL), "timers_destroy NULL");
    ASK_SAFELY (zmq_timers_execute (NULL), "timers_execute NULL");
    ASK_SAFELY (zmq_timers_timeout (NULL), "timers_timeout NULL");
    ASK_SAFELY (zmq_timers_cancel (NULL, 0), "timers_cancel NULL");
    void *socket = zmq_socket (ctx, ZMQ_PULL);
    ASK_SAFELY (zmq_bind (socket, NULL), "bind to NULL");
    ASK_SAFELY (zmq_connect (socket, NULL), "connect to NULL");
    ASK_SAFELY (zmq_unbind (socket, NULL), "unbind from NULL");
    ASK_SAFELY (zmq_msg_recv (NULL, socket, 0), "msg_recv NULL");
    zmq_close (socket);
    ASK_SAFELY (zmq_close (socket), "close closed");
    ASK_SAFELY (zmq_socket_monitor_pipes_stats (NULL), "pipes_stats NULL");
}

static void nothing (int id, void *arg)
{
    (void) id;
    (void) arg;
}

static void ask_pollers (void)
{
    void *poller = zmq_poller_new ();
    void *pull = zmq_socket (ctx, ZMQ_PULL), *server = zmq_socket (ctx, ZMQ_SERVER);
    zmq_poller_event_t event;
    ASK (zmq_poller_size (poller), "poller size");
    ASK (zmq_poller_wait (poller, &event, 0), "poller wait empty");
    ASK (zmq_poller_wait (poller, &event, -1), "poller wait empty for ever");
    ASK (zmq_poller_add (poller, pull, NULL, ZMQ_POLLIN), "poller add");
    ASK (zmq_poller_add (poller, pull, NULL, ZMQ_POLLIN), "poller add again");
    ASK (zmq_poller_add (poller, server, NULL, ZMQ_POLLIN), "poller add server");
    ASK (zmq_poller_add (poller, NULL, NULL, ZMQ_POLLIN), "poller add NULL");
    ASK (zmq_poller_add (poller, pull, NULL, 77), "poller add odd events");
    ASK (zmq_poller_size (poller), "poller size after");
    ASK (zmq_poller_modify (poller, pull, ZMQ_POLLOUT), "poller modify");
    ASK (zmq_poller_modify (poller, pull, -1), "poller modify oddly");
    ASK (zmq_poller_wait (poller, &event, 0), "poller wait");
    ASK (zmq_poller_wait_all (poller, &event, 0, 0), "poller wait_all 0");
    ASK_SAFELY (zmq_poller_wait_all (poller, NULL, 1, 0), "poller wait_all NULL");
    ASK (zmq_poller_wait_all (poller, &event, -1, 0), "poller wait_all -1");
    zmq_fd_t fd;
    ASK (zmq_poller_fd (poller, &fd), "poller fd");
    ASK_SAFELY (zmq_poller_fd (poller, NULL), "poller fd NULL");
    ASK (zmq_poller_add_fd (poller, -1, NULL, ZMQ_POLLIN), "poller add fd -1");
    ASK (zmq_poller_add_fd (poller, 0, NULL, ZMQ_POLLIN), "poller add fd 0");
    ASK (zmq_poller_add_fd (poller, 0, NULL, ZMQ_POLLIN), "poller add fd 0 again");
    ASK (zmq_poller_modify_fd (poller, 1, ZMQ_POLLIN), "poller modify unknown fd");
    ASK (zmq_poller_remove_fd (poller, 1), "poller remove unknown fd");
    ASK (zmq_poller_remove_fd (poller, 0), "poller remove fd");
    ASK (zmq_poller_remove (poller, pull), "poller remove");
    ASK (zmq_poller_remove (poller, pull), "poller remove again");
    ASK (zmq_poller_modify (poller, pull, 1), "poller modify removed");
    ASK (zmq_poller_destroy (&poller), "poller destroy");
    printf ("poller afterwards = %s\n", poller ? "there" : "NULL");
    void *timers = zmq_timers_new ();
    ASK (zmq_timers_timeout (timers), "timers timeout");
    ASK (zmq_timers_execute (timers), "timers execute");
    ASK_SAFELY (zmq_timers_add (timers, 1000, NULL, NULL), "timers add NULL");
    ASK (zmq_timers_add (timers, 100000, nothing, NULL), "timers add");
    ASK (zmq_timers_add (timers, 100000, nothing, NULL), "timers add another");
    ASK (zmq_timers_set_interval (timers, 77, 5), "timers interval of unknown");
    ASK (zmq_timers_reset (timers, 77), "timers reset unknown");
    ASK (zmq_timers_cancel (timers, 77), "timers cancel unknown");
    ASK (zmq_timers_cancel (timers, 1), "timers cancel");
    ASK (zmq_timers_cancel (timers, 1), "timers cancel again");
    ASK (zmq_timers_destroy (&timers), "timers destroy");
    zmq_close (pull);
    zmq_close (server);
}

static void ask_the_rest (void)
{
    static const char *const capabilities[] = {"ipc", "pgm", "tipc", "norm", "curve", "gssapi", "vmci", "draft", "WS", "WSS", "", "IPC"};
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        ASK (zmq_has (capabilities[i]), "has %s", capabilities[i]);
    for (int error = ZMQ_HAUSNUMERO; error < ZMQ_HAUSNUMERO + 60; error++)
        printf ("strerror +%d = %s\n", error - ZMQ_HAUSNUMERO, zmq_strerror (error));
    char text[100] = "";
    uint8_t bytes[100] = {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B};
    printf ("z85 encode = %s\n", zmq_z85_encode (text, bytes, 8) ? text : "NULL");
    printf ("z85 encode 7 = %s\n", zmq_z85_encode (text, bytes, 7) ? text : name_of (errno));
    memset (bytes, 0, sizeof bytes);
    printf ("z85 decode = %d %02x\n", zmq_z85_decode (bytes, "HelloWorld") != NULL, bytes[0]);
    printf ("z85 decode short = %s\n", zmq_z85_decode (bytes, "Hello1") ? "yes" : name_of (errno));
    printf ("z85 decode bad = %s\n", zmq_z85_decode (bytes, "Hell\x7f") ? "yes" : name_of (errno));
    printf ("z85 decode big = %s\n", zmq_z85_decode (bytes, "#####") ? "yes" : name_of (errno));
    char public_key[41];
    ASK (zmq_curve_public (public_key, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"), "curve_public");
    printf ("curve_public = %s\n", public_key);
    ASK (zmq_curve_public (public_key, "short"), "curve_public short");
    for (int type = -2; type < 25; type++) {
        void *socket = zmq_socket (ctx, type);
        printf ("socket %d = %s\n", type, socket ? "made" : name_of (errno));
        if (socket)
            zmq_close (socket);
    }
    printf ("sizes = %zu %zu %zu %zu\n", sizeof (zmq_msg_t), _Alignof (zmq_msg_t), sizeof (zmq_pollitem_t),
            sizeof (zmq_poller_event_t));
}

static void ask_after_the_end (void)
{
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_DEALER);
    char text[64];
    size_t size = sizeof text;
    int zero = 0;
    ASK (zmq_ctx_shutdown (context), "shutdown");
    ASK (zmq_ctx_shutdown (context), "shutdown again");
    ASK (zmq_socket (context, ZMQ_PULL) != NULL, "socket after shutdown");
    printf ("socket errno = %s\n", name_of (errno));
    ASK (zmq_bind (socket, "inproc://late"), "late bind");
    ASK (zmq_connect (socket, "inproc://late"), "late connect");
    ASK (zmq_send (socket, "x", 1, ZMQ_DONTWAIT), "late send");
    ASK (zmq_recv (socket, text, 1, ZMQ_DONTWAIT), "late recv");
    ASK (zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero), "late setsockopt");
    ASK (zmq_setsockopt (socket, 9999, &zero, sizeof zero), "late odd setsockopt");
    ASK (zmq_getsockopt (socket, ZMQ_TYPE, text, &size), "late getsockopt");
    ASK (zmq_ctx_get (context, ZMQ_IO_THREADS), "late ctx_get");
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    ASK (zmq_poll (&item, 1, 0), "late poll");
    ASK (zmq_close (socket), "late close");
    ASK (zmq_ctx_term (context), "term");
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    limit ();
    ctx = zmq_ctx_new ();
    zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 10000);
    ask_handles ();
    ask_messages ();
    ask_the_rest ();
    ask_pollers ();
    ask_context_options ();
    for (int type = 0; type <= 20; type++)
        /* libzmq aborts when a DGRAM without a peer is to send. */
        if (type != ZMQ_DGRAM)
            ask_traffic (type);
    for (int type = 0; type <= 20; type++)
        ask_options (type);
    ask_endpoints ();
    ask_after_the_end ();
    zmq_ctx_term (ctx);
    return 0;
}
