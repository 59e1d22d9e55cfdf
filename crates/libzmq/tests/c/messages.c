/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages: making, moving, copying, closing; foreign data is freed once. */
#include "check.h"

static int freed;
static void *freed_hint;

static void count_free (void *data, void *hint)
{
    (void) data;
    freed_hint = hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
}

static void sizes (void)
{
    for (size_t size = 0; size < 100; ++size) {
        zmq_msg_t msg;
        CHECK (zmq_msg_init_size (&msg, size) == 0);
        CHECK (zmq_msg_size (&msg) == size);
        memset (zmq_msg_data (&msg), 'x', size);
        /* The struct may be moved byte by byte. */
        zmq_msg_t moved;
        memcpy (&moved, &msg, sizeof msg);
        memset (&msg, 0, sizeof msg);
        for (size_t i = 0; i < size; ++i)
            CHECK (((char *) zmq_msg_data (&moved))[i] == 'x');
        CHECK (zmq_msg_get (&moved, ZMQ_MORE) == 0);
        CHECK (zmq_msg_get (&moved, ZMQ_SHARED) == 0);
        zmq_msg_t copy;
        CHECK (zmq_msg_init (&copy) == 0);
        CHECK (zmq_msg_copy (&copy, &moved) == 0);
        CHECK (zmq_msg_size (&copy) == size);
        CHECK (size == 0 || memcmp (zmq_msg_data (&copy), zmq_msg_data (&moved), size) == 0);
        if (size > 64)
            CHECK (zmq_msg_get (&moved, ZMQ_SHARED) == 1 && zmq_msg_get (&copy, ZMQ_SHARED) == 1);
        CHECK (zmq_msg_close (&moved) == 0);
        FAILS (zmq_msg_close (&moved), EFAULT);
        CHECK (zmq_msg_close (&copy) == 0);
    }
}

static void foreign (void)
{
    static char data[1000];
    int hint;
    zmq_msg_t one, two;
    CHECK (zmq_msg_init_data (&one, data, sizeof data, count_free, &hint) == 0);
    CHECK (zmq_msg_data (&one) == data);
    CHECK (zmq_msg_init (&two) == 0);
    CHECK (zmq_msg_copy (&two, &one) == 0);
    CHECK (zmq_msg_data (&two) == data);
    CHECK (zmq_msg_close (&one) == 0 && freed == 0);
    CHECK (zmq_msg_move (&one, &two) == -1 && errno == EFAULT);
    CHECK (zmq_msg_init (&one) == 0);
    CHECK (zmq_msg_move (&one, &two) == 0);
    CHECK (zmq_msg_size (&two) == 0 && zmq_msg_size (&one) == sizeof data);
    CHECK (zmq_msg_close (&one) == 0 && freed == 1 && freed_hint == &hint);
    CHECK (zmq_msg_close (&two) == 0 && freed == 1);
    /* Without a function the data stay. */
    CHECK (zmq_msg_init_data (&one, data, sizeof data, NULL, NULL) == 0);
    CHECK (zmq_msg_get (&one, ZMQ_SHARED) == 1);
    CHECK (zmq_msg_close (&one) == 0);
    /* Small ones go by reference, too. */
    CHECK (zmq_msg_init_data (&one, data, 3, count_free, NULL) == 0);
    CHECK (zmq_msg_close (&one) == 0 && freed == 2);
    CHECK (zmq_msg_init_data (&one, NULL, 0, count_free, NULL) == 0);
    CHECK (zmq_msg_size (&one) == 0);
    CHECK (zmq_msg_close (&one) == 0 && freed == 3);
}

