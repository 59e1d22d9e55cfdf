# SPDX-License-Identifier: MIT OR Apache-2.0
"""Binds, asks a few times and prints the answers: echo_client.py ENDPOINT COUNT"""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

endpoint, count = sys.argv[1], int(sys.argv[2])
with zmq.Context() as context, context.socket(zmq.REQ) as asks:
    asks.bind(endpoint)
    for number in range(count):
        asks.send(b"question %d" % number)
        print(asks.recv().decode(), flush=True)
