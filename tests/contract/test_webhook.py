"""The receiver of webhooks, as senders meet it."""

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from connectors.context import Context
from connectors.cursors import MemoryCursors
from connectors.errors import ConfigurationError
from connectors.privacy import private
from connectors.runner import Runner
from connectors.testing import PRIVACY, ManualClock, MemorySink
from connectors.webhook import MAX_WAITING, Settings, WebhookSource
from models.post import Op

NOW_MS = 1_700_000_000_000
SECRET = "a secret that both sides know"
POST = {
    "native_id": "1",
    "text": "Zażółć gęślą jaźń 😡",
    "author": "ola",
    "created_at": "2023-11-14T22:00:00Z",
}


def signed(
    body: bytes, secret: str = SECRET, at_ms: int = NOW_MS, key: str | None = None
) -> dict[str, str]:
    written = str(at_ms // 1000)
    digest = hmac.digest(secret.encode(), f"{written}.".encode() + body, "sha256").hex()
    headers = {"X-Czujka-Timestamp": written, "X-Czujka-Signature": f"v1={digest}"}
    return headers | ({"Idempotency-Key": key} if key else {})


class Desk:
    """A receiver that runs, and a client that speaks to it."""

    def __init__(self, client: httpx.AsyncClient, sink: MemorySink, cursors: MemoryCursors) -> None:
        self.client = client
        self.sink = sink
        self.cursors = cursors

    async def send(self, content: Any, **options: Any) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.client.post("/posts", content=body, headers=signed(body, **options))


@asynccontextmanager
async def desk(sink: MemorySink | None = None, **options: object) -> AsyncIterator[Desk]:
    settings = Settings.load({"secret": SECRET, "port": 0, **options})
    source = WebhookSource(settings, Context("instance", clock=ManualClock(NOW_MS)))
    stop = asyncio.Event()
    sink, cursors = sink or MemorySink(), MemoryCursors()
    running = asyncio.create_task(Runner(private(source, PRIVACY), sink, cursors).run(stop))
    try:
        async with asyncio.timeout(20):
            while source.port == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            base = f"http://127.0.0.1:{source.port}"
            async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=20) as client:
                yield Desk(client, sink, cursors)
    finally:
        stop.set()
        await running


def test_what_is_answered_with_200_is_kept_and_flushed() -> None:
    class Careful(MemorySink):
        flushed = 0

        def flush(self) -> None:
            self.flushed = len(self.posts)

    async def run() -> None:
        sink = Careful()
        async with desk(sink) as open_desk:
            for number in range(5):
                answer = await open_desk.send([POST | {"native_id": str(number)}])
                assert answer.status_code == 200
                assert sink.flushed >= number + 1
            [post, *_] = sink.posts
            assert (post.text, post.created_ms) == (POST["text"], 1_699_999_200_000)
            assert post.author == PRIVACY.pseudonym("webhook", "ola")
            assert open_desk.cursors.load("instance") is not None

    asyncio.run(run())


def test_what_is_sent_again_with_the_same_key_is_kept_once() -> None:
    async def run() -> None:
        async with desk() as open_desk:
            record = {"text": "bez identyfikatora"}
            answers = await asyncio.gather(*(open_desk.send(record, key="k-1") for _ in range(5)))
            assert {answer.status_code for answer in answers} == {200}
            assert len(open_desk.sink.posts) == 1
            await open_desk.send(record, key="k-2")
            assert len({post.native_id for post in open_desk.sink.posts}) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"X-Czujka-Signature": "v1=" + "0" * 64}, "does not fit"),
        ({"X-Czujka-Signature": ""}, "does not fit"),
        ({"X-Czujka-Signature": "v1=ż"}, "does not fit"),
        ({"X-Czujka-Timestamp": ""}, "missing"),
        ({"X-Czujka-Timestamp": "nan"}, "more than 300 s"),
        ({"X-Czujka-Timestamp": "1700000001"}, "does not fit"),  # signed with another time
        ({"X-Hub-Signature-256": "sha256=00"}, "X-Hub-Signature-256"),
    ],
)
def test_what_is_not_signed_by_who_shares_the_secret_is_refused(
    changes: dict[str, str], reason: str
) -> None:
    async def run() -> None:
        async with desk() as open_desk:
            body = json.dumps(POST).encode()
            headers = {k: v.encode() for k, v in (signed(body) | changes).items()}
            answer = await open_desk.client.post("/posts", content=body, headers=headers)
            assert answer.status_code == 401
            assert reason in answer.json()["error"]
            assert open_desk.sink.posts == []

    asyncio.run(run())


def test_a_request_from_outside_the_window_is_refused_and_the_old_secret_still_holds() -> None:
    async def run() -> None:
        async with desk(secret=f"{SECRET} new, {SECRET}") as open_desk:
            assert (await open_desk.send(POST)).status_code == 200
            for shift_ms in (-301_000, 301_000):
                assert (await open_desk.send(POST, at_ms=NOW_MS + shift_ms)).status_code == 401
            assert (
                await open_desk.send(POST, secret="another secret, not known")
            ).status_code == 401

    asyncio.run(run())


