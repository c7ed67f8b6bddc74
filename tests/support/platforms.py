"""Every platform with a server of its own, telling the same kind of story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.servers import mastodon, telegram, x
from tests.servers.http import HttpServer
from tests.servers.jetstream import Jetstream, commit
from tests.servers.mastodon import Mastodon
from tests.servers.polled import AppStore, Feeds, Gdelt, HackerNews, Reddit, Wykop, YouTube
from tests.servers.telegram import Telegram
from tests.servers.x import X
from tests.support.surges import Said

Server = HttpServer | Jetstream
YEARS_S = 10 * 365 * 86_400
FAR_BACK = {"lookback_s": YEARS_S}


def written(said: Said, form: str, zone: str = "UTC") -> str:
    """The time of a post as a platform writes it."""
    return f"{datetime.fromtimestamp(said.created_s, ZoneInfo(zone)):{form}}"


def appstore(story: list[Said]) -> Server:
    reviews = [
        {
            "id": {"label": str(9_000 + said.number)}, "title": {"label": ""},
            "content": {"label": said.text}, "author": {"name": {"label": said.author}},
            "updated": {"label": written(said, "%Y-%m-%dT%H:%M:%S+00:00")},
            "im:rating": {"label": "1"},
        }
        for said in reversed(story)
    ]  # fmt: skip
    return AppStore({"pl/11111111": [reviews[at : at + 50] for at in range(0, len(reviews), 50)]})


def bluesky(story: list[Said]) -> Server:
    server = Jetstream("v2")
    server.events = [
        commit(said.number, {"text": said.text, "createdAt": written(said, "%Y-%m-%dT%H:%M:%SZ")},
               did=f"did:plc:{said.author}")
        for said in story
    ]  # fmt: skip
    server.grows = True
    return server


def gdelt(story: list[Said]) -> Server:
    return Gdelt(
        [
            {
                "url": f"https://gazeta.example/{said.number}", "title": said.text,
                "seendate": written(said, "%Y%m%dT%H%M%SZ"), "language": "Polish",
            }
            for said in story
        ]
    )  # fmt: skip


def hackernews(story: list[Said]) -> Server:
    return HackerNews(
        [
            {
                "objectID": str(said.number), "created_at_i": said.created_s,
                "author": said.author, "comment_text": said.text, "parent_id": 1,
            }
            for said in story
        ],
        [],
    )  # fmt: skip


def mastodon_(story: list[Said]) -> Server:
    return Mastodon(
        [
            (
                "update",
                mastodon.status(
                    said.number, said.text, created_at=written(said, "%Y-%m-%dT%H:%M:%S.000Z"),
                    account={"acct": f"{said.author}@a.example", "followers_count": 50},
                ),
            )
            for said in story
        ]
    )  # fmt: skip


def reddit(story: list[Said]) -> Server:
    things = [
        {
            "kind": "t1",
            "data": {"name": f"t1_{said.number}", "author": said.author, "body": said.text,
                     "created_utc": said.created_s, "parent_id": "t3_1"},
        }
        for said in reversed(story)
    ]  # fmt: skip
    listings = {"/r/orzelair/new": [], "/r/orzelair/comments": things, "/search": []}
    return Reddit(listings)


def rss(story: list[Said]) -> Server:
    items = "".join(
        f"<item><guid>g-{said.number}</guid><title>{said.text}</title>"
        f"<author>{said.author}</author><pubDate>"
        f"{format_datetime(datetime.fromtimestamp(said.created_s, UTC), True)}</pubDate></item>"
        for said in story
    )
    return Feeds({"/a.xml": f"<rss version='2.0'><channel>{items}</channel></rss>"})


def telegram_(story: list[Said]) -> Server:
    updates = [
        telegram.update(said.number, said.text, date=said.created_s, author_signature=said.author)
        for said in story
    ]
    for said, update in zip(story, updates, strict=True):
        update["channel_post"]["chat"] = {"id": -said.number, "type": "channel", "title": "k"}
    return Telegram(updates, page=100)


def wykop(story: list[Said]) -> Server:
    entries = [
        {
            "id": said.number, "resource": "entry", "content": said.text,
            "created_at": written(said, "%Y-%m-%d %H:%M:%S", "Europe/Warsaw"),
            "author": {"username": said.author}, "votes": {"up": 0}, "comments": {"count": 0},
        }
        for said in reversed(story)
    ]  # fmt: skip
    return Wykop({"/tags/kwadryga/stream": entries, "/search/entries": []}, strict=False)


def x_(story: list[Said]) -> Server:
    return X(
        [
            x.tweet(said.number, said.text, author_id=said.author,
                    created_at=written(said, "%Y-%m-%dT%H:%M:%S.000Z"))
            for said in story
        ]
    )  # fmt: skip


def youtube(story: list[Said]) -> Server:
    threads: list[dict[str, Any]] = []
    for said in reversed(story):
        snippet = {
            "textDisplay": said.text, "publishedAt": written(said, "%Y-%m-%dT%H:%M:%SZ"),
            "authorChannelId": {"value": said.author}, "videoId": "v",
        }  # fmt: skip
        comment = {"id": f"Ug{said.number}", "snippet": snippet}
        threads.append({"id": comment["id"], "snippet": {"topLevelComment": comment}})
    return YouTube({"UCa": threads}, page=100)


@dataclass(frozen=True)
class Way:
    """How a server is made, and its connector's settings; ``URL`` stands for its address."""

    serve: Callable[[list[Said]], Server]
    options: dict[str, object]


WAYS = {
    "appstore": Way(appstore, {"url": "URL", "apps": "pl/11111111"} | FAR_BACK),
    "bluesky": Way(bluesky, {"url": "URL"}),
    "gdelt": Way(gdelt, {"url": "URL/api/v2/doc/doc", "pause_s": 0} | FAR_BACK),
    "hackernews": Way(
        hackernews, {"url": "URL/api/v1", "firebase_url": "URL/v0"} | FAR_BACK
    ),
    "mastodon": Way(mastodon_, {"url": "URL", "token": mastodon.TOKEN}),
    "reddit": Way(
        reddit,
        {"url": "URL", "auth_url": "URL", "id": "app", "secret": "sekret",
         "subreddits": "orzelair"} | FAR_BACK,
    ),
    "rss": Way(rss, {"feeds": "URL/a.xml"} | FAR_BACK),
    "telegram": Way(telegram_, {"url": "URL", "token": telegram.TOKEN}),
    "wykop": Way(wykop, {"url": "URL/api/v3", "key": "klucz", "secret": "sekret"} | FAR_BACK),
    "x": Way(x_, {"url": "URL", "token": x.TOKEN, "usd_per_month": 50}),
    "youtube": Way(youtube, {"url": "URL", "key": "klucz", "channels": "UCa"} | FAR_BACK),
}  # fmt: skip
