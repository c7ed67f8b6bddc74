"""What to ask a platform for, derived from the watchlist.

The watchlist stays the one place where brands are named. Servers match more coarsely than
`models.matching` does, so a query may bring too much, never too little: a stem is asked for by the
letters before its ``*`` where the platform knows prefixes, and by its words where it does not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import UserError
from models.watchlist import Watchlist, load_watchlist

log = logging.getLogger(__name__)

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Queries:
    """Terms of all brands, each once, in the order of the watchlist.

    Attributes:
        phrases: words and several words, as they are written.
        hashtags: without ``#``, in lower case.
        handles: without ``@``.
        stems: the letters before the first ``*``; no word of its own stands for them.
        dids: accounts of Bluesky to read whole.
        subreddits: of Reddit, likewise.
        channels: of YouTube.
        apps: of the App Store, country and id.
        feeds: addresses of RSS and Atom feeds.
    """

    phrases: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    stems: tuple[str, ...] = ()
    dids: tuple[str, ...] = ()
    subreddits: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Hashtags, and phrases written as one word, as people make tags of them."""
        joined = ("".join(_WORD.findall(phrase)).lower() for phrase in self.phrases)
        return _each_once([*self.hashtags, *joined])

    @property
    def searches(self) -> tuple[str, ...]:
        """What to type into a search that knows words and phrases alone."""
        return _each_once([*self.phrases, *self.hashtags, *self.handles, *self.stems])


def queries_of(watchlist: Watchlist) -> Queries:
    """The queries of a watchlist.

    Example:
        >>> from models.watchlist import parse_watchlist
        >>> brand = "{id: a, name: A, match: {any: ['Orzeł Air', '#Orzel']}}"
        >>> queries_of(parse_watchlist("{version: 1, brands: [" + brand + "]}")).tags
        ('orzel', 'orzełair')
    """
    terms = [term.strip() for brand in watchlist.brands for term in brand.match.any]
    stems = [stem.strip() for brand in watchlist.brands for stem in brand.match.stems]
    whole = [*terms, *(stem for stem in stems if "*" not in stem)]
    heads = [stem.partition("*")[0].strip() for stem in stems if "*" in stem]
    followed = [brand.follow for brand in watchlist.brands]
    return Queries(
        phrases=_each_once(term for term in whole if term[0] not in "#@"),
        hashtags=_each_once(term[1:].lower() for term in whole if term[0] == "#"),
        handles=_each_once(term[1:] for term in whole if term[0] == "@"),
        stems=_each_once(head for head in heads if head and head[0] not in "#@"),
        dids=_each_once(did for follow in followed for did in follow.dids),
        subreddits=_each_once(name for follow in followed for name in follow.subreddits),
        channels=_each_once(channel for follow in followed for channel in follow.channels),
        apps=_each_once(app for follow in followed for app in follow.apps),
        feeds=_each_once(feed for follow in followed for feed in follow.feeds),
    )


def packed(terms: Sequence[str], max_chars: int, glue: str = " OR ", suffix: str = "") -> list[str]:
    """Terms joined into as few queries as fit.

    Args:
        terms: as they stand in the query.
        max_chars: of one query.
        glue: between terms.
        suffix: behind each query, within its length; terms are put in brackets before it.

    Returns:
        Queries of at most `max_chars`; a term that is longer alone is left out.
    """
    room = max_chars - (len(suffix) + 2 if suffix else 0)
    queries: list[str] = []
    taken: list[str] = []
    length = 0
    for term in terms:
        if len(term) > room:
            log.warning("left out of the queries, because it is too long: %s", term)
            continue
        more = len(term) + (len(glue) if taken else 0)
        if taken and length + more > room:
            queries.append(glue.join(taken))
            taken, length, more = [], 0, len(term)
        taken.append(term)
        length += more
    if taken:
        queries.append(glue.join(taken))
    return [f"({query}){suffix}" for query in queries] if suffix else queries


def quoted(phrase: str) -> str:
    """A phrase as most searches want it: in quotes if it is more than one word."""
    bare = phrase.replace('"', " ").strip()
    return bare if _WORD.fullmatch(bare) else f'"{bare}"'


class QuerySource(Protocol):
    """Gives the queries as they are now."""

    def current(self) -> Queries:
        """The queries, newly read if the watchlist was changed."""
        ...


@dataclass(frozen=True, slots=True)
class FixedQueries:
    """The same queries all the time."""

    queries: Queries = Queries()

    def current(self) -> Queries:
        """The queries."""
        return self.queries


class WatchedQueries:
    """The queries of a watchlist file, which may be changed while we run.

    A change that cannot be read is told once, and the queries before it stay.

    Raises:
        UserError: the file cannot be read at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamped()
        self._queries = queries_of(load_watchlist(path))

    def current(self) -> Queries:
        """The queries, newly read if the file was changed."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._queries = queries_of(load_watchlist(self._path))
            except UserError as error:
                log.error("%s: going on with the watchlist before: %s", self._path, error)  # noqa: TRY400
        return self._queries

    def _stamped(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _each_once(terms: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(term for term in terms if term))
