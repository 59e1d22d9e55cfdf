/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The one limit that the programs here have: waits within them have none, so that a slow machine fails nothing. */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdlib.h>
#include <unistd.h>

/* Ends a run that hangs, with SIGALRM: after 300 s, or as many as the environment says. */
static inline void limit (void)
{
    const char *seconds = getenv ("LIMIT");
    alarm (seconds ? atoi (seconds) : 300);
}

#endif
