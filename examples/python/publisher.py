# SPDX-License-Identifier: MIT OR Apache-2.0
"""Publishes numbered messages under a topic until it is ended: publisher.py ENDPOINT TOPIC"""
import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq
import itertools
import sys
import time

endpoint, topic = sys.argv[1], sys.argv[2].encode()
with zmq.Context() as context, context.socket(zmq.PUB) as out:
    out.bind(endpoint)
    for number in itertools.count():
        out.send_multipart([topic, b"%d" % number])
        time.sleep(0.01)
