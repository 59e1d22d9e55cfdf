/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Asking a library, and printing its answers: `question = answer`, one a line. */
#ifndef ASK_H
#define ASK_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limit.h"
#include "zmq.h"

static const char *name_of (int error)
{
    static char number[32];
    switch (error) {
        case 0: return "0";
        case EINVAL: return "EINVAL";
        case EFAULT: return "EFAULT";
        case ENOTSUP: return "ENOTSUP";
        case EAGAIN: return "EAGAIN";
        case EFSM: return "EFSM";
        case ETERM: return "ETERM";
        case EMTHREAD: return "EMTHREAD";
        case ENOTSOCK: return "ENOTSOCK";
        case ENOENT: return "ENOENT";
        case ENODEV: return "ENODEV";
        case EMFILE: return "EMFILE";
        case EHOSTUNREACH: return "EHOSTUNREACH";
        case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
        case ENOCOMPATPROTO: return "ENOCOMPATPROTO";
        case EADDRINUSE: return "EADDRINUSE";
        case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
        case ENAMETOOLONG: return "ENAMETOOLONG";
        case ETIMEDOUT: return "ETIMEDOUT";
        case EMSGSIZE: return "EMSGSIZE";
        default: snprintf (number, sizeof number, "errno %d", error); return number;
    }
}

/* Prints the answer of a call that returns an int. */
#define ASK(call, ...) \
    do { \
        errno = 0; \
        long rc_ = (long) (call); \
        int error_ = errno; \
        printf (__VA_ARGS__); \
        if (rc_ == -1) \
            printf (" = -1 %s\n", name_of (error_)); \
        else \
            printf (" = %ld\n", rc_); \
    } while (0)

/* The same for a call that may bring the process down: in a process of its own. */
#define ASK_SAFELY(call, ...) \
    do { \
        fflush (stdout); \
        pid_t child_ = fork (); \
        if (child_ == 0) { \
            freopen ("/dev/null", "w", stderr); \
            alarm (60); \
            ASK (call, __VA_ARGS__); \
            fflush (stdout); \
            _exit (0); \
        } \
        int status_ = 0; \
        waitpid (child_, &status_, 0); \
        if (!WIFEXITED (status_)) { \
            printf (__VA_ARGS__); \
            printf (" = dies\n"); \
        } \
    } while (0)

#endif