static void properties (void)
{
    zmq_msg_t msg;
    CHECK (zmq_msg_init (&msg) == 0);
    FAILS (zmq_msg_get (&msg, 4711), EINVAL);
    FAILS (zmq_msg_set (&msg, ZMQ_MORE, 1), EINVAL);
    CHECK (zmq_msg_gets (&msg, "Peer-Address") == NULL && errno == EINVAL);
    CHECK (zmq_msg_more (&msg) == 0);
#ifdef ZMQ_BUILD_DRAFT_API
    CHECK (zmq_msg_routing_id (&msg) == 0);
    FAILS (zmq_msg_set_routing_id (&msg, 0), EINVAL);
    CHECK (zmq_msg_set_routing_id (&msg, 7) == 0 && zmq_msg_routing_id (&msg) == 7);
    char name[300];
    memset (name, 'g', sizeof name);
    CHECK (strcmp (zmq_msg_group (&msg), "") == 0);
    name[256] = 0;
    FAILS (zmq_msg_set_group (&msg, name), EINVAL);
    for (int length = 255; length >= 0; length -= 15) {
        name[length] = 0;
        CHECK (zmq_msg_set_group (&msg, name) == 0);
        CHECK (strcmp (zmq_msg_group (&msg), name) == 0);
    }
    CHECK (zmq_msg_close (&msg) == 0);
    CHECK (zmq_msg_init_buffer (&msg, "abc", 3) == 0);
    CHECK (zmq_msg_size (&msg) == 3 && memcmp (zmq_msg_data (&msg), "abc", 3) == 0);
    CHECK (zmq_msg_close (&msg) == 0);
    CHECK (zmq_msg_init_buffer (&msg, NULL, 0) == 0);
#endif
    CHECK (zmq_msg_close (&msg) == 0);
}

/* Data given to a socket are freed once, when they have been sent or given up. */
static void sent (int deliver, const char *endpoint)
{
    static char data[100000];
    freed = 0;
    void *context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH);
    void *pull = zmq_socket (context, ZMQ_PULL);
    SET_INT (push, ZMQ_LINGER, 0);
    if (deliver)
        join_by (pull, push, endpoint);
    else
        CHECK (zmq_connect (push, "tcp://127.0.0.1:9") == 0);
    const int number = 20;
    for (int i = 0; i < number; ++i) {
        zmq_msg_t msg;
        size_t size = i % 2 ? sizeof data : 20;
        CHECK (zmq_msg_init_data (&msg, data, size, count_free, NULL) == 0);
        CHECK (zmq_msg_send (&msg, push, 0) == (int) size);
        CHECK (zmq_msg_size (&msg) == 0);
        CHECK (zmq_msg_close (&msg) == 0);
        if (deliver) {
            CHECK (zmq_msg_init (&msg) == 0);
            CHECK (zmq_msg_recv (&msg, pull, 0) == (int) size);
            CHECK (zmq_msg_close (&msg) == 0);
        }
    }
    CHECK (zmq_close (push) == 0 && zmq_close (pull) == 0);
    CHECK (zmq_ctx_term (context) == 0);
    CHECK (freed == number);
}

#ifdef FERROMQ
/* Where libzmq ends the process. */
static void item_54_closed (void)
{
    zmq_msg_t msg;
    memset (&msg, 0, sizeof msg);
    CHECK (zmq_msg_data (&msg) == NULL && errno == EFAULT);
    CHECK (zmq_msg_size (&msg) == 0);
    CHECK (zmq_msg_more (&msg) == 0);
    FAILS (zmq_msg_get (&msg, ZMQ_MORE), EFAULT);
    FAILS (zmq_msg_close (NULL), EFAULT);
    FAILS (zmq_msg_init (NULL), EFAULT);
    FAILS (zmq_msg_init_data (&msg, NULL, 5, NULL, NULL), EFAULT);
}
#endif

int main (void)
{
    limit ();
    sizes ();
    foreign ();
    properties ();
    sent (1, "inproc://messages");
    sent (1, "tcp://127.0.0.1:*");
    sent (1, "ipc://*");
    sent (0, NULL);
#ifdef FERROMQ
    item_54_closed ();
#endif
    zmq_msg_t msg;
    FAILS (zmq_msg_init_size (&msg, ((size_t) -1) / 2), ENOMEM);
    FAILS (zmq_msg_init_size (&msg, (size_t) -1), ENOMEM);
    return 0;
}
