/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Watches sockets through their monitors, in both formats, and prints what these tell, one event a line:
 * `scenario side version event = value local remote`. The test compares the lines of two libraries.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"
#include "zmq.h"

static void *ctx;
static int monitors;
/* All that is waited for in vain is waited for so many times as long. */
static int patience = 1;

/* Ports differ from run to run: the endpoint of the scenario is told as HERE, all others of its kind as THERE. */
static char here[256];

static const char *shown (const char *endpoint)
{
    if (*endpoint == 0)
        return "-";
    if (strcmp (endpoint, here) == 0)
        return "HERE";
    if (strcmp (endpoint, here + 6) == 0)
        return "HERE without a scheme";
    if (strncmp (endpoint, "tcp://127.0.0.1:", 16) == 0)
        return "THERE";
    return endpoint;
}

static void *watch (void *socket, int version)
{
    char name[64];
    snprintf (name, sizeof name, "inproc://monitor-%d", ++monitors);
    if (zmq_socket_monitor_versioned (socket, name, version == 1 ? 0xFFFF : 0x1FFFF, version, ZMQ_PAIR) != 0)
        abort ();
    void *pair = zmq_socket (ctx, ZMQ_PAIR);
    int most = 600 * patience;
    zmq_setsockopt (pair, ZMQ_RCVTIMEO, &most, sizeof most);
    zmq_connect (pair, name);
    return pair;
}

struct event
{
    uint64_t number, value;
    char local[256], remote[256];
};

static int part (void *pair, void *to, size_t room)
{
    memset (to, 0, room);
    int size = zmq_recv (pair, to, room - 1, 0);
    return size;
}

static int next (void *pair, int version, struct event *event)
{
    char bytes[512];
    memset (event, 0, sizeof *event);
    if (part (pair, bytes, sizeof bytes) < 0)
        return 0;
    if (version == 1) {
        uint16_t number;
        uint32_t value;
        memcpy (&number, bytes, 2);
        memcpy (&value, bytes + 2, 4);
        event->number = number;
        event->value = value;
        part (pair, event->local, sizeof event->local);
        return 1;
    }
    memcpy (&event->number, bytes, 8);
    uint64_t count;
    part (pair, bytes, sizeof bytes);
    memcpy (&count, bytes, 8);
    for (uint64_t i = 0; i < count; i++) {
        part (pair, bytes, sizeof bytes);
        memcpy (&event->value, bytes, 8);
    }
    part (pair, event->local, sizeof event->local);
    part (pair, event->remote, sizeof event->remote);
    return 1;
}

/* Prints events until one of this kind (that too), or until there are none for a while. */
static void tell (const char *scenario, const char *side, void *pair, int version, uint64_t last)
{
    struct event event;
    while (next (pair, version, &event)) {
        const uint64_t with_fd = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED;
        printf ("%s %s v%d %#06llx = ", scenario, side, version, (unsigned long long) event.number);
        if (event.number & with_fd)
            printf ("fd");
        else if (event.number == ZMQ_EVENT_CONNECT_RETRIED)
            printf ("some ms");
        /* Whether a peer that has gone is met in writing or in reading is a matter of time. */
        else if (event.number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL && event.value == ECONNRESET)
            printf ("%d", EPIPE);
        else
            printf ("%llu", (unsigned long long) event.value);
        printf (" %s", shown (event.local));
        if (version == 2)
            printf (" %s", shown (event.remote));
        printf ("\n");
        if (event.number == last)
            return;
    }
    printf ("%s %s v%d silence = \n", scenario, side, version);
}

/* Closes a socket and its monitor, which libzmq would wait for if nobody read its last words. */
static void finish (void *socket, void *pair, int version)
{
    struct event event;
    zmq_close (socket);
    while (next (pair, version, &event) && event.number != ZMQ_EVENT_MONITOR_STOPPED)
        ;
    zmq_close (pair);
}

static void *make (int type)
{
    void *socket = zmq_socket (ctx, type);
    int zero = 0, often = 5000;
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (socket, ZMQ_RECONNECT_IVL, &often, sizeof often);
    return socket;
}

static void find (void *socket)
{
    size_t size = sizeof here;
    zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, here, &size);
}

