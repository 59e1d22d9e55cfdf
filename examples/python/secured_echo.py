"""An echo service with PLAIN or CURVE, and pyzmq's own authenticator in front of it.

    secured_echo.py server|client plain|curve bind|connect ENDPOINT

The keys are those of the manual page zmq_curve(7): not for use.
"""
import sys

import zmq
from zmq.auth.thread import ThreadAuthenticator

SERVER = (b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6")
CLIENT = (b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs")
SIZES = [0, 1, 100, 255, 256, 1000, 5000, 100_000]


def open_socket(context, role, mechanism):
    socket = context.socket(zmq.REP if role == "server" else zmq.REQ)
    socket.rcvtimeo = socket.sndtimeo = 30_000
    socket.linger = 5_000
    if mechanism == "plain" and role == "server":
        socket.plain_server = True
    elif mechanism == "plain":
        socket.plain_username, socket.plain_password = b"admin", b"secret"
    else:
        socket.curve_publickey, socket.curve_secretkey = SERVER if role == "server" else CLIENT
        if role == "server":
            socket.curve_server = True
        else:
            socket.curve_serverkey = SERVER[0]
    return socket


def main():
    role, mechanism, side, endpoint = sys.argv[1:]
    context = zmq.Context()
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_plain(domain="*", passwords={"admin": "secret"})
    authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    socket = open_socket(context, role, mechanism)
    getattr(socket, side)(endpoint)
    user = ""
    for size in SIZES:
        if role == "server":
            frames = socket.recv_multipart(copy=False)
            user = frames[0].get("User-Id")
            socket.send_multipart(frames)
        else:
            socket.send_multipart([b"head", b"x" * size])
            assert socket.recv_multipart() == [b"head", b"x" * size]
    print(role, user, flush=True)
    socket.close()
    authenticator.stop()
    context.term()


if __name__ == "__main__":
    main()
