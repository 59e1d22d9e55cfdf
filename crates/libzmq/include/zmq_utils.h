/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Of old programs: everything that was here is in zmq.h. */
#ifndef __ZMQ_UTILS_H_INCLUDED__
#define __ZMQ_UTILS_H_INCLUDED__

#include "zmq.h"

#endif
