/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Options of tcp, as the kernel has them: asked of the descriptors that monitors tell of. */
#include "wires.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#ifndef SO_BUSY_POLL
#define SO_BUSY_POLL 46
#endif

static void *context;

/* Both ends of a connection, and what listens for it. */
struct meeting
{
    struct watched pull, push;
    int listener, accepted, connected;
};

static void (*prepare) (void *socket);

static struct meeting meet (const char *endpoint)
{
    struct meeting meeting = {watch (context, ZMQ_PULL), watch (context, ZMQ_PUSH), -1, -1, -1};
    prepare (meeting.pull.socket);
    prepare (meeting.push.socket);
    CHECK (zmq_bind (meeting.pull.socket, endpoint) == 0);
    meeting.listener = event (meeting.pull, ZMQ_EVENT_LISTENING);
    CHECK (zmq_connect (meeting.push.socket, bound_to (meeting.pull.socket)) == 0);
    meeting.connected = event (meeting.push, ZMQ_EVENT_CONNECTED);
    meeting.accepted = event (meeting.pull, ZMQ_EVENT_ACCEPTED);
    event (meeting.push, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    return meeting;
}

static void part (struct meeting meeting)
{
    talk (meeting.push.socket, meeting.pull.socket);
    forget (meeting.push);
    forget (meeting.pull);
}

static void nothing (void *socket)
{
    (void) socket;
}

/* What nobody asks for: no delay, nothing for other programs, no keep-alives. */
static void by_default (void)
{
    prepare = nothing;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    int ends[] = {meeting.connected, meeting.accepted};
    for (int i = 0; i < 2; ++i) {
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_NODELAY) != 0);
        CHECK (kernel_int (ends[i], SOL_SOCKET, SO_KEEPALIVE) == 0);
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_USER_TIMEOUT) == 0);
        CHECK (kernel_int (ends[i], IPPROTO_IP, IP_TOS) == 0);
        CHECK (fcntl (ends[i], F_GETFD) & FD_CLOEXEC);
        CHECK (fcntl (ends[i], F_GETFL) & O_NONBLOCK);
    }
    CHECK (fcntl (meeting.listener, F_GETFD) & FD_CLOEXEC);
    CHECK (kernel_int (meeting.listener, SOL_SOCKET, SO_REUSEADDR) != 0);
    part (meeting);
}

static void with_keep_alives (void *socket)
{
    SET_INT (socket, ZMQ_TCP_KEEPALIVE, 1);
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_CNT, 7);
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_IDLE, 33);
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_INTVL, 11);
    SET_INT (socket, ZMQ_TCP_MAXRT, 12345);
}

static void keep_alives (void)
{
    prepare = with_keep_alives;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    int ends[] = {meeting.connected, meeting.accepted};
    for (int i = 0; i < 2; ++i) {
        CHECK (kernel_int (ends[i], SOL_SOCKET, SO_KEEPALIVE) == 1);
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_KEEPCNT) == 7);
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_KEEPIDLE) == 33);
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_KEEPINTVL) == 11);
        CHECK (kernel_int (ends[i], IPPROTO_TCP, TCP_USER_TIMEOUT) == 12345);
    }
    part (meeting);
}

static void without_keep_alives (void *socket)
{
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_CNT, 7);
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_IDLE, 33);
    SET_INT (socket, ZMQ_TCP_KEEPALIVE_INTVL, 11);
}

/* Left to the system, the rest does not count. */
static void no_keep_alives (void)
{
    prepare = without_keep_alives;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    CHECK (kernel_int (meeting.connected, SOL_SOCKET, SO_KEEPALIVE) == 0);
    CHECK (kernel_int (meeting.connected, IPPROTO_TCP, TCP_KEEPCNT) != 7);
    CHECK (kernel_int (meeting.accepted, IPPROTO_TCP, TCP_KEEPIDLE) != 33);
    part (meeting);
}

