"""What a running connector asks for changes with the watchlist, without a restart."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from connectors.base import Source
from connectors.catalog import entry_of
from connectors.context import Context
from connectors.cursors import MemoryCursors
from connectors.queries import Queries, WatchedQueries, packed, queries_of
from connectors.runner import Runner
from connectors.testing import ManualClock, MemorySink
from models.watchlist import load_watchlist
from tests.servers.http import HttpServer
from tests.servers.jetstream import Jetstream
from tests.servers.mastodon import TOKEN as MASTODON_TOKEN
from tests.servers.mastodon import Mastodon
from tests.servers.polled import AppStore, Feeds, Gdelt, Reddit, Wykop, YouTube
from tests.servers.x import TOKEN as X_TOKEN
from tests.servers.x import X

BEFORE = """
version: 1
brands:
  - id: orzel
    name: Orzeł
    match: {any: [Orzeł Air, "#orzel", "@orzelair"]}
    follow:
      dids: ["did:plc:orzel"]
      subreddits: [orzelair]
      channels: [UCorzel]
      apps: [pl/11111111]
      feeds: ["FEEDS/orzel.xml"]
"""
AFTER = """
version: 1
brands:
  - id: pliszka
    name: Pliszka
    match: {any: [Pliszka Bank, "#pliszka"]}
    follow:
      dids: ["did:plc:pliszka"]
      subreddits: [pliszkabank]
      channels: [UCpliszka]
      apps: [pl/22222222]
      feeds: ["FEEDS/pliszka.xml"]
