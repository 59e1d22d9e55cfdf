/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What options do that nothing else shows: to the threads of a context, to datagrams, to reads and writes. */
#define _GNU_SOURCE
#include "wires.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sched.h>

static void *context;

/* ---- threads --------------------------------------------------------------------------------------- */

static void threads (void)
{
    void *ctx = zmq_ctx_new ();
    int is_root = geteuid () == 0;
    CHECK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 2) == 0);
    CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_NAME_PREFIX, 1234) == 0);
    CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, 0) == 0);
    CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, 1) == 0);
    CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 1) == 0);
    if (is_root) {
        CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_SCHED_POLICY, SCHED_RR) == 0);
        CHECK (zmq_ctx_set (ctx, ZMQ_THREAD_PRIORITY, 3) == 0);
    }
    void *socket = zmq_socket (ctx, ZMQ_PUSH);
    CHECK (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    /* They name and place themselves when they begin. */
    for (int found = 0; found < 2;) {
        found = 0;
        DIR *tasks = opendir ("/proc/self/task");
        struct dirent *task;
        while ((task = readdir (tasks))) {
            char path[300], name[32] = "";
            snprintf (path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
            FILE *file = fopen (path, "r");
            if (!file)
                continue;
            CHECK (fgets (name, sizeof name, file) || ferror (file));
            fclose (file);
            if (strncmp (name, "1234/ZMQbg/IO/", 14) != 0)
                continue;
            pid_t id = atoi (task->d_name);
            cpu_set_t cpus;
            struct sched_param param;
            if (sched_getaffinity (id, sizeof cpus, &cpus) != 0 || CPU_COUNT (&cpus) != 1)
                continue;
            CHECK (CPU_ISSET (0, &cpus));
            if (is_root && sched_getscheduler (id) != SCHED_RR)
                continue;
            CHECK (sched_getparam (id, &param) == 0);
            CHECK (!is_root || param.sched_priority == 3);
            ++found;
        }
        closedir (tasks);
        usleep (5000);
    }
    CHECK (zmq_close (socket) == 0 && zmq_ctx_term (ctx) == 0);
}

#ifdef ZMQ_BUILD_DRAFT_API

/* ---- reads and writes ------------------------------------------------------------------------------ */

#ifdef FERROMQ
/* libzmq writes bodies of more than a batch at once all the same. */
static int segments (int batch)
{
    static char body[10000];
    struct watched pull = watch (context, ZMQ_PULL), push = watch (context, ZMQ_PUSH);
    if (batch)
        SET_INT (push.socket, ZMQ_OUT_BATCH_SIZE, batch);
    CHECK (zmq_bind (pull.socket, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_connect (push.socket, bound_to (pull.socket)) == 0);
    int fd = event (push, ZMQ_EVENT_CONNECTED);
    event (push, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    for (int i = 0; i < 100; ++i) {
        CHECK (zmq_send (push.socket, body, 5000, 0) == 5000);
        CHECK (zmq_recv (pull.socket, body, sizeof body, 0) == 5000);
    }
    struct tcp_info info;
    socklen_t length = sizeof info;
    CHECK (getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    forget (push);
    forget (pull);
    return info.tcpi_segs_out;
}

static void out_batch (void)
{
    /* Each message in ten writes instead of one. */
    int as_usual = segments (0), in_pieces = segments (500);
    CHECK (in_pieces > as_usual + 300);
}
#endif

static void in_batch (void)
{
    void *stream = zmq_socket (context, ZMQ_STREAM);
    SET_INT (stream, ZMQ_IN_BATCH_SIZE, 100);
    SET_INT (stream, ZMQ_STREAM_NOTIFY, 0);
    CHECK (zmq_bind (stream, "tcp://127.0.0.1:*") == 0);
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons (port_of (bound_to (stream)));
    at.sin_addr.s_addr = inet_addr ("127.0.0.1");
    CHECK (connect (fd, (struct sockaddr *) &at, sizeof at) == 0);
    static char body[5000];
    CHECK (write (fd, body, sizeof body) == sizeof body);
    int total = 0;
    while (total < (int) sizeof body) {
        char id[16], piece[5000];
        CHECK (zmq_recv (stream, id, sizeof id, 0) == 5);
        int size = zmq_recv (stream, piece, sizeof piece, 0);
        CHECK (size > 0 && size <= 100);
        total += size;
    }
    close (fd);
    CHECK (zmq_close (stream) == 0);
}

/* ---- datagrams ------------------------------------------------------------------------------------- */

/* A socket that hears this group on loopback, and what port. */
static int hear (const char *group, int *port)
{
    int fd = socket (AF_INET, SOCK_DGRAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    struct ip_mreqn join = {{inet_addr (group)}, {inet_addr ("127.0.0.1")}, 0};
    CHECK (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK (setsockopt (fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
    CHECK (setsockopt (fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one) == 0);
    CHECK (bind (fd, (struct sockaddr *) &at, sizeof at) == 0);
    CHECK (setsockopt (fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &at, &length) == 0);
    *port = ntohs (at.sin_port);
    return fd;
}

static int receive (int fd, unsigned char *bytes, size_t size, int *hops)
{
    char control[256];
    struct iovec iov = {bytes, size};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    header.msg_controllen = sizeof control;
    int got = recvmsg (fd, &header, 0);
    CHECK (got >= 0);
    for (struct cmsghdr *each = CMSG_FIRSTHDR (&header); each; each = CMSG_NXTHDR (&header, each))
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TTL)
            memcpy (hops, CMSG_DATA (each), sizeof *hops);
    return got;
}

static void hops_of_udp (void)
{
    int port, fd = hear ("239.77.1.1", &port), hops = -1;
    void *radio = zmq_socket (context, ZMQ_RADIO);
    SET_INT (radio, ZMQ_MULTICAST_HOPS, 9);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "udp://127.0.0.1;239.77.1.1:%d", port);
    CHECK (zmq_connect (radio, endpoint) == 0);
    zmq_msg_t msg;
    zmq_msg_init_size (&msg, 4);
    memcpy (zmq_msg_data (&msg), "body", 4);
    CHECK (zmq_msg_set_group (&msg, "tv") == 0);
    CHECK (zmq_msg_send (&msg, radio, 0) == 4);
    unsigned char bytes[100];
    CHECK (receive (fd, bytes, sizeof bytes, &hops) == 7);
    CHECK (memcmp (bytes, "\2tvbody", 7) == 0);
    CHECK (hops == 9);
    close (fd);
    CHECK (zmq_close (radio) == 0);
}

#ifdef FERROMQ
/* The largest packet of a message of 5000 bytes; and how far it may go. */
static int packets_of_pgm (int most, int *hops)
{
    int port, fd = hear ("239.77.1.2", &port);
    void *pub = zmq_socket (context, ZMQ_PUB);
    SET_INT (pub, ZMQ_LINGER, 0);
    SET_INT (pub, ZMQ_MULTICAST_LOOP, 1);
    SET_INT (pub, ZMQ_MULTICAST_HOPS, 7);
    SET_INT (pub, ZMQ_RATE, 100000);
    if (most)
        SET_INT (pub, ZMQ_MULTICAST_MAXTPDU, most);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "epgm://127.0.0.1;239.77.1.2:%d", port);
    CHECK (zmq_connect (pub, endpoint) == 0);
    static char body[5000];
    CHECK (zmq_send (pub, body, sizeof body, 0) == sizeof body);
    int total = 0, largest = 0;
    while (total < (int) sizeof body) {
        unsigned char bytes[2000];
        int size = receive (fd, bytes, sizeof bytes, hops);
        if (size > 24 && bytes[4] == 4) {
            /* Data: a header of 24 bytes, an offset of 2. */
            total += size - 26;
            largest = size > largest ? size : largest;
        }
    }
    close (fd);
    CHECK (zmq_close (pub) == 0);
    return largest;
}

static void packets (void)
{
    int hops = -1;
    /* With what IP and UDP need. */
    int usual = packets_of_pgm (0, &hops) + 28, small = packets_of_pgm (600, &hops) + 28;
    CHECK (hops == 7);
    CHECK (usual > 1300 && usual <= 1500);
    CHECK (small > 500 && small <= 600);
}
#endif
#endif

int main (void)
{
    limit ();
    threads ();
    context = zmq_ctx_new ();
#ifdef ZMQ_BUILD_DRAFT_API
    in_batch ();
    hops_of_udp ();
#ifdef FERROMQ
    out_batch ();
    packets ();
#endif
#endif
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
