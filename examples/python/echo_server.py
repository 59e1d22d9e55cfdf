# SPDX-License-Identifier: MIT OR Apache-2.0
"""Answers every request; connects, so that the client may bind: echo_server.py ENDPOINT"""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

with zmq.Context() as context, context.socket(zmq.REP) as answers:
    answers.connect(sys.argv[1])
    while True:
        answers.send(b"Echoing: " + answers.recv())