"""
FEED = "<rss version='2.0'><channel><title>t</title></channel></rss>"
Server = HttpServer | Jetstream


@dataclass(frozen=True)
class Case:
    """A platform that is asked for the brands.

    Attributes:
        name: of the connector.
        serve: makes its server.
        options: settings; ``URL`` stands for the server's address.
        old: what the server is asked for by the watchlist before.
        new: likewise after.
    """

    name: str
    serve: Callable[[], Server]
    options: Mapping[str, object]
    old: str
    new: str


CASES = [
    Case(
        "mastodon",
        lambda: Mastodon([]),
        {"url": "URL", "token": MASTODON_TOKEN, "streams": "hashtags"},
        "/api/v1/streaming/hashtag?tag=orzel",
        "/api/v1/streaming/hashtag?tag=pliszka",
    ),
    Case(
        "wykop",
        lambda: Wykop(
            {f"/tags/{tag}/stream": [] for tag in ("orzel", "orzełair", "pliszka", "pliszkabank")}
            | {"/search/entries": []}
        ),
        {"url": "URL/api/v3", "key": "klucz", "secret": "sekret"},
        "/api/v3/search/entries?query=Orzeł Air",
        "/api/v3/search/entries?query=Pliszka Bank",
    ),
    Case(
        "x",
        lambda: X([]),
        {"url": "URL", "token": X_TOKEN, "usd_per_month": 50},
        '("Orzeł Air" OR #orzel OR @orzelair) -is:nullcast',
        '("Pliszka Bank" OR #pliszka) -is:nullcast',
    ),
    Case(
        "reddit",
        lambda: Reddit(
            {f"/r/{name}/{what}": [] for name in ("orzelair", "pliszkabank") for what in
             ("new", "comments")} | {"/search": []}
        ),
        {"url": "URL", "auth_url": "URL", "id": "app", "secret": "sekret"},
        "/r/orzelair/new",
        "/r/pliszkabank/new",
    ),
    Case(
        "gdelt",
        lambda: Gdelt([]),
        {"url": "URL/api/v2/doc/doc"},
        '("Orzeł Air" OR orzel OR orzelair)',
        '("Pliszka Bank" OR pliszka)',
    ),
    Case(
        "youtube",
        lambda: YouTube({}),
        {"url": "URL", "key": "klucz"},
        "allThreadsRelatedToChannelId=UCorzel",
        "allThreadsRelatedToChannelId=UCpliszka",
    ),
    Case(
        "appstore",
        lambda: AppStore({}),
        {"url": "URL"},
        "id=11111111",
        "id=22222222",
    ),
    Case(
        "rss",
        lambda: Feeds({"/orzel.xml": FEED, "/pliszka.xml": FEED}),
        {},
        "/orzel.xml",
        "/pliszka.xml",
    ),
    Case(
        "bluesky",
        lambda: Jetstream("v2"),
        {"url": "URL", "ask": "accounts"},
        "dids=did%3Aplc%3Aorzel",
        "dids=did%3Aplc%3Apliszka",
    ),
]  # fmt: skip


def asked(server: Server) -> list[str]:
    """What a server was asked for, in its order; of X, the rules as they stand."""
    if isinstance(server, X):
        return [rule["value"] for rule in server.rules.values()]
    if isinstance(server, Jetstream):
        return list(server.addresses)
    return [
        f"{request.path}?{'&'.join(f'{k}={v[0]}' for k, v in request.query.items())}"
        for request in server.requests
    ]


async def until(condition: Callable[[], bool], running: asyncio.Task[object]) -> None:
    while not condition():
        assert not running.done(), running.result()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_changed_watchlist_changes_what_a_running_connector_asks_for(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.bluesky.QUIET_S", 0.05)
    watchlist = tmp_path / "watchlist.yaml"

    def make(url: str, clock: ManualClock) -> Source:
        platform = entry_of(case.name).load()
        given = {
            field: value.replace("URL", url) if isinstance(value, str) else value
            for field, value in case.options.items()
        }
        context = Context("instance", WatchedQueries(watchlist), clock=clock)
        return platform.open_source(platform.SETTINGS.load(given), context)

    async def run() -> None:
        async with asyncio.timeout(30), case.serve() as server:
            watchlist.write_text(
                BEFORE.replace("FEEDS", server.url.replace("ws:", "http:")), "utf-8"
            )
            clock = ManualClock()
            runner = Runner(
                make(server.url, clock), MemorySink(), MemoryCursors(), clock=clock, rng=Random(1)
            )
            stop = asyncio.Event()
            running = asyncio.create_task(runner.run(stop))
            await until(lambda: any(case.old in one for one in asked(server)), running)
            assert not any(case.new in one for one in asked(server))
            watchlist.write_text(
                AFTER.replace("FEEDS", server.url.replace("ws:", "http:")), "utf-8"
            )
            clock.advance(61)
            await until(lambda: any(case.new in one for one in asked(server)), running)
            if isinstance(server, X):
                await until(lambda: not any(case.old in one for one in asked(server)), running)
            else:
                first = next(n for n, one in enumerate(asked(server)) if case.new in one)
                if not isinstance(server, Jetstream | Mastodon):
                    await until(lambda: len(asked(server)) > first + 10, running)  # more rounds
                assert not any(case.old in one for one in asked(server)[first:])
            stop.set()
            await running

    asyncio.run(run())


def test_a_watchlist_that_cannot_be_read_leaves_the_queries_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "watchlist.yaml"
    path.write_text(BEFORE.replace("FEEDS", "https://a.example"), "utf-8")
    watched = WatchedQueries(path)
    before = watched.current()
    path.write_text("version: 1\nbrands: [", "utf-8")
    assert watched.current() == before
    assert watched.current() == before
    assert len(caplog.records) == 1  # told once
    path.write_text(AFTER.replace("FEEDS", "https://a.example"), "utf-8")
    assert watched.current().subreddits == ("pliszkabank",)


def test_queries_of_a_brand_are_its_terms_and_what_it_follows(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.yaml"
    path.write_text(BEFORE.replace("FEEDS", "https://a.example"), "utf-8")
    assert queries_of(load_watchlist(path)) == Queries(
        phrases=("Orzeł Air",),
        hashtags=("orzel",),
        handles=("orzelair",),
        dids=("did:plc:orzel",),
        subreddits=("orzelair",),
        channels=("UCorzel",),
        apps=("pl/11111111",),
        feeds=("https://a.example/orzel.xml",),
    )


def test_terms_are_packed_into_queries_that_fit_and_none_is_lost() -> None:
    terms = [f"term{n}" for n in range(100)]
    queries = packed(terms, 64, suffix=" lang:pl")
    assert all(len(query) <= 64 for query in queries)
    assert [t for q in queries for t in q[1 : q.index(")")].split(" OR ")] == terms
