# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints so many messages of several publishers: subscriber.py COUNT ENDPOINT..."""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import sys

with zmq.Context() as context, context.socket(zmq.SUB) as news:
    for endpoint in sys.argv[2:]:
        news.connect(endpoint)
    news.setsockopt(zmq.SUBSCRIBE, b"weather")
    for _ in range(int(sys.argv[1])):
        topic, number = news.recv_multipart()
        print(topic.decode(), number.decode(), flush=True)
