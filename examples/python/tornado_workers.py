# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pushes messages to itself through tornado's streams: tornado_workers.py ENDPOINT COUNT"""
import sys

import zmq
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

endpoint, count = sys.argv[1], int(sys.argv[2])


async def main():
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.bind(endpoint)
    push.connect(endpoint)
    work, results = ZMQStream(push), ZMQStream(pull)
    seen = []

    def receive(parts):
        print(parts[0].decode(), flush=True)
        seen.append(parts)
        if len(seen) == count:
            IOLoop.current().stop()

    results.on_recv(receive)
    for number in range(count):
        work.send(b"message %d" % number)


loop = IOLoop()
loop.add_callback(main)
loop.start()
