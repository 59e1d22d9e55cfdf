# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sends one message of four parts, part by part, and receives it so: multipart.py ENDPOINT"""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

with zmq.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
    one.bind(sys.argv[1])
    other.connect(sys.argv[1])
    for part in (b"first", b"", b"third"):
        other.send(part, zmq.SNDMORE)
    other.send(b"last")
    more = True
    while more:
        print(one.recv().decode(), flush=True)
        more = one.getsockopt(zmq.RCVMORE)
