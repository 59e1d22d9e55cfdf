/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One descriptor per socket: nine hundred fit under the usual limit of 1,024; and what happens when there are none
   left. Ours only: libzmq ends the process then. */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

static int descriptors (void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        count += fcntl (fd, F_GETFD) != -1;
    return count;
}

static void many (void)
{
    static const int types[] = {ZMQ_PUSH, ZMQ_PULL, ZMQ_PUB, ZMQ_SUB, ZMQ_REQ, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_PAIR,
                                ZMQ_XPUB, ZMQ_XSUB, ZMQ_STREAM};
    static void *sockets[900];
    void *context = zmq_ctx_new ();
    int before = descriptors ();
    for (int i = 0; i < 900; ++i)
        CHECK ((sockets[i] = zmq_socket (context, types[i % 12])) != NULL);
    CHECK (descriptors () <= before + 920);
    for (int i = 0; i < 900; ++i)
        CHECK (zmq_close (sockets[i]) == 0);
    CHECK (zmq_ctx_term (context) == 0);
    CHECK (descriptors () <= before);
}

/* Without a descriptor a call fails, and works again when there is one. What comes meanwhile waits. */
static void none_left (void)
{
    static int spare[1024];
    int count = 0;
    void *context = zmq_ctx_new (), *pull = zmq_socket (context, ZMQ_PULL), *push = zmq_socket (context, ZMQ_PUSH);
    char endpoint[64];
    size_t length = sizeof endpoint;
    CHECK (zmq_bind (pull, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0);
    while ((spare[count] = dup (0)) >= 0)
        ++count;
    CHECK (errno == EMFILE);
    errno = 0;
    CHECK (zmq_socket (context, ZMQ_PULL) == NULL && errno == EMFILE);
    FAILS (zmq_bind (pull, "tcp://127.0.0.1:*"), EMFILE);
    CHECK (zmq_connect (push, endpoint) == 0);
    send_text (push, "patience", 0);
    while (count > 0)
        close (spare[--count]);
    expect_text (pull, "patience");
    CHECK (zmq_close (pull) == 0 && zmq_close (push) == 0);
    CHECK (zmq_ctx_term (context) == 0);
}

int main (void)
{
    limit ();
    struct rlimit few = {1024, 1024};
    CHECK (setrlimit (RLIMIT_NOFILE, &few) == 0);
    many ();
    none_left ();
    return 0;
}
