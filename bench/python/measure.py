#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""pyzmq as its users call it, on ferromq and on the libzmq of its own wheel.

    PYTHONPATH=target/pyenv python3 bench/python/measure.py [--library target/release/libzmq.so] [--runs 5] [--only NAME ...]
    PYTHONPATH=target/pyenv python3 bench/python/measure.py --shares

The same pyzmq, the same program; ferromq is loaded before it (LD_PRELOAD). Two processes over tcp, both libraries in turn;
medians, and the ratio of each pair. With --shares, instead: where the instructions of the receiver go, counted by callgrind.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time

import zmq
import zmq.asyncio

HERE = os.path.abspath(__file__)
OURS, THEIRS = "ferromq", "libzmq"


class Work:
    """What two processes do: one receives, and says how many messages came in a second; the other sends."""

    def __init__(self, size, count, bar=1.5):
        self.size, self.count, self.bar = size, count, bar

    def receive(self, context, bound):
        raise NotImplementedError

    def send(self, context, endpoint):
        raise NotImplementedError


class Stream(Work):
    """PUSH to PULL."""

    def __init__(self, size, count, copy=True):
        super().__init__(size, count)
        self.copy = copy

    def receive(self, context, bound):
        pull = context.socket(zmq.PULL)
        bound(bind(pull))
        recv, copy = pull.recv, self.copy
        first = recv(copy=copy)
        assert len(first) == self.size
        begin = time.perf_counter()
        for _ in range(self.count - 1):
            recv(copy=copy)
        return (self.count - 1) / (time.perf_counter() - begin)

    def send(self, context, endpoint):
        push = context.socket(zmq.PUSH)
        push.connect(endpoint)
        send, body, copy = push.send, b"z" * self.size, self.copy
        for _ in range(self.count):
            send(body, copy=copy)
        return push


class Trips(Work):
    """REQ and REP, one question at a time: round trips in a second."""

    def receive(self, context, bound):
        rep = context.socket(zmq.REP)
        bound(bind(rep))
        begin = None
        for _ in range(self.count):
            rep.send(rep.recv())
            begin = begin or time.perf_counter()
        return (self.count - 1) / (time.perf_counter() - begin)

    def send(self, context, endpoint):
        req = context.socket(zmq.REQ)
        req.connect(endpoint)
        body = b"z" * self.size
        for _ in range(self.count):
            req.send(body)
            req.recv()
        return req


class Polled(Work):
    """Sixty-four PUSH to as many PULL, which a poller waits for."""

    MANY = 64

    def receive(self, context, bound):
        pulls = [context.socket(zmq.PULL) for _ in range(self.MANY)]
        poller = zmq.Poller()
        for pull in pulls:
            poller.register(pull, zmq.POLLIN)
        bound(" ".join(bind(pull) for pull in pulls))
        received, begin = 0, None
        while received < self.count:
            for pull, _ in poller.poll():
                pull.recv()
                begin = begin or time.perf_counter()
                received += 1
        return (self.count - 1) / (time.perf_counter() - begin)

    def send(self, context, endpoint):
        pushes = []
        for place in endpoint.split():
            push = context.socket(zmq.PUSH)
            push.connect(place)
            pushes.append(push)
        body = b"z" * self.size
        for number in range(self.count):
            pushes[number % self.MANY].send(body)
        return pushes


class Awaited(Work):
    """PUSH to PULL under asyncio."""

    def receive(self, context, bound):
        return asyncio.run(self.receive_all(bound))

    async def receive_all(self, bound):
        pull = zmq.asyncio.Context().socket(zmq.PULL)
        bound(bind(pull))
        await pull.recv()
        begin = time.perf_counter()
        for _ in range(self.count - 1):
            await pull.recv()
        return (self.count - 1) / (time.perf_counter() - begin)

    def send(self, context, endpoint):
        return asyncio.run(self.send_all(endpoint))

    async def send_all(self, endpoint):
        push = zmq.asyncio.Context().socket(zmq.PUSH)
        push.connect(endpoint)
        body = b"z" * self.size
        for _ in range(self.count):
            await push.send(body)
        return push


WORKS = {
    "send-recv-64": Stream(64, 600_000),
    "send-recv-1024": Stream(1024, 400_000),
    "send-recv-65536": Stream(65_536, 20_000),
    "no-copy-64": Stream(64, 200_000, copy=False),
    "no-copy-1024": Stream(1024, 200_000, copy=False),
    "no-copy-65536": Stream(65_536, 20_000, copy=False),
    "asyncio-64": Awaited(64, 60_000),
    "poller-64-sockets": Polled(64, 200_000),
    "req-rep-64": Trips(64, 20_000),
}


def bind(socket):
    socket.bind("tcp://127.0.0.1:*")
    return socket.last_endpoint.decode()


