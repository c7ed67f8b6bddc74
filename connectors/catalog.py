"""Which connectors there are, what they need and what they cost."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError
from connectors.settings import ConnectorSettings


class Platform(Protocol):
    """What a module of a platform offers."""

    SETTINGS: type[ConnectorSettings]

    def open_source(self, settings: ConnectorSettings, context: Context) -> Source:
        """The source, with these settings."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A connector as a person chooses it.

    Attributes:
        name: on the command line.
        what: it brings.
        needs: to have before it can run.
        costs: money and quotas.
        module: of a live platform; None for what the command makes itself.
        extra: of the distribution, where it needs a library.
    """

    name: str
    what: str
    needs: str
    costs: str
    module: str | None = None
    extra: str | None = None

    def load(self) -> Platform:
        """The platform's module.

        Raises:
            ConfigurationError: the library that it needs is not installed.
        """
        assert self.module is not None
        try:
            return cast(Platform, importlib.import_module(self.module))
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("connectors"):
                raise
            raise ConfigurationError(
                f"the connector {self.name} needs the library {error.name}: install it with "
                f"`pip install 'czujka[{self.extra}]'`"
            ) from error


CATALOG = (
    Entry("file", "posts from CSV, TSV or JSON lines, each also .gz", "a file", "nothing"),
    Entry("simulator", "invented brands over some days, with one crisis", "nothing", "nothing"),
    Entry(
        "bluesky", "every public post, by Jetstream", "nothing", "nothing",
        "connectors.bluesky", "bluesky",
    ),
    Entry(
        "mastodon", "public or hashtag streams of one instance",
        "CZUJKA_MASTODON_URL, _TOKEN", "300 requests in 5 minutes", "connectors.mastodon",
    ),
    Entry("appstore", "reviews of apps", "CZUJKA_APPSTORE_APPS, or apps in the watchlist",
          "nothing", "connectors.appstore"),
    Entry("gdelt", "titles of news articles of the world, by search", "nothing",
          "a question in 5 seconds", "connectors.gdelt"),
    Entry("reddit", "posts and comments of subreddits, and by search",
          "CZUJKA_REDDIT_ID, _SECRET (by application)", "100 requests a minute",
          "connectors.reddit"),
    Entry("rss", "entries of RSS and Atom feeds", "CZUJKA_RSS_FEEDS, or feeds in the watchlist",
          "nothing", "connectors.rss", "rss"),
    Entry("hackernews", "every story and comment", "nothing", "10 000 requests an hour",
          "connectors.hackernews"),
    Entry("webhook", "what others send, signed; pages of Facebook", "CZUJKA_WEBHOOK_SECRET",
          "nothing", "connectors.webhook"),
    Entry("telegram", "channels in which our bot is an administrator", "CZUJKA_TELEGRAM_TOKEN",
          "nothing", "connectors.telegram"),
    Entry("wykop", "entries and links by tag and search", "CZUJKA_WYKOP_KEY, _SECRET", "nothing",
          "connectors.wykop"),
    Entry("x", "the filtered stream, rules from the watchlist",
          "CZUJKA_X_TOKEN, _USD_PER_MONTH", "0.005 USD a post, up to the cap", "connectors.x"),
    Entry("youtube", "comments of channels and videos", "CZUJKA_YOUTUBE_KEY",
          "10 000 units a day are free", "connectors.youtube"),
)  # fmt: skip


def entry_of(name: str) -> Entry:
    """The entry of a name.

    Raises:
        KeyError: there is none.
    """
    for entry in CATALOG:
        if entry.name == name:
            return entry
    raise KeyError(name)
