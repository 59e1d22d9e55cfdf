/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Ways to a peer: through a proxy, by a name with several addresses, by a file; and who may come in. */
#define _GNU_SOURCE
#include "wires.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static void *context;

static int listen_on_loopback (int *port)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    at.sin_addr.s_addr = inet_addr ("127.0.0.1");
    CHECK (bind (fd, (struct sockaddr *) &at, sizeof at) == 0 && listen (fd, 8) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &at, &length) == 0);
    *port = ntohs (at.sin_port);
    return fd;
}

/* ---- SOCKS5 ---------------------------------------------------------------------------------------- */

/* A proxy that serves one connection, and what it expects to be told. */
struct proxy
{
    int listener, port;
    const char *user, *password;
    /* What it is asked for: an address, or a name that it knows. */
    const char *name;
    int target;
    /* It refuses the login, or the connection. */
    int no_login, no_way;
    pthread_t thread;
};

static void read_all (int fd, void *to, size_t size)
{
    unsigned char *bytes = to;
    while (size > 0) {
        ssize_t got = read (fd, bytes, size);
        CHECK (got > 0);
        bytes += got;
        size -= got;
    }
}

static void expect_bytes (int fd, const void *expected, size_t size)
{
    unsigned char bytes[600];
    read_all (fd, bytes, size);
    CHECK (memcmp (bytes, expected, size) == 0);
}

static void write_all (int fd, const void *bytes, size_t size)
{
    CHECK (write (fd, bytes, size) == (ssize_t) size);
}

static void relay (int one, int two)
{
    struct pollfd both[2] = {{one, POLLIN, 0}, {two, POLLIN, 0}};
    for (;;) {
        CHECK (poll (both, 2, -1) > 0);
        for (int i = 0; i < 2; ++i)
            if (both[i].revents) {
                char bytes[4096];
                ssize_t got = read (both[i].fd, bytes, sizeof bytes);
                if (got <= 0)
                    return;
                write_all (both[1 - i].fd, bytes, got);
            }
    }
}

/* Greeting, login, request: as RFC 1928 and 1929 have them. */
static void *serve (void *argument)
{
    struct proxy *proxy = argument;
    int client = accept (proxy->listener, NULL, NULL);
    unsigned char text[600];
    if (proxy->user) {
        expect_bytes (client, "\5\1\2", 3);
        write_all (client, "\5\2", 2);
        size_t user = strlen (proxy->user), password = strlen (proxy->password);
        text[0] = 1;
        text[1] = user;
        memcpy (text + 2, proxy->user, user);
        text[2 + user] = password;
        memcpy (text + 3 + user, proxy->password, password);
        expect_bytes (client, text, 3 + user + password);
        write_all (client, proxy->no_login ? "\1\1" : "\1\0", 2);
    } else {
        expect_bytes (client, "\5\1\0", 3);
        write_all (client, "\5\0", 2);
    }
    if (proxy->no_login) {
        CHECK (read (client, text, 1) == 0);
        close (client);
        return NULL;
    }
    expect_bytes (client, "\5\1\0", 3);
    if (proxy->name) {
        size_t length = strlen (proxy->name);
        text[0] = 3;
        text[1] = length;
        memcpy (text + 2, proxy->name, length);
        expect_bytes (client, text, 2 + length);
    } else
        expect_bytes (client, "\1\x7f\0\0\1", 5);
    uint16_t port;
    read_all (client, &port, 2);
    CHECK (ntohs (port) == (proxy->name ? 5555 : proxy->target));
    if (proxy->no_way) {
        write_all (client, "\5\5\0\1\0\0\0\0\0\0", 10);
        CHECK (read (client, text, 1) == 0);
        close (client);
        return NULL;
    }
    int server = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons (proxy->target)};
    at.sin_addr.s_addr = inet_addr ("127.0.0.1");
    CHECK (connect (server, (struct sockaddr *) &at, sizeof at) == 0);
    write_all (client, "\5\0\0\1\x7f\0\0\1\0\1", 10);
    relay (client, server);
    close (client);
    close (server);
    return NULL;
}

static void begin_proxy (struct proxy *proxy)
{
    CHECK (pthread_create (&proxy->thread, NULL, serve, proxy) == 0);
}

static void through_a_proxy (const char *user, const char *password, const char *name)
{
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    CHECK (zmq_bind (pull.socket, "tcp://127.0.0.1:*") == 0);
    struct proxy proxy = {.user = user, .password = password, .name = name};
    proxy.target = port_of (bound_to (pull.socket));
    proxy.listener = listen_on_loopback (&proxy.port);
    begin_proxy (&proxy);
    char endpoint[128];
    snprintf (endpoint, sizeof endpoint, "127.0.0.1:%d", proxy.port);
    CHECK (zmq_setsockopt (push.socket, ZMQ_SOCKS_PROXY, endpoint, strlen (endpoint)) == 0);
#ifdef ZMQ_BUILD_DRAFT_API
    if (user) {
        CHECK (zmq_setsockopt (push.socket, ZMQ_SOCKS_USERNAME, user, strlen (user)) == 0);
        CHECK (zmq_setsockopt (push.socket, ZMQ_SOCKS_PASSWORD, password, strlen (password)) == 0);
    }
#endif
    snprintf (endpoint, sizeof endpoint, "tcp://%s:%d", name ? name : "127.0.0.1",
              name ? 5555 : proxy.target);
    CHECK (zmq_connect (push.socket, endpoint) == 0);
    talk (push.socket, pull.socket);
    forget (push);
    CHECK (pthread_join (proxy.thread, NULL) == 0);
    close (proxy.listener);
    forget (pull);
}

