"""What an alert says: its sentence, its exhibits, how organic it is, where it took off."""

from __future__ import annotations

from collections.abc import Sequence

from models.alert import Exhibit, Organic, TakeOff, from_ms
from models.detection.base import ALL_ROWS, Kind, Phase, Transition
from models.detection.life import BECAME_CRISIS
from models.evidence import fold_exhibits, spread
from models.sample import SampleRow
from models.tally import ExhibitRow, Tally, distinct
from models.turning import Turns


def sentiment_of(tally: Tally) -> float | None:
    """Mean of P(positive) - P(negative); None without mentions."""
    if not tally.mentions:
        return None
    return (tally.positive_milli - tally.negative_milli) / (1000 * tally.mentions)


def exhibit_of(row: ExhibitRow, alike: int = 1) -> Exhibit:
    """A row as it is shown, standing for so many that are alike."""
    return Exhibit(
        post=row.post,
        created_at=from_ms(row.created_ms),
        platform=row.platform,
        author=row.author,
        reach=row.reach,
        text=row.text,
        language=row.language,
        url=row.url,
        p_negative=row.p_negative_milli / 1000,
        alike=alike,
    )


def take_off_of(turns: Turns, story: Tally, sample: Sequence[SampleRow]) -> TakeOff | None:
    """The post after which a story took off, with its near-duplicates; None if it did not."""
    turn = turns.took_off
    if turn is None:
        return None
    [folded] = fold_exhibits([turn.row], sample, story.mentions)
    return TakeOff(
        exhibit=exhibit_of(folded.row, folded.alike),
        minutes=turn.minutes,
        before_per_min=turn.before,
        after_per_min=turn.after,
    )


def organic_of(story: Tally, sample: Sequence[SampleRow]) -> Organic | None:
    """How a story is spread; None without mentions."""
    if not story.mentions:
        return None
    found = spread(story.copies, story.mentions, distinct(story.authors), sample)
    return Organic(copies=found.copies, authors=found.authors, entropy=found.entropy)


_WHAT = {
    Kind.SURGE_NEGATIVE: "negative surge",
    Kind.SURGE: "surge of mentions",
    Kind.MOOD: "worse mood",
    Kind.COORDINATED: "flood of copies",
    Kind.COVERAGE: "loss of coverage",
}


def superseded(t: Transition) -> bool:
    """Whether it is over because another alert of the brand says the same and more."""
    return t.phase is Phase.RESOLVED and BECAME_CRISIS in t.reason


def summary_of(name: str, t: Transition) -> str:
    """One sentence for a page."""
    onset = f"{from_ms(t.onset_ms):%d %b %H:%M} UTC"
    if superseded(t):
        return f"{name}: {_WHAT[t.kind]} of {onset} has become a crisis, which has its own alert."
    if t.phase is Phase.RESOLVED:
        return f"{name}: {_WHAT[t.kind]} of {onset} is over."
    if t.kind is Kind.COVERAGE:
        return f"{name}: {_WHAT[t.kind]} since {onset}; until it is back, calm means nothing."
    platform = " (a platform effect)" if t.row == ALL_ROWS else ""
    return (
        f"{name}: {_WHAT[t.kind]}{platform} since {onset}: {t.observed.negative:.0f} negative of "
        f"{t.observed.mentions:.0f} mentions in {t.observed.minutes} min, where "
        f"{t.expected.negative:.0f} of {t.expected.mentions:.0f} are usual."
    )
