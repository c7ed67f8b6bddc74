"""Public figures: the only authors whose handle is shown, since the watchlist names them as public.

Posts carry pseudonyms. An account of the watchlist becomes a pseudonym by the same key, and where
that pseudonym stands in an alert, the handle is put beside it. Nobody else can get one: a handle
comes from the watchlist alone, never from a post.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from models.alert import CrisisAlert, Exhibit
from models.brand import PublicFigure

PSEUDONYM = re.compile(r"(?:u_)?[0-9a-f]{16}")
"""How an account may be written too, where there is no key; the simulator's have no u_."""

Handles = Mapping[str, str]
"""Handles by pseudonym."""
Pseudonyms = Callable[[str, str], Iterable[str]]
"""The pseudonyms of an account, of a platform and as its connector knows it."""
MASK = "@…"
_MENTION = re.compile(r"(?<![\w@/.])@[\w.-]*\w(?:@[\w.-]*\w)?")


def handles_of(figures: Iterable[PublicFigure], pseudonyms: Pseudonyms | None = None) -> Handles:
    """Handles of public figures by their pseudonyms.

    Args:
        figures: of a brand.
        pseudonyms: by the key of the connectors; without it, only accounts that are written as
            pseudonyms are known.
    """
    handles = {}
    for figure in figures:
        for platform, account in figure.accounts.items():
            for name in _pseudonyms(platform, account, pseudonyms):
                handles[name] = figure.handle
    return handles


def unknowable(figures: Iterable[PublicFigure]) -> bool:
    """Whether an account among them needs the key."""
    accounts = (account for figure in figures for account in figure.accounts.values())
    return any(PSEUDONYM.fullmatch(account) is None for account in accounts)


def redact(text: str, shown: Collection[str]) -> str:
    """A text whose @names are masked, but for those that may be shown (case-folded).

    Example:
        >>> redact("RT @jan: thanks @Acme", {"@acme"})
        'RT @…: thanks @Acme'
    """
    return _MENTION.sub(lambda m: m[0] if m[0].casefold() in shown else MASK, text)


def with_handles(alert: CrisisAlert, handles: Handles, own: Collection[str] = ()) -> CrisisAlert:
    """The alert with the handles of public figures and of the brand itself, and no others.

    Args:
        alert: as it was made.
        handles: of public figures, by pseudonym.
        own: of the brand.
    """
    shown = {name.casefold() for name in (*handles.values(), *own)}

    def named(exhibit: Exhibit) -> Exhibit:
        return exhibit.model_copy(
            update={
                "handle": handles.get(exhibit.author or ""),
                "text": redact(exhibit.text, shown),
            }
        )

    first, take_off = alert.first_post, alert.take_off
    return alert.model_copy(
        update={
            "exhibits": tuple(map(named, alert.exhibits)),
            "first_post": named(first) if first else None,
            "take_off": take_off.model_copy(update={"exhibit": named(take_off.exhibit)})
            if take_off
            else None,
            "voices": tuple(
                voice.model_copy(update={"handle": handles.get(voice.author)})
                for voice in alert.voices
            ),
        }
    )


def _pseudonyms(platform: str, account: str, pseudonyms: Pseudonyms | None) -> Iterator[str]:
    if PSEUDONYM.fullmatch(account):
        yield account
    elif pseudonyms is not None:
        yield from pseudonyms(platform, account)