/* A proxy that refuses is tried again; when it does not any more, everything gets through. */
static void a_proxy_that_refuses (int no_login, int no_way)
{
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    CHECK (zmq_bind (pull.socket, "tcp://127.0.0.1:*") == 0);
    struct proxy proxy = {.no_login = no_login, .no_way = no_way};
#ifdef ZMQ_BUILD_DRAFT_API
    proxy.user = "somebody";
    proxy.password = "";
#endif
    proxy.target = port_of (bound_to (pull.socket));
    proxy.listener = listen_on_loopback (&proxy.port);
    begin_proxy (&proxy);
    char endpoint[128];
    snprintf (endpoint, sizeof endpoint, "127.0.0.1:%d", proxy.port);
    CHECK (zmq_setsockopt (push.socket, ZMQ_SOCKS_PROXY, endpoint, strlen (endpoint)) == 0);
#ifdef ZMQ_BUILD_DRAFT_API
    CHECK (zmq_setsockopt (push.socket, ZMQ_SOCKS_USERNAME, "somebody", 8) == 0);
#endif
    CHECK (zmq_connect (push.socket, bound_to (pull.socket)) == 0);
    CHECK (pthread_join (proxy.thread, NULL) == 0);
    event (push, ZMQ_EVENT_CONNECT_RETRIED);
    proxy.no_login = proxy.no_way = 0;
    begin_proxy (&proxy);
    talk (push.socket, pull.socket);
    forget (push);
    CHECK (pthread_join (proxy.thread, NULL) == 0);
    close (proxy.listener);
    forget (pull);
}

/* ---- a name with several addresses ----------------------------------------------------------------- */

#ifdef FERROMQ
/* libzmq takes the first and tries no other. */
static void every_address_of_a_name (void)
{
    if (geteuid () != 0)
        return;
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child == 0) {
        char file[] = "/tmp/ferromq-hosts-XXXXXX";
        int fd = mkstemp (file);
        /* Nobody listens at the first three. */
        static const char hosts[] = "127.0.0.2 many.test\n127.0.0.3 many.test\n127.0.0.4 many.test\n"
                                    "127.0.0.5 many.test\n";
        write_all (fd, hosts, sizeof hosts - 1);
        fchmod (fd, 0644);
        close (fd);
        if (unshare (CLONE_NEWNS) != 0) {
            unlink (file);
            exit (0);
        }
        CHECK (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
        CHECK (mount (file, "/etc/hosts", NULL, MS_BIND, NULL) == 0);
        unlink (file);
        context = zmq_ctx_new ();
        struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
        CHECK (zmq_bind (pull.socket, "tcp://127.0.0.5:*") == 0);
        /* What comes after a failed round is not what is tested here. */
        SET_INT (push.socket, ZMQ_RECONNECT_IVL, -1);
        char endpoint[64];
        snprintf (endpoint, sizeof endpoint, "tcp://many.test:%d", port_of (bound_to (pull.socket)));
        CHECK (zmq_connect (push.socket, endpoint) == 0);
        talk (push.socket, pull.socket);
        forget (push);
        forget (pull);
        CHECK (zmq_ctx_term (context) == 0);
        exit (0);
    }
    int status;
    CHECK (waitpid (child, &status, 0) == child);
    CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}
#endif

/* ---- ipc ------------------------------------------------------------------------------------------- */

static int is_socket (const char *endpoint)
{
    struct stat about;
    return stat (endpoint + strlen ("ipc://"), &about) == 0 && S_ISSOCK (about.st_mode);
}

static void eventually_gone (const char *path)
{
    while (access (path, F_OK) == 0)
        usleep (5000);
}

/* A file of the library's choice goes, with its folder, when nobody needs it any more. */
static void a_wildcard (void)
{
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    CHECK (zmq_bind (pull.socket, "ipc://*") == 0);
    char endpoint[256], *name = endpoint + strlen ("ipc://");
    strcpy (endpoint, bound_to (pull.socket));
    CHECK (is_socket (endpoint));
    CHECK (zmq_connect (push.socket, endpoint) == 0);
    talk (push.socket, pull.socket);
    forget (push);
    forget (pull);
    eventually_gone (name);
    *strrchr (name, '/') = 0;
    eventually_gone (name);
}

static void name_a_file (char *endpoint, size_t size)
{
    static int number;
    snprintf (endpoint, size, "ipc:///tmp/ferromq-ways-%d-%d", (int) getpid (), ++number);
}

