/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all programs here use: checks that name their line, and a limit for the whole run (`limit.h`). */
#ifndef CHECK_H
#define CHECK_H

#include "limit.h"

#include <zmq.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf (stderr, "%s:%d: %s (errno %d: %s)\n", __FILE__, __LINE__, \
                     #condition, errno, zmq_strerror (errno));                 \
            exit (1);                                                          \
        }                                                                      \
    } while (0)

/* The call fails with this errno. */
#define FAILS(call, number)          \
    do {                             \
        errno = 0;                   \
        CHECK ((call) == -1);        \
        CHECK (errno == (number));   \
        errno = 0;                   \
    } while (0)

#define SET_INT(socket, option, number)                                      \
    do {                                                                     \
        int set_int_ = (number);                                             \
        CHECK (zmq_setsockopt (socket, option, &set_int_, sizeof set_int_) == 0); \
    } while (0)

static inline int get_int (void *socket, int option)
{
    int value = -77;
    size_t length = sizeof value;
    CHECK (zmq_getsockopt (socket, option, &value, &length) == 0);
    CHECK (length == sizeof value);
    return value;
}

/* Binds one socket and connects the other to where that is. Names of inproc are made new ones each
   time: libzmq frees them in the background. */
static inline void join_by (void *binds, void *connects, const char *endpoint)
{
    static int number;
    char resolved[256];
    size_t length = sizeof resolved;
    if (strncmp (endpoint, "inproc", 6) == 0)
        snprintf (resolved, sizeof resolved, "%s-%d", endpoint, ++number);
    else
        snprintf (resolved, sizeof resolved, "%s", endpoint);
    CHECK (zmq_bind (binds, resolved) == 0);
    CHECK (zmq_getsockopt (binds, ZMQ_LAST_ENDPOINT, resolved, &length) == 0);
    CHECK (length == strlen (resolved) + 1);
    CHECK (zmq_connect (connects, resolved) == 0);
}

static inline void send_text (void *socket, const char *text, int flags)
{
    CHECK (zmq_send (socket, text, strlen (text), flags) == (int) strlen (text));
}

static inline void expect_text (void *socket, const char *text)
{
    char buffer[256];
    int length = zmq_recv (socket, buffer, sizeof buffer, 0);
    CHECK (length == (int) strlen (text));
    CHECK (memcmp (buffer, text, length) == 0);
}

#endif
