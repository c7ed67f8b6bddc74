"""Does the memory of a connector stay flat over a long run?

Run it with ``python -m bench.soak --minutes 30``. It runs ``czujka connect bluesky`` as a process
of its own against a local Jetstream server that sends at an even rate, with deletes and broken
records among the posts, and that breaks the connection each minute; posts go to the embedded
broker. The resident memory of the connector's process is read from ``/proc`` and then printed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.jetstream import event_frame, framed
from pipeline.child import Child
from pipeline.embedded import EmbeddedBroker
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics

BROKEN_EVERY_S = 60.0
TICK_S = 0.05
SAMPLE_S = 5.0
WARM_UP_MIN = 2.0
BROKEN_RECORD = b'{"$type": "message", "payload": 7}'


def main() -> None:
    """Soaks and prints, or serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=200.0, help="events a second (200)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.rate))
        return
    with tempfile.TemporaryDirectory() as folder:
        soak(args.minutes, args.rate, Path(folder))


def soak(minutes: float, rate: float, folder: Path) -> None:
    """Runs the connector for so long, and prints its memory."""
    command = [sys.executable, "-m", "bench.soak", "--serve", "--rate", str(rate)]
    with (
        EmbeddedBroker() as broker,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            settings = Settings(
                bootstrap_servers=broker.bootstrap_servers,
                embedded=True,
                state_dir=folder / "state",
            )
            create_topics(settings)
            variables = environment_of(settings) | {"CZUJKA_PSEUDONYM_KEY": "a key for measuring"}
            connect = [sys.executable, "-m", "pipeline.cli", "connect", "bluesky"]
            child = Child(
                [*connect, "--set", f"url={url}"], folder / "log", {**os.environ, **variables}
            )
            with child:
                samples = watch(child, minutes * 60)
                cpu_s = _cpu_s(child.pid)
            print(child.tail())
        finally:
            server.kill()
    show(samples, minutes, rate, cpu_s)


def watch(child: Child, seconds: float) -> list[tuple[float, float]]:
    """Memory of the child as (minutes since the start, MiB)."""
    began_s = time.monotonic()
    samples = []
    while (passed_s := time.monotonic() - began_s) < seconds:
        if not child.running:
            raise SystemExit(f"the connector ended: {child.tail()}")
        samples.append((passed_s / 60, _resident_mib(child.pid)))
        time.sleep(SAMPLE_S)
    return samples


def show(samples: list[tuple[float, float]], minutes: float, rate: float, cpu_s: float) -> None:
    """Prints what was seen; medians of a minute, so that one sample does not decide."""
    warm_min = min(WARM_UP_MIN, minutes / 3)

    def around(minute: float) -> float:
        return statistics.median(mib for at, mib in samples if abs(at - minute) <= 0.5)

    start, middle, end = around(warm_min), around(minutes / 2), around(minutes - 0.5)
    settled = [(at, mib) for at, mib in samples if at >= warm_min]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
    print(
        f"{minutes:g} minutes at {rate:g} events a second, {cpu_s:.1f} s of CPU\n"
        f"resident memory, MiB: {start:.1f} after {warm_min:g} min, {middle:.1f} in the middle, "
        f"{end:.1f} at the end; most {max(mib for _, mib in settled):.1f}; "
        f"{slope * 60:+.2f} an hour by regression"
    )


async def serve(rate: float) -> None:
    """Sends events at a rate to whoever connects, from its cursor on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"Sec-WebSocket-Key: (\S+)", head, re.IGNORECASE)
        assert key is not None
        cursor = re.search(r"[?&]cursor=(\d+)", head)
        magic = key[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
            "Sec-WebSocket-Protocol: xrpc.v1.json\r\n\r\n".encode()
        )
        number = int(cursor[1]) if cursor else 1
        began_s, first = time.monotonic(), number
        try:
            while (
                not writer.is_closing()
                and (passed_s := time.monotonic() - began_s) < BROKEN_EVERY_S
            ):
                while number < first + passed_s * rate:
                    writer.write(framed(_event(number)))
                    number += 1
                await writer.drain()
                await asyncio.sleep(TICK_S)
        except ConnectionError:
            pass
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _event(number: int) -> bytes:
    """Every second one a post; deletes and broken records among them."""
    if number % 1_000 == 999:
        return BROKEN_RECORD
    frame = event_frame(number, 0.5)
    if number % 50 == 0:
        frame = frame.replace(b'"operation":"create"', b'"operation":"delete"')
    return frame


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