/* Who comes last has the name; who was there keeps its connections. */
static void a_stolen_file (void)
{
    char endpoint[128];
    name_a_file (endpoint, sizeof endpoint);
    struct watched first = watch (context, ZMQ_PULL), second = watch (context, ZMQ_PULL);
    struct watched early = watch (context, ZMQ_PUSH), late = watch (context, ZMQ_PUSH);
    CHECK (zmq_bind (first.socket, endpoint) == 0);
    CHECK (zmq_connect (early.socket, endpoint) == 0);
    talk (early.socket, first.socket);
    CHECK (zmq_bind (second.socket, endpoint) == 0);
    CHECK (zmq_connect (late.socket, endpoint) == 0);
    talk (late.socket, second.socket);
    talk (early.socket, first.socket);
    silence (second.socket);
    forget (early);
    forget (late);
    forget (first);
    forget (second);
    unlink (endpoint + strlen ("ipc://"));
}

/* A listener that was made elsewhere, at a file with a name of its own. */
static int listen_at_file (char *endpoint, size_t size)
{
    name_a_file (endpoint, size);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy (at.sun_path, endpoint + strlen ("ipc://"));
    int fd = socket (AF_UNIX, SOCK_STREAM, 0);
    CHECK (bind (fd, (struct sockaddr *) &at, sizeof at) == 0 && listen (fd, 5) == 0);
    CHECK (is_socket (endpoint));
    return fd;
}

/* Somebody comes to who is bound there; the file, of the application's choice, stays when both are gone. */
static void meet_at_file (struct watched pull, const char *endpoint)
{
    struct watched push = watch (context, ZMQ_PUSH);
    CHECK (zmq_connect (push.socket, endpoint) == 0);
    talk (push.socket, pull.socket);
    forget (push);
    forget (pull);
    CHECK (is_socket (endpoint));
    unlink (endpoint + strlen ("ipc://"));
}

/* A file that a dead process has left behind is no hindrance. */
static void a_stale_file (void)
{
    char endpoint[128];
    close (listen_at_file (endpoint, sizeof endpoint));
    struct watched pull = watch (context, ZMQ_PULL);
    CHECK (zmq_bind (pull.socket, endpoint) == 0);
    meet_at_file (pull, endpoint);
}

/* A listener that was made elsewhere, whose file is not ours. */
static void use_fd (void)
{
    char endpoint[128];
    int fd = listen_at_file (endpoint, sizeof endpoint);
    struct watched pull = watch (context, ZMQ_PULL);
    SET_INT (pull.socket, ZMQ_USE_FD, fd);
    CHECK (zmq_bind (pull.socket, "ipc://*") == 0);
    CHECK (event (pull, ZMQ_EVENT_LISTENING) == fd);
    CHECK (strcmp (bound_to (pull.socket), endpoint) == 0);
    meet_at_file (pull, endpoint);
}

/* Each filter alone, with what we are and with what we are not; and two of which one fits. */
static void filters (void)
{
    const struct
    {
        int option;
        int32_t value;
        int welcome;
    } cases[] = {
        {ZMQ_IPC_FILTER_PID, getpid (), 1}, {ZMQ_IPC_FILTER_PID, 1, 0},
        {ZMQ_IPC_FILTER_UID, geteuid (), 1}, {ZMQ_IPC_FILTER_UID, geteuid () + 7, 0},
        {ZMQ_IPC_FILTER_GID, getegid (), 1}, {ZMQ_IPC_FILTER_GID, 54321, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int both = 0; both < 2; ++both) {
            struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
            CHECK (zmq_setsockopt (pull.socket, cases[i].option, &cases[i].value, 4) == 0);
            uint32_t own = geteuid ();
            if (both)
                CHECK (zmq_setsockopt (pull.socket, ZMQ_IPC_FILTER_UID, &own, sizeof own) == 0);
            CHECK (zmq_bind (pull.socket, "ipc://*") == 0);
            CHECK (zmq_connect (push.socket, bound_to (pull.socket)) == 0);
            if (cases[i].welcome || both) {
                talk (push.socket, pull.socket);
            } else {
                event (pull, ZMQ_EVENT_ACCEPT_FAILED);
                CHECK (event_within (pull, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0) == -1);
            }
            forget (push);
            forget (pull);
        }
}

int main (void)
{
    limit ();
#ifdef FERROMQ
    every_address_of_a_name ();
#endif
    context = zmq_ctx_new ();
    through_a_proxy (NULL, NULL, NULL);
    through_a_proxy (NULL, NULL, "only.the.proxy.knows");
#ifdef ZMQ_BUILD_DRAFT_API
    char longest[256];
    memset (longest, 'l', 255);
    longest[255] = 0;
    through_a_proxy ("somebody", "with a password", NULL);
    through_a_proxy (longest, longest, "only.the.proxy.knows");
    a_proxy_that_refuses (1, 0);
#endif
    a_proxy_that_refuses (0, 1);
    a_wildcard ();
    a_stolen_file ();
    a_stale_file ();
    use_fd ();
    filters ();
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
