/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Looking at connections from beneath: the descriptors that monitors tell of, asked of the kernel. */
#ifndef WIRES_H
#define WIRES_H

#include "check.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* A socket with a monitor. */
struct watched
{
    void *socket, *monitor;
};

static inline struct watched watch (void *context, int type)
{
    static int number;
    char name[64];
    struct watched made = {zmq_socket (context, type), zmq_socket (context, ZMQ_PAIR)};
    CHECK (made.socket && made.monitor);
    SET_INT (made.socket, ZMQ_LINGER, 0);
    SET_INT (made.socket, ZMQ_RECONNECT_IVL, 20);
    SET_INT (made.monitor, ZMQ_RCVHWM, 0);
    snprintf (name, sizeof name, "inproc://watch-%d", ++number);
    CHECK (zmq_socket_monitor (made.socket, name, ZMQ_EVENT_ALL) == 0);
    CHECK (zmq_connect (made.monitor, name) == 0);
    return made;
}

static inline void forget (struct watched watched)
{
    CHECK (zmq_socket_monitor (watched.socket, NULL, 0) == 0);
    CHECK (zmq_close (watched.socket) == 0 && zmq_close (watched.monitor) == 0);
}

/* The value of the next event of this kind; -1 if it does not come in time (-1: whenever that is). */
static inline int event_within (struct watched watched, int kind, int milliseconds)
{
    SET_INT (watched.monitor, ZMQ_RCVTIMEO, milliseconds);
    for (;;) {
        unsigned char bytes[6];
        char address[256];
        if (zmq_recv (watched.monitor, bytes, sizeof bytes, 0) != sizeof bytes)
            return -1;
        zmq_recv (watched.monitor, address, sizeof address, 0);
        uint16_t number;
        int32_t value;
        memcpy (&number, bytes, sizeof number);
        memcpy (&value, bytes + 2, sizeof value);
        if (number == kind)
            return value;
    }
}

static inline int event (struct watched watched, int kind)
{
    int value = event_within (watched, kind, -1);
    CHECK (value != -1);
    return value;
}

static inline int kernel_int (int fd, int level, int option)
{
    int value = -77;
    socklen_t length = sizeof value;
    CHECK (getsockopt (fd, level, option, &value, &length) == 0);
    return value;
}

static inline const char *bound_to (void *socket)
{
    static char endpoint[256];
    size_t length = sizeof endpoint;
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0);
    return endpoint;
}

static inline int port_of (const char *endpoint)
{
    return atoi (strrchr (endpoint, ':') + 1);
}

/* A message gets through from one to the other. */
static inline void talk (void *from, void *to)
{
    send_text (from, "well met", 0);
    expect_text (to, "well met");
}

/* Nothing comes for a while. */
static inline void silence (void *socket)
{
    char byte;
    SET_INT (socket, ZMQ_RCVTIMEO, 150);
    FAILS (zmq_recv (socket, &byte, 1, 0), EAGAIN);
    SET_INT (socket, ZMQ_RCVTIMEO, -1);
}

#endif
