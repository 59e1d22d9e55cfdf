/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A forked child has copies of its parent's descriptors, and never touches them: whatever it calls, a peer that looks
   at every byte sees what the parent sent and nothing else, and the parent receives all that the peer sends. Ours
   only: in libzmq some of these calls hang. */
#include "check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void *context;

/* ---- the peer -------------------------------------------------------------------------------------- */

static void write_all (int fd, const void *from, size_t length)
{
    CHECK (write (fd, from, length) == (ssize_t) length);
}

static void read_all (int fd, void *to, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t more = read (fd, (char *) to + got, length - got);
        CHECK (more > 0);
        got += more;
    }
}

/* Accepts a connection and gets through the handshake as a socket of this type. */
static int meet (int listener, const char *type)
{
    int fd = accept (listener, NULL, NULL);
    CHECK (fd >= 0);
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    write_all (fd, greeting, sizeof greeting);
    unsigned char ready[64] = "\4\0\5READY\13Socket-Type\0\0\0";
    size_t length = 23, name = strlen (type);
    ready[length++] = name;
    memcpy (ready + length, type, name);
    length += name;
    ready[1] = length - 2;
    write_all (fd, ready, length);
    unsigned char theirs[256];
    read_all (fd, theirs, 64);
    read_all (fd, theirs, 2);
    CHECK (theirs[0] == 4);
    read_all (fd, theirs + 2, theirs[1]);
    return fd;
}

/* The next bytes are exactly the frame of this number. */
static void expect_frame (int fd, unsigned char number)
{
    unsigned char frame[3];
    read_all (fd, frame, sizeof frame);
    CHECK (frame[0] == 0 && frame[1] == 1 && frame[2] == number);
}

static void give_frame (int fd, unsigned char number)
{
    unsigned char frame[3] = {0, 1, number};
    write_all (fd, frame, sizeof frame);
}

static void expect_number (void *socket, unsigned char number)
{
    unsigned char byte;
    CHECK (zmq_recv (socket, &byte, 1, 0) == 1);
    CHECK (byte == number);
}

/* ---- what a child may try -------------------------------------------------------------------------- */

static void sends (void *socket)
{
    /* Many: a batch would be written. */
    for (int i = 0; i < 100000; ++i)
        FAILS (zmq_send (socket, "from the child", 14, ZMQ_DONTWAIT), EINTR);
    FAILS (zmq_send (socket, "from the child", 14, 0), EINTR);
}

static void sends_parts (void *socket)
{
    FAILS (zmq_send (socket, "a", 1, ZMQ_SNDMORE), EINTR);
    FAILS (zmq_send (socket, "b", 1, 0), EINTR);
}

static void receives (void *socket)
{
    char buffer[64];
    zmq_msg_t message;
    FAILS (zmq_recv (socket, buffer, sizeof buffer, 0), EINTR);
    FAILS (zmq_recv (socket, buffer, sizeof buffer, ZMQ_DONTWAIT), EINTR);
    CHECK (zmq_msg_init (&message) == 0);
    FAILS (zmq_msg_recv (&message, socket, 0), EINTR);
    CHECK (zmq_msg_close (&message) == 0);
}

static void polls (void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    FAILS (zmq_poll (&item, 1, 100), EINTR);
    FAILS (zmq_poll (&item, 1, 0), EINTR);
}

static void asks (void *socket)
{
    int value = 0;
    size_t length = sizeof value;
    FAILS (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &length), EINTR);
    FAILS (zmq_setsockopt (socket, ZMQ_SNDHWM, &value, sizeof value), EINTR);
}

static void binds_and_connects (void *socket)
{
    FAILS (zmq_bind (socket, "tcp://127.0.0.1:*"), EINTR);
    FAILS (zmq_connect (socket, "tcp://127.0.0.1:9"), EINTR);
    FAILS (zmq_disconnect (socket, "tcp://127.0.0.1:9"), EINTR);
    FAILS (zmq_connect (socket, "inproc://nobody"), EINTR);
}

