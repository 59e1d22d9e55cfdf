"""The service of secured_echo.py for asyncio, with pyzmq's authenticator for that in front of it.

    secured_echo_asyncio.py plain|curve bind|connect ENDPOINT
"""
import asyncio
import sys

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from secured_echo import SIZES, open_socket


async def main():
    mechanism, side, endpoint = sys.argv[1:]
    context = zmq.asyncio.Context()
    authenticator = AsyncioAuthenticator(context)
    authenticator.start()
    authenticator.configure_plain(domain="*", passwords={"admin": "secret"})
    authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    socket = open_socket(context, "server", mechanism)
    getattr(socket, side)(endpoint)
    user = ""
    for _ in SIZES:
        frames = await socket.recv_multipart(copy=False)
        user = frames[0].get("User-Id")
        await socket.send_multipart(frames)
    print("server", user, flush=True)
    socket.close()
    authenticator.stop()
    context.term()


asyncio.run(main())