static void with_service (void *socket)
{
    SET_INT (socket, ZMQ_TOS, 0x28);
    SET_INT (socket, ZMQ_SNDBUF, 50000);
    SET_INT (socket, ZMQ_RCVBUF, 60000);
    SET_INT (socket, ZMQ_BACKLOG, 17);
#ifdef ZMQ_BUILD_DRAFT_API
    SET_INT (socket, ZMQ_PRIORITY, 3);
#endif
}

static void service (void)
{
    prepare = with_service;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    int all[] = {meeting.listener, meeting.connected, meeting.accepted};
    for (int i = 0; i < 3; ++i) {
        CHECK (kernel_int (all[i], IPPROTO_IP, IP_TOS) == 0x28);
        /* The kernel keeps twice as much, for its own needs. */
        CHECK (kernel_int (all[i], SOL_SOCKET, SO_SNDBUF) == 100000);
        CHECK (kernel_int (all[i], SOL_SOCKET, SO_RCVBUF) == 120000);
#ifdef ZMQ_BUILD_DRAFT_API
        CHECK (kernel_int (all[i], SOL_SOCKET, SO_PRIORITY) == 3);
#endif
    }
    struct tcp_info info;
    socklen_t length = sizeof info;
    CHECK (getsockopt (meeting.listener, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    /* Of who listens, this is how many may wait. */
    CHECK (info.tcpi_sacked == 17);
    part (meeting);
}

static void with_ipv6 (void *socket)
{
    SET_INT (socket, ZMQ_IPV6, 1);
    SET_INT (socket, ZMQ_TOS, 0x28);
}

static void ipv6 (void)
{
    prepare = with_ipv6;
    struct meeting meeting = meet ("tcp://[::1]:*");
    CHECK (strncmp (bound_to (meeting.pull.socket), "tcp://[::1]:", 12) == 0);
    CHECK (kernel_int (meeting.connected, IPPROTO_IPV6, IPV6_TCLASS) == 0x28);
    CHECK (kernel_int (meeting.accepted, IPPROTO_IPV6, IPV6_TCLASS) == 0x28);
    part (meeting);
    /* Who is bound to everything is there for both families. */
    void *pull = zmq_socket (context, ZMQ_PULL);
    SET_INT (pull, ZMQ_IPV6, 1);
    CHECK (zmq_bind (pull, "tcp://*:*") == 0);
    int port = port_of (bound_to (pull));
    const char *ways[] = {"127.0.0.1", "[::1]"};
    for (int i = 0; i < 2; ++i) {
        char endpoint[64];
        void *push = zmq_socket (context, ZMQ_PUSH);
        SET_INT (push, ZMQ_IPV6, 1);
        snprintf (endpoint, sizeof endpoint, "tcp://%s:%d", ways[i], port);
        CHECK (zmq_connect (push, endpoint) == 0);
        talk (push, pull);
        CHECK (zmq_close (push) == 0);
    }
    CHECK (zmq_close (pull) == 0);
    /* Without the option there is one only. */
    pull = zmq_socket (context, ZMQ_PULL);
    FAILS (zmq_bind (pull, "tcp://[::1]:*"), ENODEV);
    SET_INT (pull, ZMQ_IPV4ONLY, 0);
    CHECK (get_int (pull, ZMQ_IPV6) == 1);
    CHECK (zmq_bind (pull, "tcp://[::1]:*") == 0);
    CHECK (zmq_close (pull) == 0);
}

static void with_device (void *socket)
{
    CHECK (zmq_setsockopt (socket, ZMQ_BINDTODEVICE, "lo", 2) == 0);
}

static void device (void)
{
    if (geteuid () != 0)
        return;
    prepare = with_device;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    int all[] = {meeting.listener, meeting.connected, meeting.accepted};
    for (int i = 0; i < 3; ++i) {
        char name[32] = "";
        socklen_t length = sizeof name;
        CHECK (getsockopt (all[i], SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0);
        CHECK (strcmp (name, "lo") == 0);
    }
    part (meeting);
}

#ifdef ZMQ_BUILD_DRAFT_API
static void with_busy_poll (void *socket)
{
    SET_INT (socket, ZMQ_BUSY_POLL, 40);
}

static void busy_poll (void)
{
    /* Not all kernels know of it. */
    int value = 40, fd = socket (AF_INET, SOCK_STREAM, 0);
    int known = setsockopt (fd, SOL_SOCKET, SO_BUSY_POLL, &value, sizeof value) == 0;
    close (fd);
    if (!known)
        return;
    prepare = with_busy_poll;
    struct meeting meeting = meet ("tcp://127.0.0.1:*");
    CHECK (kernel_int (meeting.listener, SOL_SOCKET, SO_BUSY_POLL) == 40);
    CHECK (kernel_int (meeting.connected, SOL_SOCKET, SO_BUSY_POLL) == 40);
    CHECK (kernel_int (meeting.accepted, SOL_SOCKET, SO_BUSY_POLL) == 40);
    part (meeting);
}
#endif

/* A filter lets in whom it names, several let in whom one of them names, none everybody. */
static void accept_filters (void)
{
    struct watched pull = watch (context, ZMQ_PULL);
    CHECK (zmq_setsockopt (pull.socket, ZMQ_TCP_ACCEPT_FILTER, "127.0.0.7", 9) == 0);
    CHECK (zmq_setsockopt (pull.socket, ZMQ_TCP_ACCEPT_FILTER, "127.5.0.0/16", 12) == 0);
    FAILS (zmq_setsockopt (pull.socket, ZMQ_TCP_ACCEPT_FILTER, "nonsense//", 10), EINVAL);
    CHECK (zmq_bind (pull.socket, "tcp://127.0.0.1:*") == 0);
    int port = port_of (bound_to (pull.socket));
    const char *sources[] = {"127.0.0.1", "127.0.0.7", "127.0.0.8", "127.5.3.1", "127.6.0.1"};
    const int welcome[] = {0, 1, 0, 1, 0};
    for (int i = 0; i < 5; ++i) {
        char endpoint[128];
        struct watched push = watch (context, ZMQ_PUSH);
        snprintf (endpoint, sizeof endpoint, "tcp://%s:0;127.0.0.1:%d", sources[i], port);
        CHECK (zmq_connect (push.socket, endpoint) == 0);
        if (welcome[i]) {
            struct sockaddr_in from;
            socklen_t length = sizeof from;
            int fd = event (pull, ZMQ_EVENT_ACCEPTED);
            CHECK (getpeername (fd, (struct sockaddr *) &from, &length) == 0);
            CHECK (from.sin_addr.s_addr == inet_addr (sources[i]));
            talk (push.socket, pull.socket);
        } else
            event (pull, ZMQ_EVENT_ACCEPT_FAILED);
        forget (push);
    }
    CHECK (zmq_setsockopt (pull.socket, ZMQ_TCP_ACCEPT_FILTER, NULL, 0) == 0);
    forget (pull);
}

static int listen_at (const char *address, int port, int backlog)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons (port)};
    at.sin_addr.s_addr = inet_addr (address);
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK (bind (fd, (struct sockaddr *) &at, sizeof at) == 0 && listen (fd, backlog) == 0);
    return fd;
}

static int port_of_fd (int fd)
{
    struct sockaddr_in at;
    socklen_t length = sizeof at;
    CHECK (getsockname (fd, (struct sockaddr *) &at, &length) == 0);
    return ntohs (at.sin_port);
}

/* A listener that was made elsewhere is taken as it is, whatever the endpoint says; a connect does not
   take it. */
static void use_fd (void)
{
    int fd = listen_at ("127.0.0.1", 0, 5);
    int port = port_of_fd (fd);
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    SET_INT (pull.socket, ZMQ_USE_FD, fd);
    CHECK (zmq_bind (pull.socket, "tcp://127.0.0.1:1") == 0);
    CHECK (event (pull, ZMQ_EVENT_LISTENING) == fd);
    CHECK (port_of (bound_to (pull.socket)) == port);
    SET_INT (push.socket, ZMQ_USE_FD, fd);
    CHECK (zmq_connect (push.socket, bound_to (pull.socket)) == 0);
    CHECK (event (push, ZMQ_EVENT_CONNECTED) != fd);
    talk (push.socket, pull.socket);
    forget (push);
    forget (pull);
}

/* A place that answers nobody: what may wait to be accepted waits there already. */
static void connect_timeout (void)
{
    int fd = listen_at ("127.0.0.1", 0, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons (port_of_fd (fd))};
    at.sin_addr.s_addr = inet_addr ("127.0.0.1");
    int waiting[4];
    for (int i = 0; i < 4; ++i) {
        waiting[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect (waiting[i], (struct sockaddr *) &at, sizeof at);
    }
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs (at.sin_port));
    struct watched patient = watch (context, ZMQ_PUSH), hasty = watch (context, ZMQ_PUSH);
    SET_INT (hasty.socket, ZMQ_CONNECT_TIMEOUT, 100);
    CHECK (zmq_connect (patient.socket, endpoint) == 0);
    CHECK (zmq_connect (hasty.socket, endpoint) == 0);
    event (patient, ZMQ_EVENT_CONNECT_DELAYED);
    for (int i = 0; i < 3; ++i) {
        event (hasty, ZMQ_EVENT_CONNECT_DELAYED);
        event (hasty, ZMQ_EVENT_CLOSED);
        event (hasty, ZMQ_EVENT_CONNECT_RETRIED);
    }
    CHECK (event_within (patient, ZMQ_EVENT_CLOSED, 0) == -1);
    forget (hasty);
    forget (patient);
    for (int i = 0; i < 4; ++i)
        close (waiting[i]);
    close (fd);
}

/* Interfaces have names, to listen at and to connect from. */
static void interfaces (void)
{
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    CHECK (zmq_bind (pull.socket, "tcp://lo:*") == 0);
    CHECK (strncmp (bound_to (pull.socket), "tcp://127.0.0.1:", 16) == 0);
    char endpoint[128];
    int port = port_of (bound_to (pull.socket));
    snprintf (endpoint, sizeof endpoint, "tcp://lo:*;127.0.0.1:%d", port);
    CHECK (zmq_connect (push.socket, endpoint) == 0);
    talk (push.socket, pull.socket);
#ifdef FERROMQ
    /* libzmq leaves behind whatever the name server's answer was. */
    FAILS (zmq_bind (pull.socket, "tcp://nointerface0:*"), ENODEV);
#endif
    /* A port to connect from. */
    int fd = listen_at ("127.0.0.1", 0, 0), from = port_of_fd (fd);
    close (fd);
    struct watched other = watch (context, ZMQ_PUSH);
    event (pull, ZMQ_EVENT_ACCEPTED);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.9:%d;127.0.0.1:%d", from, port);
    CHECK (zmq_connect (other.socket, endpoint) == 0);
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int accepted = event (pull, ZMQ_EVENT_ACCEPTED);
    CHECK (getpeername (accepted, (struct sockaddr *) &peer, &length) == 0);
    CHECK (peer.sin_addr.s_addr == inet_addr ("127.0.0.9") && ntohs (peer.sin_port) == from);
    talk (other.socket, pull.socket);
    forget (other);
    forget (push);
    forget (pull);
}

int main (void)
{
    limit ();
    context = zmq_ctx_new ();
    by_default ();
    keep_alives ();
    no_keep_alives ();
    service ();
    ipv6 ();
    device ();
#ifdef ZMQ_BUILD_DRAFT_API
    busy_poll ();
#endif
    accept_filters ();
    use_fd ();
    connect_timeout ();
    interfaces ();
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
