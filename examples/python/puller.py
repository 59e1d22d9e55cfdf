# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints so many messages: puller.py COUNT ENDPOINT"""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

with zmq.Context() as context, context.socket(zmq.PULL) as work:
    work.bind(sys.argv[2])
    for _ in range(int(sys.argv[1])):
        print(work.recv_string(), flush=True)
