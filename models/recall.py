"""What was taken back by its author goes from alerts too, from those that are over as well.

An alert that is over is no longer in the memory of the watch stage; its last revision lies on the
topic alone. So that a delete finds it there, the stage remembers hashes of what each shows, for as
long as the topic keeps it. A hash that agrees by chance costs one look at the topic.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import msgspec

from models.alert import CrisisAlert, Exhibit
from models.tally import Erasure, authors_of, posts_of

KEPT_MS = 90 * 24 * 3600_000
"""As long as the `alerts` topic keeps the last revision of an alert."""
ERASED_REASON = "A post shown as evidence was deleted or edited by its author."


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """What an alert that is over shows, as hashes."""

    ended_ms: int
    marks: list[int]


@dataclass(frozen=True, slots=True)
class Recall:
    """An alert that may show something that was erased."""

    alert_id: str
    posts: frozenset[str]
    authors: frozenset[str]


def without(
    alert: CrisisAlert, posts: Collection[str], authors: Collection[str]
) -> CrisisAlert | None:
    """The next revision of an alert without some posts and authors; None if it shows none of them.

    Terms stay: each stands in posts of at least three authors.
    """

    def stays(exhibit: Exhibit) -> bool:
        return exhibit.post not in posts and exhibit.author not in authors

    exhibits = tuple(exhibit for exhibit in alert.exhibits if stays(exhibit))
    first = alert.first_post
    first = first if first is None or stays(first) else None
    take_off = alert.take_off
    take_off = take_off if take_off is None or stays(take_off.exhibit) else None
    voices = tuple(voice for voice in alert.voices if voice.author not in authors)
    shown = alert.exhibits, alert.first_post, alert.take_off, alert.voices
    if (exhibits, first, take_off, voices) == shown:
        return None
    return alert.model_copy(
        update={
            "exhibits": exhibits,
            "first_post": first,
            "take_off": take_off,
            "voices": voices,
            "revision": alert.revision + 1,
            "reason": ERASED_REASON,
        }
    )


def mark_of(name: str) -> int:
    """Hash of a post's key or of an author."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass"))


def shown_by(alert: CrisisAlert, ended_ms: int) -> Shown:
    """What is remembered of an alert that is over."""
    exhibits = [*alert.exhibits, *([alert.first_post] if alert.first_post else [])]
    exhibits += [alert.take_off.exhibit] if alert.take_off else []
    names = {exhibit.post for exhibit in exhibits}
    names |= {exhibit.author for exhibit in exhibits if exhibit.author}
    names |= {voice.author for voice in alert.voices}
    return Shown(ended_ms, sorted({mark_of(name) for name in names}))


def recalls(shown: dict[str, Shown], erased: Collection[Erasure]) -> Iterator[Recall]:
    """The alerts among `shown` that may show something erased."""
    posts, authors = posts_of(erased), authors_of(erased)
    marks = {mark_of(name) for name in posts | authors}
    for alert_id, one in sorted(shown.items()):
        if not marks.isdisjoint(one.marks):
            yield Recall(alert_id, posts, authors)
