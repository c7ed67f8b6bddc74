"""Servers of platforms that are asked again and again."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from hashlib import sha1
from typing import Any

from tests.servers.http import HttpServer, Reply, Request, refusal


class Feeds(HttpServer):
    """Feeds by path, with ETags."""

    def __init__(self, feeds: dict[str, str]) -> None:
        super().__init__()
        self.feeds = {path: text.encode() for path, text in feeds.items()}

    async def reply(self, request: Request) -> Reply:
        body = self.feeds.get(request.path)
        if body is None:
            return refusal(404)
        etag = f'"{sha1(body, usedforsecurity=False).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return Reply(304, headers={"ETag": etag})
        kind = {"Content-Type": "application/xml", "ETag": etag, "Content-Encoding": "gzip"}
        return Reply(200, gzip.compress(body), kind)


class HackerNews(HttpServer):
    """Algolia's search and Firebase's changes.

    Attributes:
        limit: most hits of a query.
    """

    def __init__(self, hits: list[dict[str, Any]], items: list[dict[str, Any]], limit: int = 1_000):
        super().__init__()
        self.hits = list(hits)
        self.items = list(items)
        self.limit = limit

    async def reply(self, request: Request) -> Reply:
        if request.path == "/api/v1/search_by_date":
            first, last = request.one("numericFilters").split(",")
            from_s, to_s = int(first.rpartition("=")[2]), int(last.rpartition("<")[2])
            found = [hit for hit in self.hits if from_s <= hit["created_at_i"] < to_s]
            found.sort(key=lambda hit: -int(hit["created_at_i"]))
            size = min(int(request.one("hitsPerPage")), self.limit)
            return Reply.json({"hits": found[:size], "nbHits": len(found), "hitsPerPage": size})
        if request.path == "/v0/updates.json":
            return Reply.json({"items": [item["id"] for item in self.items], "profiles": ["ola"]})
        if request.path.startswith("/v0/item/"):
            number = int(request.path.rpartition("/")[2].removesuffix(".json"))
            return Reply.json(next((i for i in self.items if i["id"] == number), None))
        return refusal(404)


class Wykop(HttpServer):
    """Version 3 of the API, with tokens that run out.

    Attributes:
        listings: items by path, newest first.
        token: what is good at the moment.
        strict: a tag that nobody has used is not found; else it is empty.
    """

    def __init__(self, listings: dict[str, list[dict[str, Any]]], strict: bool = True) -> None:
        super().__init__()
        self.listings = listings
        self.strict = strict
        self.token = 0

    async def reply(self, request: Request) -> Reply:
        if request.path == "/api/v3/auth":
            given = json.loads(request.body)["data"]
            if given != {"key": "klucz", "secret": "sekret"}:
                return refusal(403)
            self.token += 1
            return Reply.json({"data": {"token": f"token-{self.token}"}})
        if request.headers.get("authorization") != f"Bearer token-{self.token}":
            return refusal(401)
        path = request.path.removeprefix("/api/v3")
        listing = self.listings.get(path, None if self.strict else [])
        if listing is None:
            return refusal(404)
        start = (int(request.one("page")) - 1) * int(request.one("limit"))
        page = listing[start : start + int(request.one("limit"))]
        return Reply.json({"data": page, "pagination": {"per_page": 50, "total": len(listing)}})


class YouTube(HttpServer):
    """Comment threads of channels.

    Attributes:
        threads: by channel, newest first.
    """

    def __init__(self, threads: dict[str, list[dict[str, Any]]], page: int = 2) -> None:
        super().__init__()
        self.threads = threads
        self.page = page

    async def reply(self, request: Request) -> Reply:
        if request.headers.get("x-goog-api-key") != "klucz":
            reason = {"error": {"code": 400, "message": "API key not valid."}}
            return Reply.json(reason, 400)
        threads = self.threads.get(request.one("allThreadsRelatedToChannelId"))
        if threads is None:
            reason = {"error": {"errors": [{"reason": "channelNotFound"}], "code": 404}}
            return Reply.json(reason, 404)
        start = int(request.one("pageToken", "0"))
        content: dict[str, Any] = {"items": threads[start : start + self.page]}
        if start + self.page < len(threads):
            content["nextPageToken"] = str(start + self.page)
        return Reply.json(content)


class Reddit(HttpServer):
    """Listings by subreddit, search, and single things by name, with tokens that run out.

    Attributes:
        listings: things by path, newest first.
        token: what is good at the moment.
        emptied: names of what was deleted meanwhile.
    """

    def __init__(self, listings: dict[str, list[dict[str, Any]]], page: int = 100) -> None:
        super().__init__()
        self.listings = listings
        self.page = page
        self.token = 0
        self.emptied: set[str] = set()

    async def reply(self, request: Request) -> Reply:
        if request.path == "/api/v1/access_token":
            given = b64decode(request.headers.get("authorization", "").removeprefix("Basic "))
            if given != b"app:sekret" or b"client_credentials" not in request.body:
                return refusal(401)
            self.token += 1
            return Reply.json({"access_token": f"token-{self.token}", "expires_in": 86_400})
        if request.headers.get("authorization") != f"Bearer token-{self.token}":
            return refusal(401)
        if "czujka" not in request.headers["user-agent"]:
            return refusal(429)
        if request.path == "/api/info":
            wanted = request.one("id").split(",")
            things = {t["data"]["name"]: t for listing in self.listings.values() for t in listing
                      if "name" in t["data"]}  # fmt: skip
            return self._answer([self._now(things[name]) for name in wanted if name in things], "")
        listing = self.listings.get(request.path)
        if listing is None:
            return refusal(404)
        start = int(request.one("after", "0"))
        more = str(start + self.page) if start + self.page < len(listing) else ""
        return self._answer(listing[start : start + self.page], more)

    def _now(self, thing: dict[str, Any]) -> dict[str, Any]:
        if thing["data"]["name"] not in self.emptied:
            return thing
        field = "selftext" if thing["kind"] == "t3" else "body"
        return {**thing, "data": {**thing["data"], field: "[deleted]", "author": "[deleted]"}}

    @staticmethod
    def _answer(things: list[dict[str, Any]], after: str) -> Reply:
        content = {"kind": "Listing", "data": {"children": things, "after": after or None}}
        return Reply.json(content, X_Ratelimit_Remaining="96.0", X_Ratelimit_Reset="120")


class Gdelt(HttpServer):
    """The search for articles.

    Attributes:
        articles: all of them.
        limit: most in an answer.
    """

    def __init__(self, articles: list[dict[str, Any]], limit: int = 250) -> None:
        super().__init__()
        self.articles = list(articles)
        self.limit = limit

    async def reply(self, request: Request) -> Reply:
        if request.path != "/api/v2/doc/doc" or request.one("mode") != "artlist":
            return refusal(404)
        query = request.one("query")
        if query.startswith("(") and " OR " not in query:
            return Reply(body=b"Parentheses may only be used around OR'd statements.\n")
        from_, to = request.one("startdatetime"), request.one("enddatetime")
        found = [a for a in self.articles if from_ <= _digits(a["seendate"]) <= to]
        found.sort(key=lambda article: article["seendate"], reverse=True)
        return Reply.json({"articles": found[: self.limit]} if found else {})


def _digits(seendate: str) -> str:
    return "".join(filter(str.isdigit, seendate))


class AppStore(HttpServer):
    """Feeds of reviews, by country and app.

    Attributes:
        pages: reviews by country and app, page by page; an empty page is not the end.
    """

    def __init__(self, pages: dict[str, list[list[dict[str, Any]]]]) -> None:
        super().__init__()
        self.pages = pages

    async def reply(self, request: Request) -> Reply:
        found = _REVIEWS.fullmatch(request.path)
        if found is None:
            return refusal(404)
        pages = self.pages.get(f"{found['country']}/{found['app']}", [])
        number = int(found["page"])
        feed: dict[str, Any] = {"title": {"label": "reviews"}}
        entries = pages[number - 1] if number <= len(pages) else []
        if entries:  # one alone is no list
            feed["entry"] = entries if len(entries) > 1 else entries[0]
        return Reply.json({"feed": feed})


_REVIEWS = re.compile(
    r"/(?P<country>[a-z]{2})/rss/customerreviews/page=(?P<page>\d+)/id=(?P<app>\d+)"
    r"/sortby=mostrecent/json"
)