def test_operations_are_passed_on_and_what_is_malformed_is_kept_apart() -> None:
    async def run() -> None:
        async with desk() as open_desk:
            records = [
                POST,
                {"op": "update", "native_id": "1", "text": "poprawione", "created_at": NOW_MS},
                {"op": "delete", "native_id": "1"},
                {"op": "author-delete", "native_id": "ola"},
                {"op": "delete"},
                {"native_id": "2"},
                "no object",
            ]
            assert (await open_desk.send(records)).status_code == 200
            sink = open_desk.sink
            assert [post.op for post in sink.posts] == [
                Op.CREATE, Op.UPDATE, Op.DELETE, Op.AUTHOR_DELETE,
            ]  # fmt: skip
            assert sink.posts[3].author == sink.posts[0].author
            assert len(sink.rejects) == 3

    asyncio.run(run())


def test_a_body_that_is_no_json_or_too_large_is_refused() -> None:
    async def run() -> None:
        async with desk(max_body_bytes=100) as open_desk:
            assert (await open_desk.send(b"{")).status_code == 400
            assert (await open_desk.send(b"[" * 100)).status_code == 400
            assert (await open_desk.send(b" " * 101)).status_code == 413

    asyncio.run(run())


def test_metas_handshake_is_answered_to_who_knows_the_token() -> None:
    async def run() -> None:
        async with desk(verify_token="słowo") as open_desk:
            asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
            good = await open_desk.client.get(
                "/posts", params={**asked, "hub.verify_token": "słowo"}
            )
            assert (good.status_code, good.text) == (200, "1158201444")
            bad = await open_desk.client.get("/posts", params={**asked, "hub.verify_token": "x"})
            assert bad.status_code == 403

    asyncio.run(run())


def test_changes_of_a_page_become_posts() -> None:
    comment = {
        "item": "comment", "verb": "add", "comment_id": "12_34", "post_id": "12",
        "message": "Żal 😡",
        "created_time": 1_699_999_200, "from": {"id": "777", "name": "Ola Nowak"},
    }  # fmt: skip
    values = [
        comment,
        comment | {"verb": "edited", "message": "Żal!"},
        comment | {"verb": "remove"},
        {"item": "reaction", "verb": "add"},
        {"item": "comment", "message": "bez identyfikatora"},
    ]
    changes = [{"field": "feed", "value": value} for value in values]
    content = {"object": "page", "entry": [{"id": "12", "time": 1, "changes": changes}]}

    async def run() -> None:
        async with desk() as open_desk:
            body = json.dumps(content).encode()
            digest = hmac.digest(SECRET.encode(), body, "sha256").hex()
            headers = {"X-Hub-Signature-256": f"sha256={digest}"}
            answer = await open_desk.client.post("/posts", content=body, headers=headers)
            assert answer.status_code == 200
            posts = open_desk.sink.posts
            assert [post.op for post in posts] == [Op.CREATE, Op.UPDATE, Op.DELETE]
            assert {post.key for post in posts} == {"facebook:12_34"}
            assert posts[0].created_ms == 1_699_999_200_000
            [reject] = open_desk.sink.rejects
            assert b"comment_id" not in reject.raw

    asyncio.run(run())


def test_when_the_broker_is_slow_senders_are_asked_to_come_again() -> None:
    async def run() -> None:
        settings = Settings.load({"secret": SECRET, "port": 0})
        source = WebhookSource(settings, Context("instance", clock=ManualClock(NOW_MS)))
        pages = source.pages(None)
        first = asyncio.ensure_future(anext(pages))
        while source.port == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        base = f"http://127.0.0.1:{source.port}"
        limits = httpx.Limits(max_connections=1_000)
        async with httpx.AsyncClient(
            base_url=base, trust_env=False, limits=limits, timeout=20
        ) as client:
            body = json.dumps(POST).encode()

            async def send() -> int:
                return (await client.post("/posts", content=body, headers=signed(body))).status_code

            held = [asyncio.create_task(send())]
            await first  # nobody takes a second page: the broker is slow
            held += [asyncio.create_task(send()) for _ in range(MAX_WAITING)]
            while source._office.waiting.qsize() < MAX_WAITING:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            assert await send() == 429
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)
        await pages.aclose()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_port_that_is_taken_and_a_short_secret_name_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings.load({"secret": SECRET, "port": taken.getsockname()[1]})
        with pytest.raises(ConfigurationError, match="CZUJKA_WEBHOOK_PORT"):
            asyncio.run(anext(WebhookSource(settings, Context("instance")).pages(None)))
    with pytest.raises(ConfigurationError, match="CZUJKA_WEBHOOK_SECRET"):
        WebhookSource(Settings.load({"secret": "short"}), Context("instance"))