static void makes_sockets (void *socket)
{
    (void) socket;
    errno = 0;
    CHECK (zmq_socket (context, ZMQ_PUSH) == NULL && errno == EINTR);
}

static void closes (void *socket)
{
    CHECK (zmq_close (socket) == 0);
}

static void shuts_down (void *socket)
{
    CHECK (zmq_ctx_shutdown (context) == 0);
    FAILS (zmq_send (socket, "from the child", 14, 0), EINTR);
}

static void terminates (void *socket)
{
    CHECK (zmq_close (socket) == 0);
    CHECK (zmq_ctx_term (context) == 0);
}

static void just_ends (void *socket)
{
    (void) socket;
}

static void (*const tries[]) (void *) = {sends,         sends_parts, receives,   polls,
                                         asks,          binds_and_connects,      makes_sockets,
                                         closes,        shuts_down,  terminates, just_ends};

/* ---- the parent ------------------------------------------------------------------------------------ */

static void child_that (void (*try) (void *), void *socket)
{
    pid_t id = fork ();
    CHECK (id >= 0);
    if (id == 0) {
        limit ();
        try (socket);
        /* Not exit: valgrind would look here for what the parent's threads own. */
        execl ("/bin/true", "true", (char *) NULL);
        _exit (1);
    }
    int status;
    CHECK (waitpid (id, &status, 0) == id);
    CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

/* A PAIR and its only peer: after one message, and (another way through the library) after a lull. */
static void one_peer (void (*try) (void *), int lull)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket (AF_INET, SOCK_STREAM, 0);
    CHECK (bind (listener, (void *) &address, sizeof address) == 0 && listen (listener, 1) == 0);
    CHECK (getsockname (listener, (void *) &address, &length) == 0);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));

    context = zmq_ctx_new ();
    void *pair = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_connect (pair, endpoint) == 0);
    int peer = meet (listener, "PAIR");
    for (unsigned char number = 0; number < 3; ++number) {
        CHECK (zmq_send (pair, &number, 1, 0) == 1);
        expect_frame (peer, number);
        give_frame (peer, number);
        expect_number (pair, number);
        if (lull)
            usleep (2000);
    }
    /* One that waits in the kernel: a child that reads it takes it from its parent. */
    give_frame (peer, 3);
    child_that (try, pair);
    expect_number (pair, 3);
    for (unsigned char number = 3; number < 6; ++number) {
        CHECK (zmq_send (pair, &number, 1, 0) == 1);
        expect_frame (peer, number);
    }
    give_frame (peer, 4);
    expect_number (pair, 4);
    CHECK (zmq_close (pair) == 0 && zmq_ctx_term (context) == 0);
    /* Nothing more. */
    char byte;
    CHECK (shutdown (peer, SHUT_WR) == 0);
    CHECK (read (peer, &byte, 1) == 0);
    close (peer);
    close (listener);
}

/* With messages that wait for a peer to read on, and are of the parent alone. */
static void behind_a_full_peer (void (*try) (void *))
{
    context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH), *pull = zmq_socket (context, ZMQ_PULL);
    static unsigned char body[50000];
    SET_INT (push, ZMQ_SNDHWM, 40);
    SET_INT (pull, ZMQ_RCVHWM, 1);
    join_by (pull, push, "tcp://127.0.0.1:*");
    int sent = 0;
    SET_INT (push, ZMQ_SNDTIMEO, 200);
    for (;; ++sent) {
        body[0] = sent % 251;
        if (zmq_send (push, body, sizeof body, 0) == -1)
            break;
    }
    CHECK (errno == EAGAIN);
    child_that (try, push);
    for (int i = 0; i < sent; ++i) {
        CHECK (zmq_recv (pull, body, sizeof body, 0) == sizeof body);
        CHECK (body[0] == i % 251);
    }
    CHECK (zmq_close (push) == 0 && zmq_close (pull) == 0 && zmq_ctx_term (context) == 0);
}

int main (void)
{
    limit ();
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; ++i) {
        one_peer (tries[i], 0);
        one_peer (tries[i], 1);
        if (tries[i] != receives)
            behind_a_full_peer (tries[i]);
    }
    return 0;
}
