"""How many events a second the Bluesky connector takes from a local Jetstream server.

Run it with ``python -m bench.jetstream``. The server is another process that sends frames prepared
beforehand, as fast as they are read; the figures are those of the connector's process alone, up to
pages of posts with pseudonyms and masked texts, without a broker.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import statistics
import subprocess
import sys
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from connectors.bluesky import BlueskySource, Settings
from connectors.context import Context
from connectors.privacy import KEY_VARIABLE, Privacy, private

FRAMES = 20_000
EVENTS = 100_000
START = datetime(2026, 11, 22, tzinfo=UTC)
TYPES = "network.bsky.jetstream.subscribeEvents#"
SHARES = {"posts alone": 1.0, "1 post in 10 events": 0.1}


def main() -> None:
    """Measures and prints a table, or serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        asyncio.run(serve(args.serve))
        return
    for name, share in SHARES.items():
        rates = [measure(share) for _ in range(args.rounds)]
        for way, row in zip(("a CPU second", "a second"), zip(*rates, strict=True), strict=True):
            spread = f"{statistics.median(row):,.0f} ({min(row):,.0f} … {max(row):,.0f})"
            print(f"{name:22} {spread:>32} {way}")


def measure(share: float) -> tuple[float, float]:
    """Events a second by CPU time and by the clock."""
    command = [sys.executable, "-m", "bench.jetstream", "--serve", str(share)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            return asyncio.run(listen(server.stdout.readline().strip()))
        finally:
            server.kill()


async def listen(url: str) -> tuple[float, float]:
    """Reads `EVENTS` events."""
    context = Context("bench")
    source = private(
        BlueskySource(Settings(url=url), context),
        Privacy.from_environment({KEY_VARIABLE: "a key for measuring alone"}),
    )
    skipped = context.metrics.skipped.labels("bench")
    async with aclosing(source.pages(None)) as pages:
        await anext(pages)
        events, cpu_s, clock_s = 0, time.process_time(), time.perf_counter()
        before = skipped._value.get()
        async for page in pages:
            assert not page.rejects
            events += len(page.posts)
            if events + skipped._value.get() - before >= EVENTS:
                break
        total = events + skipped._value.get() - before
        return total / (time.process_time() - cpu_s), total / (time.perf_counter() - clock_s)


async def serve(share: float) -> None:
    """Sends the same frames again and again to whoever connects."""
    frames = b"".join(framed(event_frame(n, share)) for n in range(1, FRAMES + 1))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"Sec-WebSocket-Key: (\S+)", head, re.IGNORECASE)
        assert found is not None
        magic = found[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
            "Sec-WebSocket-Protocol: xrpc.v1.json\r\n\r\n".encode()
        )
        try:
            while True:
                for start in range(0, len(frames), 262_144):
                    writer.write(frames[start : start + 262_144])
                    await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def event_frame(number: int, share: float) -> bytes:
    """A post or a like, as Jetstream writes them."""
    is_post = number % round(1 / share) == 0
    at = START + timedelta(milliseconds=number)
    text = (
        f"Znowu opóźniony lot z Orzeł Air, {number} minut 😡 #orzelair https://example.com/{number}"
    )
    record = (
        {"$type": "app.bsky.feed.post", "createdAt": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", "langs": ["pl"],
         "text": text}
        if is_post
        else {"$type": "app.bsky.feed.like", "createdAt": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
              "subject": {"cid": "bafyrei" + "a" * 52,
                          "uri": f"at://did:plc:{number:024}/app.bsky.feed.post/3k{number:011}"}}
    )  # fmt: skip
    payload = {
        "$type": TYPES + "commit", "seq": number, "did": f"did:plc:{number % 997:024}",
        "time": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", "rev": f"3k{number:011}", "operation": "create",
        "collection": record["$type"], "rkey": f"3k{number:011}", "cid": "bafyrei" + "b" * 52,
        "record": record,
    }  # fmt: skip
    message = {"$type": "message", "payload": payload}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def framed(payload: bytes) -> bytes:
    """A text frame of a server (RFC 6455, 5.2)."""
    size = len(payload)
    return (bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


if __name__ == "__main__":
    main()
