"""Who shaped a story: as pseudonyms, by the reach they brought to either side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from models.alert import Voice
from models.sample import SampleRow
from models.tally import ExhibitRow

CALM_TONE = 0.2
ANGRY_TONE = -0.2
MAX_LOUDEST = 3
MAX_CALMING = 2


@dataclass(frozen=True, slots=True)
class _Saying:
    author: str
    reach: int
    tone: float


def voices_of(exhibits: Sequence[ExhibitRow], sample: Sequence[SampleRow]) -> Iterator[Voice]:
    """The loudest voices against the brand, then the loudest that calm, each by reach.

    What is known are the exhibits, which favour reach, and a fair sample of the rest: somebody with
    reach who wrote one mild post among thousands may be missing.
    """
    sayings = [_Saying(r.author, r.reach, r.tone_milli / 1000) for r in sample if r.author]
    sampled = {row.post for row in sample}
    sayings += [
        _Saying(row.author, row.reach, -row.p_negative_milli / 1000)
        for row in exhibits
        if row.author and row.post not in sampled
    ]
    sayings.sort(key=lambda saying: (saying.author, saying.reach, saying.tone))
    authors = [
        (max(s.reach for s in said), sum(s.tone for s in said) / len(said), author)
        for author, group in groupby(sayings, key=lambda saying: saying.author)
        if (said := list(group))
    ]
    authors.sort(key=lambda voice: (-voice[0], voice[2]))
    yield from _some(authors, "loudest", MAX_LOUDEST)
    yield from _some(authors, "calming", MAX_CALMING)


def _some(
    authors: Sequence[tuple[int, float, str]], role: Literal["loudest", "calming"], most: int
) -> Iterator[Voice]:
    for reach, tone, author in authors:
        fits = tone <= ANGRY_TONE if role == "loudest" else tone >= CALM_TONE
        if fits and reach > 0 and most > 0:
            most -= 1
            yield Voice(author=author, role=role, reach=reach, tone=max(-1.0, min(1.0, tone)))
