"""X against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError, RetryError, SpendCapError
from connectors.queries import FixedQueries, Queries
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from connectors.x import Settings, XSource, rules_of
from models.post import Op, Post
from tests.servers.http import Reply
from tests.servers.x import FIRST_ID, TOKEN, X, tweet

START_MS = 1_700_000_000_000
NOW_MS = START_MS + 600_000
NEXT_MONTH_MS = 1_701_388_800_000  # 2023-12-01 00:00 UTC
QUERIES = Queries(phrases=("Orzeł Air", "orzelair"), hashtags=("orzeł",), handles=("OrzelAir",))
EDITED = [str(FIRST_ID + 1), str(FIRST_ID + 5)]
SCRIPT = [
    tweet(1, "Zażółć gęślą jaźń 😡 &amp; &lt;3"),
    tweet(2, "drugi"),
    tweet(3, "日本語", referenced_tweets=[{"type": "quoted", "id": str(FIRST_ID + 1)}]),
    {"id": "4", "author_id": "4242"},
    tweet(5, "poprawione ó", edit_history_tweet_ids=EDITED),
    tweet(6, "ostatni"),
]


def a_source(
    server: X, clock: ManualClock | None = None, queries: Queries = QUERIES, **options: object
) -> XSource:
    settings = Settings.load({"url": server.url, "token": TOKEN, "usd_per_month": 50} | options)
    context = Context("instance", FixedQueries(queries), clock=clock or ManualClock(NOW_MS))
    return XSource(settings, context)


class TestX(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡 & <3": START_MS + 1_000,
        "drugi": START_MS + 2_000,
        "日本語": START_MS + 3_000,
        "poprawione ó": START_MS + 5_000,
        "ostatni": START_MS + 6_000,
    }
    names = ("4242", "ola_kowal")
    url_setting = "CZUJKA_X_URL"
    credential_setting = "CZUJKA_X_TOKEN"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return X(SCRIPT)

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, X)
        return a_source(server, clock)


async def posts_until(
    source: XSource, text: str, cursor: str | None = None
) -> tuple[list[Post], str]:
    posts: list[Post] = []
    async for page in source.pages(cursor):
        posts += page.posts
        cursor = page.cursor or cursor
        if any(post.text == text for post in posts):
            break
    assert cursor is not None
    return posts, cursor


def test_an_edit_is_an_update_of_the_first_post() -> None:
    async def run() -> None:
        async with X(SCRIPT) as server:
            posts, _ = await posts_until(a_source(server), "ostatni")
            by_text = {post.text: post for post in posts}
            edit, first = by_text["poprawione ó"], by_text["Zażółć gęślą jaźń 😡 & <3"]
            assert (edit.op, edit.key) == (Op.UPDATE, first.key)
            assert by_text["日本語"].quote_of == first.native_id
            assert first.reach == 99

    asyncio.run(run())


def test_what_was_missed_is_searched_for_and_each_post_is_paid_for() -> None:
    async def run() -> None:
        async with X([tweet(1, "przed")]) as server:
            _, cursor = await posts_until(a_source(server), "przed")
            server.archive += [tweet(n, f"wpis {n}") for n in range(2, 252)]
            server.script = [tweet(300, "potem")]
            source = a_source(server)
            posts, cursor = await posts_until(source, "potem", cursor)
            texts = {post.text for post in posts}
            assert texts == {*(f"wpis {n}" for n in range(2, 252)), "potem"}
            assert '"delivered":252' in cursor
            used = source._context.metrics.registry.get_sample_value(
                "czujka_connector_quota_used", {"source": "instance", "unit": "usd"}
            )
            assert used == pytest.approx(252 * 0.005)

    asyncio.run(run())


def test_near_the_cap_on_call_can_see_it_coming() -> None:
    async def run() -> None:
        async with X([tweet(n, f"wpis {n}") for n in range(1, 2_001)]) as server:
            source = a_source(server, usd_per_month=5)
            value = source._context.metrics.registry.get_sample_value
            share = 0.0
            with pytest.raises(SpendCapError):
                async for _ in source.pages(None):
                    labels = {"source": "instance", "unit": "usd"}
                    used = value("czujka_connector_quota_used", labels)
                    limit = value("czujka_connector_quota_limit", labels)
                    assert used is not None
                    assert limit == pytest.approx(5 - 250 * 0.005)  # where it stops
                    share = used / limit
            assert share > 0.8  # the alert fires before

    asyncio.run(run())


def test_it_stops_before_the_money_is_gone_and_stays_stopped_until_the_next_month() -> None:
    async def run() -> None:
        async with X([tweet(n, f"wpis {n}") for n in range(1, 2_001)]) as server:
            cursor = None
            with pytest.raises(SpendCapError, match="CZUJKA_X_USD_PER_MONTH"):
                async for page in a_source(server, usd_per_month=5).pages(None):
                    cursor = page.cursor or cursor
            assert cursor is not None
            delivered = int(cursor.rpartition('"delivered":')[2].rstrip("}"))
            assert 750 < delivered <= 1_000  # 1 000 posts are 5 dollars
            requests = len(server.requests)
            with pytest.raises(SpendCapError) as caught:
                await collect(a_source(server, usd_per_month=5), cursor, limit=1)
            assert caught.value.until_ms == NEXT_MONTH_MS
            assert len(server.requests) == requests  # nothing was asked for
            next_month = ManualClock(NOW_MS + 31 * 86_400_000)
            await collect(a_source(server, next_month, usd_per_month=5), cursor, limit=1)

    asyncio.run(run())


def test_rules_are_those_of_the_watchlist_and_rules_of_others_stay() -> None:
    async def run() -> None:
        async with X([tweet(1, "a")]) as server:
            server.rules["o"] = {"id": "o", "value": "cats", "tag": "somebody"}
            await collect(a_source(server), limit=1)
            before = {rule["value"] for rule in server.rules.values()}
            assert before == {
                "cats", '("Orzeł Air" OR orzelair OR #orzeł OR @OrzelAir) -is:nullcast',
            }  # fmt: skip
            await collect(a_source(server, queries=Queries(phrases=("Pliszka",))), limit=1)
            after = {rule["value"] for rule in server.rules.values()}
            assert after == {"cats", "(Pliszka) -is:nullcast"}

    asyncio.run(run())


def test_a_rule_that_x_refuses_stops_it_at_the_start_and_is_told_while_it_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = {"errors": [{"title": "UnprocessableEntity", "value": "(Pliszka)"}]}
    there = {"errors": [{"title": "DuplicateRule", "value": "(Pliszka)"}]}

    async def start(said: dict[str, object]) -> None:
        async with X([tweet(1, "a")]) as server:
            server.faults += [Reply.json({"data": []}), Reply.json(said, 201)]
            await collect(a_source(server), limit=1)

    async def change() -> None:
        async with X([tweet(1, "a")]) as server:
            clock = ManualClock(NOW_MS)
            async for _ in a_source(server, clock).pages(None):
                if not server.rules:
                    return
                server.rules.clear()
                server.faults += [Reply.json({"data": []}), Reply.json(refused, 201)]
                clock.advance(61)

    asyncio.run(start(there))
    with pytest.raises(ConfigurationError, match="Pliszka"):
        asyncio.run(start(refused))
    asyncio.run(change())
    assert "going on with the rules before" in caplog.text


def test_many_terms_make_several_rules_and_too_many_are_told() -> None:
    queries = Queries(phrases=tuple(f"Bardzo Długa Nazwa Marki Numer {n}" for n in range(200)))
    settings = Settings.load({"token": "t", "usd_per_month": 1})
    rules = rules_of(queries, settings)
    assert len(rules) > 5
    assert all(len(rule) <= 1_024 for rule in rules)
    assert all(f'Numer {n}"' in " ".join(rules) for n in range(200))
    with pytest.raises(ConfigurationError, match="CZUJKA_X_MAX_RULES"):
        rules_of(queries, settings.model_copy(update={"max_rules": 5}))
    with pytest.raises(ConfigurationError, match="name a brand"):
        rules_of(Queries(), settings)


def test_without_a_cap_it_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="CZUJKA_X_USD_PER_MONTH is not set"):
        Settings.load({"token": "t"})


def test_after_refusals_it_waits_as_x_asks() -> None:
    async def error_after(status: int | None) -> RetryError:
        async with X([]) as server:
            source = a_source(server)
            pages = source.pages(None)
            if status is not None:
                server.refuse(status, {}, b"")
            with pytest.raises(RetryError) as caught:
                async for _ in pages:
                    server.break_connections()  # while the stream is open
            return caught.value

    refused, broken = asyncio.run(error_after(503)), asyncio.run(error_after(None))
    assert refused.backoff is not None
    assert (refused.backoff.first_s, refused.backoff.longest_s) == (5.0, 320.0)
    assert broken.backoff is not None
    assert (broken.backoff.first_s, broken.backoff.linear) == (0.25, True)
