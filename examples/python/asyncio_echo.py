# SPDX-License-Identifier: MIT OR Apache-2.0
"""Asks and answers in one event loop, with zmq.asyncio: asyncio_echo.py ENDPOINT COUNT"""
import asyncio
import sys

import zmq
import zmq.asyncio


async def answer(context, endpoint):
    with context.socket(zmq.REP) as answers:
        answers.connect(endpoint)
        while True:
            await answers.send(b"Echoing: " + await answers.recv())


async def main(endpoint, count):
    with zmq.asyncio.Context() as context, context.socket(zmq.REQ) as asks:
        asks.bind(endpoint)
        answers = asyncio.create_task(answer(context, endpoint))
        for number in range(count):
            await asks.send(b"question %d" % number)
            print((await asks.recv()).decode(), flush=True)
        answers.cancel()
        await asyncio.wait([answers])


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