def play(role, name, count):
    """A process of a run. Words go between them by standard input and output."""
    work = WORKS[name]
    work.count = count or work.count
    context = zmq.Context()
    if role == "receive":
        rate = work.receive(context, lambda endpoint: print(endpoint, flush=True))
        print(zmq.zmq_version(), rate, flush=True)
    else:
        kept = work.send(context, sys.stdin.readline().strip())
        # Until all has been received.
        sys.stdin.readline()
        del kept
    sys.stdout.flush()
    os._exit(0)


def environment(choice, library):
    variables = dict(os.environ)
    variables.pop("LD_PRELOAD", None)
    if choice == OURS:
        variables["LD_PRELOAD"] = library
    return variables


def start(role, name, variables, count=0, before=()):
    arguments = [*before, sys.executable, HERE, "--role", role, name, "--count", str(count)]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, env=variables, stdin=pipe, stdout=pipe, text=True)


def run(choice, name, library, count=0, before=()):
    """One run: the rate that the receiver found."""
    variables = environment(choice, library)
    receiver = start("receive", name, variables, count, before)
    sender = start("send", name, variables, count)
    try:
        endpoint = receiver.stdout.readline()
        sender.stdin.write(endpoint)
        sender.stdin.flush()
        version, rate = receiver.stdout.readline().split()
        sender.stdin.write("enough\n")
        sender.stdin.flush()
        assert (version == "4.3.6") == (choice == OURS), f"{choice} says it is {version}"
        assert receiver.wait(60) == 0 and sender.wait(60) == 0
        return float(rate)
    finally:
        receiver.kill()
        sender.kill()


def table(names, library, runs):
    print("| pyzmq | ferromq | libzmq | ratio | bar | |\n|---|---|---|---|---|---|")
    for name in names:
        rates = {OURS: [], THEIRS: []}
        for _ in range(runs):
            for choice, found in rates.items():
                found.append(run(choice, name, library))
        ratios = sorted(ours / theirs for ours, theirs in zip(rates[OURS], rates[THEIRS]))
        ratio, bar = statistics.median(ratios), WORKS[name].bar
        ours, theirs = (f"{statistics.median(found) / 1e3:.1f} k/s" for found in rates.values())
        verdict = "pass" if ratio >= bar else "MISS"
        spread = f"{ratio:.2f} [{ratios[0]:.2f}–{ratios[-1]:.2f}]"
        print(f"| {name} | {ours} | {theirs} | {spread} | ≥ {bar} | {verdict} |", flush=True)


def shares(names, library):
    """Where the receiver's instructions go: the difference of two runs, one with twice the messages."""
    print("| pyzmq, receiver | library | instructions a message | in the library | libc | Python and pyzmq |")
    print("|---|---|---|---|---|---|")
    for name in names:
        for choice in (OURS, THEIRS):
            count = max(2_000, WORKS[name].count // 100)
            once, twice = (counted(choice, name, library, n * count) for n in (1, 2))
            each = {part: (twice[part] - once[part]) / count for part in once}
            total = sum(each.values())
            cells = " | ".join(f"{100 * each[part] / total:.0f} %" for part in ("library", "libc", "rest"))
            print(f"| {name} | {choice} | {total:.0f} | {cells} |", flush=True)


def counted(choice, name, library, count):
    with tempfile.TemporaryDirectory() as folder:
        found = os.path.join(folder, "callgrind.out")
        log = os.path.join(folder, "log")
        before = ("valgrind", "--tool=callgrind", f"--log-file={log}", f"--callgrind-out-file={found}")
        run(choice, name, library, count, before)
        return by_object(found)


def by_object(path):
    """Instructions in each kind of object file, from what callgrind writes."""
    names, parts, current, called = {}, {"library": 0, "libc": 0, "rest": 0}, "rest", False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            field, _, value = line.strip().partition("=")
            if field in ("ob", "cob"):
                # A name is written once, whatever it is there for.
                number, _, name = value.partition(" ")
                name = names.setdefault(number, os.path.basename(name))
                if field == "ob":
                    current = part_of(name)
            elif field == "calls":
                # The next line is what the called function took.
                called = True
            elif line[0] in "+-*" or line[0].isdigit():
                if not called:
                    parts[current] += int(line.split()[1])
                called = False
    return parts


def part_of(name):
    if name.startswith("libzmq"):
        return "library"
    return "libc" if name.startswith("libc.so") else "rest"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", default="target/release/libzmq.so")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--shares", action="store_true")
    parser.add_argument("--role", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        play(*arguments.role, arguments.count)
    names = [name for name in WORKS if not arguments.only or any(part in name for part in arguments.only)]
    library = os.path.abspath(arguments.library)
    if not os.path.exists(library):
        sys.exit(f"{library} is missing: cargo build --release -p libzmq")
    if arguments.shares:
        shares(names, library)
    else:
        table(names, library, arguments.runs)


if __name__ == "__main__":
    main()
