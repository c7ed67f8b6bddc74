"""GDELT: news articles of the whole world by search, a quarter of an hour after they are seen.

The DOC API is free and without a key, and wants to be asked once in five seconds at most. It knows
no authors, edits and deletes; an article's text is its title. The time of an article is the time at
which GDELT saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import Field

from connectors.base import Gap, Source
from connectors.context import Context
from connectors.errors import MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, convert, make_post, opaque_id, tidy
from connectors.polling import Harvest, Mark, PollingSource, Rhythm, nothing_to_ask
from connectors.queries import packed, quoted
from connectors.settings import ConnectorSettings, settings_config
from connectors.times import parse_time
from models.post import Post

PLATFORM = "gdelt"
MAX_ARTICLES = 250
OVERLAP_S = 3_600
"""GDELT may find an article so much later than it dates it."""
SHORTEST_TERM = 3
_LANGUAGES = {
    "Polish": "pl", "English": "en", "German": "de", "Spanish": "es", "French": "fr",
    "Italian": "it", "Portuguese": "pt", "Czech": "cs", "Ukrainian": "uk", "Russian": "ru",
}  # fmt: skip


class Settings(ConnectorSettings):
    """How to ask GDELT."""

    model_config = settings_config("GDELT")

    url: str = "https://api.gdeltproject.org/api/v2/doc/doc"
    interval_s: float = Field(default=300.0, gt=0)
    pause_s: float = Field(default=6.0, ge=0, description="Between two requests; GDELT wants 5.")
    query_chars: int = Field(default=250, ge=32, description="Longest query.")
    filter: str = Field(default="", description="For each query, as sourcelang:polish.")
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class _Article(msgspec.Struct):
    url: str
    title: str
    seendate: str
    language: str = ""


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of an article.

    Raises:
        MalformedError: it is none.
    """
    article = convert(record, _Article)
    if not article.url or not article.title.strip():
        raise MalformedError("neither address nor title" if not article.url else "no title")
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=opaque_id(article.url),
            text=tidy(article.title),
            language=_LANGUAGES.get(article.language),
            created_ms=parse_time(article.seendate),
            url=article.url,
        )
    ]


class GdeltSource(PollingSource):
    """Searches for the brands, one query after the other."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api("GDELT", Settings.variable("url"))
        rhythm = Rhythm(settings.interval_s, lookback_s=settings.lookback_s)
        super().__init__(context, api, rhythm)
        self._settings = settings
        self._asked_s: float | None = None

    def targets(self) -> Sequence[str]:
        """Queries, in GDELT's language.

        Raises:
            ConfigurationError: the watchlist gives none.
        """
        queries = self._context.queries.current()
        terms = [term for term in queries.searches if len(term) >= SHORTEST_TERM]
        behind = f" {self._settings.filter}" if self._settings.filter else ""
        room = self._settings.query_chars - len(behind) - 2
        # Brackets are an error around a single term.
        found = [
            (f"({query})" if " OR " in query else query) + behind
            for query in packed([quoted(term) for term in terms], room)
        ]
        if not found:
            raise nothing_to_ask("GDELT", "CZUJKA_WATCHLIST", "name a brand in the watchlist")
        return found

    def budget(self) -> str:
        """How long a round of questions takes."""
        every_s, pause_s = self._settings.interval_s, self._settings.pause_s
        return f"a round each {every_s:.0f} s asks {len(self.targets())} times, {pause_s:g} s apart"

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """Articles that a query finds and that were not seen before."""
        now_s = self._context.clock.now_ms() // 1000
        from_s = mark.since_ms // 1000 - (OVERLAP_S if mark.seen else 0)
        articles, lost = await self._between(client, target, from_s, now_s + 1)
        each = {_key(article): article for article in articles}  # stretches share their ends
        fresh = [article for key, article in each.items() if not mark.knows(key)]
        seen = mark.having_seen(list(each))
        return Harvest(fresh, Mark(now_s * 1000, seen=seen), lost)

    async def _between(
        self, client: HttpClient, query: str, from_s: int, to_s: int
    ) -> tuple[list[Any], Gap | None]:
        """Articles of a stretch of time, in halves where there are too many for one answer."""
        found = await self._ask(client, query, from_s, to_s)
        if len(found) < MAX_ARTICLES:
            return list(reversed(found)), None
        if to_s - from_s <= 2:
            lost = Gap(from_s * 1000, to_s * 1000, f"more than {MAX_ARTICLES} articles at once")
            return list(reversed(found)), lost
        middle_s = (from_s + to_s) // 2
        earlier, first = await self._between(client, query, from_s, middle_s)
        later, second = await self._between(client, query, middle_s, to_s)
        return earlier + later, first or second

    async def _ask(self, client: HttpClient, query: str, from_s: int, to_s: int) -> list[Any]:
        clock = self._context.clock
        if self._asked_s is not None:
            early_s = self._settings.pause_s - (clock.monotonic_s() - self._asked_s)
            if early_s > 0:
                await clock.sleep(early_s)
        self._asked_s = clock.monotonic_s()
        found = await client.get_json(
            self._settings.url,
            {
                "query": query,
                "mode": "artlist",
                "format": "json",
                "sort": "datedesc",
                "maxrecords": MAX_ARTICLES,
                "startdatetime": _written(from_s),
                "enddatetime": _written(to_s),
            },
        )
        if not isinstance(found, dict):
            raise RetryError(f"GDELT gives no articles: is {Settings.variable('url')} right?")
        articles = found.get("articles", [])  # nothing found is an object without anything
        return list(articles) if isinstance(articles, list) else []

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """GDELT as a source."""
    assert isinstance(settings, Settings)
    return GdeltSource(settings, context)


def _key(article: Any) -> str:
    url = article.get("url") if isinstance(article, dict) else None
    return url if isinstance(url, str) and url else repr(article)


def _written(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y%m%d%H%M%S}"
