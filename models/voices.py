"""Who shaped a story, as pseudonyms: who was loudest, who turned the tone, who calms it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from models.alert import Role, Voice
from models.sample import SampleRow
from models.tally import CALM_TONE_MILLI, ExhibitRow, Tally
from models.turning import Turn

CALM_TONE = CALM_TONE_MILLI / 1000
ANGRY_TONE = -0.2
MAX_LOUDEST = 3
MAX_CALMING = 2


@dataclass(frozen=True, slots=True)
class _Saying:
    author: str
    reach: int
    tone: float
    platform: str


@dataclass(frozen=True, slots=True)
class _Author:
    name: str
    platform: str
    reach: int
    tone: float  # mean

    def voice(self, role: Role) -> Voice:
        tone = max(-1.0, min(1.0, self.tone))
        return Voice(
            author=self.name, platform=self.platform, role=role, reach=self.reach, tone=tone
        )


def voices_of(
    story: Tally,
    sample: Sequence[SampleRow],
    turned: Sequence[Turn] = (),
    exhibits: Sequence[ExhibitRow] = (),
) -> Iterator[Voice]:
    """The loudest voices against the brand, those that turned the tone, those that calm.

    The loudest and the calming are ranked by reach; of each minute the negative and the mild posts
    with most of it are kept, beside a fair sample of the rest. An author may have two roles.

    Args:
        story: with its exhibits and calm posts.
        sample: of the story.
        turned: posts after which the negative share rose, the strongest first.
        exhibits: more of them than the story holds; who is among them does not calm.
    """
    sayings = {row.post: _said(row) for row in [*sample, *story.calm] if row.author}
    for row in [*story.exhibits, *exhibits]:
        if row.author and row.post not in sayings:
            tone = -row.p_negative_milli / 1000
            sayings[row.post] = _Saying(row.author, row.reach, tone, row.platform)
    authors = list(_authors(sayings.values()))
    yield from _voices(authors, "loudest", MAX_LOUDEST)
    for turn in turned:
        row = turn.row
        tone = -row.p_negative_milli / 1000
        if row.author:
            yield _Author(row.author, row.platform, row.reach, tone).voice("turned")
    yield from _voices(authors, "calming", MAX_CALMING)


def _said(row: SampleRow) -> _Saying:
    return _Saying(row.author, row.reach, row.tone_milli / 1000, row.post.partition(":")[0])


def _authors(sayings: Iterable[_Saying]) -> Iterator[_Author]:
    ordered = sorted(sayings, key=lambda s: (s.author, s.platform, s.reach, s.tone))
    for (name, platform), group in groupby(ordered, key=lambda s: (s.author, s.platform)):
        said = list(group)
        tone = sum(s.tone for s in said) / len(said)
        yield _Author(name, platform, max(s.reach for s in said), tone)


def _voices(authors: Sequence[_Author], role: Role, most: int) -> Iterator[Voice]:
    for author in sorted(authors, key=lambda author: (-author.reach, author.name)):
        fits = author.tone <= ANGRY_TONE if role == "loudest" else author.tone >= CALM_TONE
        if fits and author.reach > 0 and most > 0:
            most -= 1
            yield author.voice(role)
