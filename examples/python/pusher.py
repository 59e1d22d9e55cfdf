# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pushes numbered messages: pusher.py NAME COUNT ENDPOINT..."""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

name, count = sys.argv[1], int(sys.argv[2])
with zmq.Context() as context, context.socket(zmq.PUSH) as work:
    for endpoint in sys.argv[3:]:
        work.connect(endpoint)
    for number in range(count):
        work.send_string(f"{name} {number}")