static void meeting (const char *scenario, const char *endpoint, int version)
{
    void *server = make (ZMQ_PULL), *client = make (ZMQ_PUSH);
    void *at_server = watch (server, version), *at_client = watch (client, version);
    zmq_bind (server, endpoint);
    find (server);
    tell (scenario, "server", at_server, version, ZMQ_EVENT_LISTENING);
    zmq_connect (client, here);
    tell (scenario, "client", at_client, version, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    tell (scenario, "server", at_server, version, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    /* The client closes. */
    zmq_close (client);
    tell (scenario, "client", at_client, version, ZMQ_EVENT_MONITOR_STOPPED);
    tell (scenario, "server", at_server, version, ZMQ_EVENT_DISCONNECTED);
    /* Another one, and the server unbinds. */
    zmq_close (at_client);
    client = make (ZMQ_PUSH);
    at_client = watch (client, version);
    zmq_connect (client, here);
    tell (scenario, "second client", at_client, version, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    tell (scenario, "server", at_server, version, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    zmq_unbind (server, here);
    /* libzmq goes on with that only while the socket is used. */
    zmq_pollitem_t item = {server, 0, ZMQ_POLLIN, 0};
    zmq_poll (&item, 1, 100);
    tell (scenario, "second client", at_client, version, ZMQ_EVENT_DISCONNECTED);
    tell (scenario, "second client", at_client, version, ZMQ_EVENT_CONNECT_RETRIED);
    tell (scenario, "server unbound", at_server, version, ZMQ_EVENT_CLOSED);
    zmq_disconnect (client, here);
    tell (scenario, "disconnected client", at_client, version, 0);
    zmq_socket_monitor (client, NULL, 0);
    tell (scenario, "unwatched client", at_client, version, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (server);
    tell (scenario, "closed server", at_server, version, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (client);
    zmq_close (at_server);
    zmq_close (at_client);
}

/* A TCP connection of no ZeroMQ kind. */
static int dial (void)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    to.sin_port = htons (atoi (strrchr (here, ':') + 1));
    if (connect (fd, (struct sockaddr *) &to, sizeof to) != 0)
        abort ();
    return fd;
}

static int listen_somewhere (void)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind (fd, (struct sockaddr *) &at, sizeof at) != 0 || listen (fd, 5) != 0)
        abort ();
    getsockname (fd, (struct sockaddr *) &at, &size);
    snprintf (here, sizeof here, "tcp://127.0.0.1:%d", ntohs (at.sin_port));
    return fd;
}

static void refused (int version)
{
    int fd = listen_somewhere ();
    close (fd);
    void *client = make (ZMQ_PUSH), *at_client = watch (client, version);
    zmq_connect (client, here);
    tell ("refused", "client", at_client, version, ZMQ_EVENT_CONNECT_RETRIED);
    zmq_close (client);
    tell ("refused", "closed client", at_client, version, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (at_client);
    int stop = ZMQ_RECONNECT_STOP_CONN_REFUSED;
    client = make (ZMQ_PUSH);
    zmq_setsockopt (client, ZMQ_RECONNECT_STOP, &stop, sizeof stop);
    at_client = watch (client, version);
    zmq_connect (client, here);
    tell ("refused", "stopping client", at_client, version, 0);
    finish (client, at_client, version);
}

static void taken (int version)
{
    int fd = listen_somewhere ();
    void *server = make (ZMQ_PULL), *at_server = watch (server, version);
    zmq_bind (server, here);
    tell ("taken", "server", at_server, version, 0);
    close (fd);
    finish (server, at_server, version);
}

static void from_outside (const char *scenario, int type, const char *bytes, size_t size, int hang_up, int version)
{
    void *server = make (type);
    int most = 300 * patience;
    zmq_setsockopt (server, ZMQ_HANDSHAKE_IVL, &most, sizeof most);
    zmq_bind (server, "tcp://127.0.0.1:*");
    find (server);
    void *at_server = watch (server, version);
    int fd = dial ();
    tell (scenario, "server", at_server, version, ZMQ_EVENT_ACCEPTED);
    if (write (fd, bytes, size) != (ssize_t) size)
        abort ();
    if (hang_up == 2)
        tell (scenario, "server", at_server, version, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    if (hang_up)
        close (fd);
    tell (scenario, "server", at_server, version, ZMQ_EVENT_DISCONNECTED);
    if (!hang_up)
        close (fd);
    finish (server, at_server, version);
}

static void to_outside (const char *scenario, const char *bytes, size_t size, int hang_up, int version)
{
    int listener = listen_somewhere ();
    void *client = make (ZMQ_DEALER), *at_client = watch (client, version);
    int most = 300 * patience;
    zmq_setsockopt (client, ZMQ_HANDSHAKE_IVL, &most, sizeof most);
    zmq_connect (client, here);
    int fd = accept (listener, NULL, NULL);
    tell (scenario, "client", at_client, version, ZMQ_EVENT_CONNECTED);
    size_t first = size > 64 ? 64 : size;
    if (write (fd, bytes, first) != (ssize_t) first)
        abort ();
    if (size > 64) {
        /* Its greeting and its READY first. */
        char from[128];
        for (ssize_t got = 0, came = 1; got < 64 + 20 && came > 0; got += came)
            came = read (fd, from, sizeof from);
        if (write (fd, bytes + 64, size - 64) != (ssize_t) (size - 64))
            abort ();
    }
    if (hang_up)
        close (fd);
    tell (scenario, "client", at_client, version, 0);
    if (!hang_up)
        close (fd);
    close (listener);
    finish (client, at_client, version);
}

static void mechanisms (int version)
{
    void *server = make (ZMQ_PULL), *client = make (ZMQ_PUSH);
    int one = 1;
    zmq_setsockopt (server, ZMQ_PLAIN_SERVER, &one, sizeof one);
    void *at_server = watch (server, version), *at_client = watch (client, version);
    zmq_bind (server, "tcp://127.0.0.1:*");
    find (server);
    zmq_connect (client, here);
    tell ("mechanisms", "server", at_server, version, ZMQ_EVENT_DISCONNECTED);
    tell ("mechanisms", "client", at_client, version, 0);
    finish (server, at_server, version);
    finish (client, at_client, version);
}

static void types (int version)
{
    void *server = make (ZMQ_PUB), *client = make (ZMQ_PUSH);
    void *at_server = watch (server, version), *at_client = watch (client, version);
    zmq_bind (server, "tcp://127.0.0.1:*");
    find (server);
    zmq_connect (client, here);
    tell ("types", "server", at_server, version, 0);
    tell ("types", "client", at_client, version, 0);
    finish (server, at_server, version);
    finish (client, at_client, version);
}

static void queues (void)
{
    void *push = make (ZMQ_PUSH), *pull = make (ZMQ_PULL);
    struct event event;
    void *at_push = watch (push, 2);
    zmq_bind (push, "tcp://127.0.0.1:*");
    find (push);
    printf ("queues none = %d\n", zmq_socket_monitor_pipes_stats (push));
    zmq_connect (pull, here);
    tell ("queues", "push", at_push, 2, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    printf ("queues one = %d\n", zmq_socket_monitor_pipes_stats (push));
    while (next (at_push, 2, &event) && event.number != ZMQ_EVENT_PIPES_STATS)
        ;
    printf ("queues = %llu at %s\n", (unsigned long long) event.value, shown (event.local));
    finish (push, at_push, 2);
    zmq_close (pull);
}

int main (void)
{
    static const char ready[] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    setvbuf (stdout, NULL, _IOLBF, 0);
    limit ();
    if (getenv ("PATIENCE"))
        patience = atoi (getenv ("PATIENCE"));
    ctx = zmq_ctx_new ();
    for (int version = 1; version <= 2; version++) {
        meeting ("tcp", "tcp://127.0.0.1:*", version);
        meeting ("ipc", "ipc://@events-test", version);
        refused (version);
        taken (version);
        from_outside ("garbage", ZMQ_PULL, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 37, 0, version);
        from_outside ("hang-up", ZMQ_PULL, ready, 20, 1, version);
        from_outside ("silence", ZMQ_PULL, ready, 20, 0, version);
        char odd[128];
        memcpy (odd, ready, 64);
        memcpy (odd + 64, "\4\7\5WRONG!", 9);
        from_outside ("odd command", ZMQ_PULL, odd, 73, 0, version);
        memcpy (odd + 64, "\4\6\5READY", 8);
        from_outside ("bare ready", ZMQ_PULL, odd, 72, 0, version);
        memcpy (odd + 64, "\4\7\5READYx", 9);
        from_outside ("torn ready", ZMQ_PULL, odd, 73, 0, version);
        from_outside ("stream", ZMQ_STREAM, "hello", 5, 1, version);
        to_outside ("server garbage", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 37, 0, version);
        to_outside ("server hang-up", ready, 20, 1, version);
        to_outside ("server silence", ready, 20, 0, version);
        memcpy (odd + 64, "\4\7\5WRONG!", 9);
        to_outside ("server odd command", odd, 73, 0, version);
        memcpy (odd + 64, "\4\x0a\5ERROR\3" "400", 12);
        to_outside ("server error 400", odd, 76, 0, version);
        memcpy (odd + 64, "\4\x0a\5ERROR\3" "abc", 12);
        to_outside ("server error abc", odd, 76, 0, version);
        mechanisms (version);
        types (version);
    }
    queues ();
    zmq_ctx_term (ctx);
    return 0;
}
