"""The watch stage without Kafka: closed buckets in, series points and alerts out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import msgspec
import numpy as np

from models.alert import (
    ALL_BRANDS,
    CrisisAlert,
    Evidence,
    Expected,
    Forecast,
    Observed,
    ProbableCause,
    Step,
    Term,
    alert_id,
    from_ms,
    status_of,
)
from models.buckets import ClosedBucket
from models.causes import ANGRY_TONE_MILLI, Cause, guess_cause
from models.detection.base import (
    ALL_ROWS,
    BUCKET_MS,
    Bank,
    Kind,
    Minute,
    Phase,
    Reading,
    RowSettings,
    Severity,
    Transition,
)
from models.detection.settings import DEFAULT
from models.evidence import choose_exhibits
from models.figures import Handles, with_handles
from models.influence import weighted_sentiment
from models.leniency import budget_factor
from models.outlook import Outlook, look_ahead
from models.recall import (
    KEPT_MS,
    Recall,
    Shown,
    recalls,
    shown_by,
    without,
)
from models.rising import LEARNT_PER_MINUTE, Background, rising_terms, stems_of
from models.rolling import RollingFigures
from models.sample import MAX_STORY, SampleRow, smallest
from models.sentiment.bins import N_BINS, NEGATIVE_FROM
from models.series import SeriesPoint, SeriesTerm
from models.tally import (
    Erasure,
    ExhibitRow,
    Tally,
    authors_of,
    best_exhibits,
    distinct,
    erase,
    posts_of,
)
from models.telling import (
    exhibit_of,
    organic_of,
    sentiment_of,
    summary_of,
    superseded,
    take_off_of,
)
from models.turning import STRETCH_MIN, Turns, find_turns
from models.voices import voices_of

STATE_VERSION = 1
REOPEN_MS = (DEFAULT.reopen_min + 1) * BUCKET_MS
"""So long an alert that is over is kept, because it may come back and goes on then."""
_T = TypeVar("_T")
RECENT_BUCKETS = 60
"""Buckets kept for each brand, so that an alert can show what came before its first decision."""
MAX_CANDIDATES = 24
"""Exhibits of a story, of which those to be shown are chosen."""
MAX_HOUR_TERMS = 8
LEAST_HOUR_Z = 3.5
"""Above this a term of an hour is told: there are many hours, and many terms."""
_NEGATIVE_BINS = slice(round(NEGATIVE_FROM * N_BINS), N_BINS)

ALL_BRANDS_NAME = "All brands"

BankFactory = Callable[[Sequence[RowSettings]], Bank]


class Plan(Protocol):
    """What the watch stage asks of the contingency plan."""

    def step(
        self, brand: str, kind: Kind, severity: Severity, cause: Cause | None, /
    ) -> Step | None:
        """The step that applies, if the plan has one."""
        ...


@dataclass(frozen=True, slots=True)
class WatchedBrand:
    """A brand as the watch stage knows it."""

    id: str
    name: str
    settings: RowSettings
    handles: Handles = field(default_factory=dict)  # of public figures
    own: tuple[str, ...] = ()  # handles of the brand itself


class _Life(msgspec.Struct, array_like=True):
    """An alert that has not been resolved, or that may still come back."""

    alert_id: str
    revision: int
    onset_ms: int
    story: Tally  # what has been gathered since the onset
    last: bytes  # the last revision, as JSON
    sample: list[SampleRow] = msgspec.field(default_factory=list)  # larger than the story's own
    turns: Turns = msgspec.field(default_factory=Turns)  # of posts followed by a whole stretch
    fired_ms: int = -1  # when this alert first fired, -1 while it has not
    exhibits: list[ExhibitRow] = msgspec.field(default_factory=list)  # more than are shown
    begins_ms: int = 0  # the end of the alert before it; its onset is not before that


class _State(msgspec.Struct, array_like=True):
    version: int
    folded: int
    brands: list[str]
    settings: list[RowSettings]
    bank: bytes
    rolling: bytes
    recent: dict[str, list[tuple[int, Tally]]]
    lives: dict[str, dict[str, _Life]]  # by brand, by kind
    ended: dict[str, dict[str, int]] = {}  # when the last life ended; by brand, by kind
    backgrounds: dict[str, Background] = msgspec.field(default_factory=dict)
    shown: dict[str, Shown] = msgspec.field(default_factory=dict)  # by alerts that are over
    halvings: dict[str, int] = msgspec.field(default_factory=dict)  # of budgets, by brand
    rested: dict[str, dict[str, _Life]] = msgspec.field(default_factory=dict)  # by brand, by kind


_state_decoder = msgspec.msgpack.Decoder(_State)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one closed bucket led to."""

    bucket: int
    series: list[SeriesPoint]
    alerts: list[CrisisAlert]
    recalls: list[Recall] = field(default_factory=list)


class BrandWatch:
    """Watches the brands of one partition of `tallies`.

    Deterministic: the same closed buckets give the same series and alerts, also when the state was
    saved and loaded in between.

    Args:
        brands: in any order; the order fixes the rows.
        make_bank: builds the detectors.
        plan: the contingency plan.
        sentiment_model: version of the weights, for the alerts.
        config_hash: of watchlist and settings, for the alerts.
    """

    def __init__(
        self,
        brands: Sequence[WatchedBrand],
        make_bank: BankFactory,
        plan: Plan | None = None,
        sentiment_model: str = "",
        config_hash: str = "",
    ) -> None:
        self._brands = tuple(brands)
        self._row = {brand.id: row for row, brand in enumerate(self._brands)}
        self._row_of_alert = self._row | {ALL_BRANDS: ALL_ROWS}
        self._all = WatchedBrand(ALL_BRANDS, ALL_BRANDS_NAME, RowSettings())
        self._make_bank = make_bank
        self._plan = plan
        self._sentiment_model = sentiment_model
        self._config_hash = config_hash
        self._bank = make_bank([brand.settings for brand in self._brands])
        self._rolling = RollingFigures(len(self._brands))
        self._recent: dict[int, list[tuple[int, Tally]]] = {}
        self._lives: dict[tuple[int, Kind], _Life] = {}
        self._rested: dict[tuple[int, Kind], _Life] = {}  # over, and may come back
        self._ended_ms: dict[tuple[int, Kind], int] = {}
        self._backgrounds: dict[int, Background] = {}
        self._shown: dict[str, Shown] = {}
        self._halvings: dict[str, int] = {}
        self.folded: int | None = None
        self.unknown_brands: set[str] = set()
        """Brands that score knows and this watchlist does not: the two are out of step."""

    def decide(self, closed: ClosedBucket) -> Decision:
        """Takes the next closed bucket."""
        tallies: dict[int, Tally] = {}
        for brand, tally in closed.tallies.items():
            row = self._row.get(brand)
            if row is None:
                self.unknown_brands.add(brand)
            else:
                tallies[row] = tally
        revised = self._erase(closed.erased)
        reading, transitions = self._bank.step(_minute(len(self._brands), closed, tallies))
        series = self._make_series(closed, tallies, reading)
        self._remember(closed.bucket, tallies)
        self._let_go(closed.bucket)
        alerts = revised + [self._revise(transition, closed) for transition in transitions]
        self.folded = closed.bucket
        return Decision(closed.bucket, series, alerts, self._recall(closed))

    def set_halvings(self, halvings: Mapping[str, int]) -> None:
        """Halves brands' budgets of false alarms so many times each; those not named are whole.

        For the moment just before the state is saved: what is decided between two saves must follow
        from the first of them and the frames alone.
        """
        wanted = {brand: n for brand, n in sorted(halvings.items()) if brand in self._row and n}
        if wanted != self._halvings:
            saved = self._bank.save()
            self._halvings = wanted
            self._bank = self._make_bank(self._settings())
            self._bank.load(saved)

    def _settings(self) -> list[RowSettings]:
        return [
            replace(
                brand.settings,
                false_alarms=brand.settings.false_alarms
                * budget_factor(self._halvings.get(brand.id, 0)),
            )
            for brand in self._brands
        ]

    def _recall(self, closed: ClosedBucket) -> list[Recall]:
        """Alerts that are over and may show what was erased."""
        if not closed.erased:
            return []
        oldest_ms = closed.bucket * BUCKET_MS - KEPT_MS
        self._shown = {n: one for n, one in self._shown.items() if one.ended_ms >= oldest_ms}
        return list(recalls(self._shown, closed.erased))

    def _erase(self, erased: Sequence[Erasure]) -> list[CrisisAlert]:
        """Forgets exhibits; new revisions of the active alerts that showed one of them."""
        if not erased:
            return []
        posts, authors = posts_of(erased), authors_of(erased)
        for entries in self._recent.values():
            for _, tally in entries:
                erase(tally, posts, authors)

        def stays(row: SampleRow | ExhibitRow) -> bool:
            return row.post not in posts and row.author not in authors

        revisions = []
        for _, life in [*sorted(self._rested.items()), *sorted(self._lives.items())]:
            erase(life.story, posts, authors)
            life.sample = [row for row in life.sample if stays(row)]
            life.exhibits = [row for row in life.exhibits if stays(row)]
            life.turns = life.turns.without(posts, authors)
            revised = without(CrisisAlert.model_validate_json(life.last), posts, authors)
            if revised is not None:
                life.revision = revised.revision
                life.last = revised.encode()
                if revised.status != "resolved":  # that of one that is over is a `Recall`'s
                    revisions.append(revised)
        return revisions

    def _let_go(self, bucket: int) -> None:
        """Forgets what ended too long ago to come back."""
        oldest_ms = (bucket + 1) * BUCKET_MS - REOPEN_MS
        self._rested = {
            place: life
            for place, life in self._rested.items()
            if self._ended_ms[place] >= oldest_ms
        }

    def save(self) -> bytes:
        """The whole state."""
        names = [brand.id for brand in self._brands]
        state = _State(
            version=STATE_VERSION,
            folded=-1 if self.folded is None else self.folded,
            brands=names,
            settings=self._settings(),
            bank=self._bank.save(),
            rolling=self._rolling.save().tobytes(),
            recent={names[row]: self._recent[row] for row in sorted(self._recent)},
            lives=self._by_name(self._lives),
            ended=self._by_name(self._ended_ms),
            backgrounds={names[row]: self._backgrounds[row] for row in sorted(self._backgrounds)},
            shown=dict(sorted(self._shown.items())),
            halvings=self._halvings,
            rested=self._by_name(self._rested),
        )
        return msgspec.msgpack.encode(state)

    def _by_name(self, by_place: dict[tuple[int, Kind], _T]) -> dict[str, dict[str, _T]]:
        named: dict[str, dict[str, _T]] = {}
        for (row, kind), one in sorted(by_place.items(), key=lambda item: item[0]):
            named.setdefault(self._brand(row).id, {})[kind.value] = one
        return named

    def _by_place(self, named: dict[str, dict[str, _T]]) -> dict[tuple[int, Kind], _T]:
        return {
            (self._row_of_alert[name], Kind(kind)): one
            for name, kinds in named.items()
            if name in self._row_of_alert
            for kind, one in kinds.items()
        }

    def load(self, saved: bytes) -> None:
        """Restores `save`, also that of another watchlist: brands are found by their ids.

        Raises:
            ValueError: not a state of ours, or of another version.
        """
        try:
            state = _state_decoder.decode(saved)
        except msgspec.DecodeError as error:
            raise ValueError(f"not a state of the watch stage: {error}") from error
        if state.version != STATE_VERSION:
            raise ValueError(f"state of version {state.version}, this watch reads {STATE_VERSION}")
        self._shown = state.shown
        self._halvings = {name: n for name, n in state.halvings.items() if name in self._row}
        self._bank = self._make_bank(self._settings())
        if state.brands == [brand.id for brand in self._brands]:
            self._bank.load(state.bank)
        else:
            self._move_rows(state)
        rolling = np.frombuffer(state.rolling).reshape(-1, 2)
        for old_row, name in enumerate(state.brands):
            if name in self._row:
                self._rolling.load(self._row[name], rolling[old_row])
        self._recent = {self._row[n]: r for n, r in state.recent.items() if n in self._row}
        self._backgrounds = {
            self._row[n]: b for n, b in state.backgrounds.items() if n in self._row
        }
        self._lives = self._by_place(state.lives)
        self._rested = self._by_place(state.rested)
        self._ended_ms = self._by_place(state.ended)
        self.folded = None if state.folded < 0 else state.folded

    def _move_rows(self, state: _State) -> None:
        """Brings rows over from a state of another watchlist."""
        old_bank = self._make_bank(state.settings)
        old_bank.load(state.bank)
        kept = [(old, self._row[n]) for old, n in enumerate(state.brands) if n in self._row]
        if kept:
            rows = old_bank.save_rows([old for old, _ in kept])
            self._bank.load_rows([new for _, new in kept], rows)

    def _make_series(
        self, closed: ClosedBucket, tallies: dict[int, Tally], reading: Reading
    ) -> list[SeriesPoint]:
        points = []
        for row, brand in enumerate(self._brands):
            tally = tallies.get(row) or Tally()
            sentiment = sentiment_of(tally)
            self._rolling.update(row, tally.mentions, sentiment)
            points.append(
                SeriesPoint(
                    brand=brand.id,
                    brand_name=brand.name,
                    bucket_ms=closed.bucket * BUCKET_MS,
                    mentions=tally.mentions,
                    negative=sum(tally.histogram[_NEGATIVE_BINS]),
                    sentiment=sentiment,
                    late=tally.late,
                    copies=tally.copies,
                    reach=tally.reach,
                    authors=distinct(tally.authors),
                    expected=float(reading.expected[row]),
                    low=float(reading.low[row]),
                    high=float(reading.high[row]),
                    expected_negative_share=float(reading.expected_negative_share[row]),
                    statistic=float(reading.statistic[row]),
                    threshold=float(reading.threshold[row]),
                    weighted_sentiment=weighted_sentiment(tally.sample),
                    platforms=dict(sorted(tally.platforms.items())),
                    terms=self._terms_of_the_hour(row, closed.bucket),
                    rolling_mentions_per_min=self._rolling.mentions_per_min(row),
                    rolling_sentiment=self._rolling.sentiment(row),
                    coverage=closed.coverage,
                    pipeline_sent_ms=closed.sent_ms,
                )
            )
        return points

    def _terms_of_the_hour(self, row: int, bucket: int) -> tuple[SeriesTerm, ...]:
        """What rose in the last hour; once an hour, each brand at a minute of its own."""
        brand = self._brands[row].id
        if (bucket + zlib.crc32(brand.encode())) % RECENT_BUCKETS or row not in self._recent:
            return ()
        rows = [r for at, t in self._recent[row] if at > bucket - RECENT_BUCKETS for r in t.sample]
        own = stems_of(self._brands[row].name)
        rising = rising_terms(smallest(rows, MAX_STORY), self._background_of(brand), MAX_HOUR_TERMS)
        return tuple(
            SeriesTerm(term=one.term, share=one.share)
            for one in rising
            if one.z >= LEAST_HOUR_Z and not stems_of(one.term) & own
        )

    def _outlook(self, row: int, transition: Transition, bucket: int) -> Outlook | None:
        """Of the mentions; None of an alert that is over, or young, or not about posts."""
        minutes = transition.expected.mentions, transition.observed.minutes
        if transition.phase is Phase.RESOLVED or transition.kind is Kind.COVERAGE or not minutes[1]:
            return None
        counts = dict.fromkeys(range(bucket - RECENT_BUCKETS + 1, bucket + 1), 0)
        counts |= {at: t.mentions for at, t in self._recent.get(row, []) if at in counts}
        return look_ahead(list(counts.values()), minutes[0] / minutes[1], minutes[1])

    def _remember(self, bucket: int, tallies: dict[int, Tally]) -> None:
        for row, tally in tallies.items():
            entries = self._recent.setdefault(row, [])
            entries.append((bucket, tally))
            if entries[0][0] <= bucket - RECENT_BUCKETS:
                self._learn(row, [t for b, t in entries if b <= bucket - RECENT_BUCKETS])
                self._recent[row] = [e for e in entries if e[0] > bucket - RECENT_BUCKETS]
            for kind in Kind:
                life = self._lives.get((row, kind))
                if life is not None:
                    _tell_on(life, tally)
        whole = bucket - STRETCH_MIN + 1
        for (row, kind), life in self._lives.items():
            life.turns = life.turns.with_others(self._turns(row, kind, whole, whole + 1, bucket))

    def _turns(self, row: int, kind: Kind, begin: int, end: int, until: int) -> Turns:
        """Turns after posts of some buckets; none of what is not about posts of one brand."""
        if row == ALL_ROWS or kind is Kind.COVERAGE:
            return Turns()
        copies = kind is Kind.COORDINATED
        known = until - RECENT_BUCKETS + 1, until
        return find_turns(self._recent.get(row, []), begin, end, known, copies=copies)

    def _brand(self, row: int) -> WatchedBrand:
        return self._all if row == ALL_ROWS else self._brands[row]

    def _background_of(self, brand: str) -> Background:
        return self._backgrounds.get(self._row_of_alert[brand], Background())

    def _cause(self, brand: str, sample: Sequence[SampleRow]) -> ProbableCause | None:
        angry = [row.text for row in sample if row.tone_milli <= ANGRY_TONE_MILLI]
        if not angry:
            return None
        guess = guess_cause(angry, self._background_of(brand))
        return ProbableCause(cause=guess.cause, share=guess.share, reasons=guess.reasons)

    def _learn(self, row: int, tallies: Sequence[Tally]) -> None:
        """Takes posts of an hour ago for usual ones, unless something was going on."""
        if any((row, kind) in self._lives for kind in Kind):
            return
        background = self._backgrounds.setdefault(row, Background())
        for tally in tallies:
            background.learn(tally.sample[:LEARNT_PER_MINUTE])

    def _revise(self, transition: Transition, closed: ClosedBucket) -> CrisisAlert:
        brand = self._brand(transition.row)
        place = (transition.row, transition.kind)
        life = self._lives.get(place)
        if life is None:
            rested = self._rested.pop(place, None)
            back = rested if transition.revision > 0 else None
            life = self._lives[place] = back or self._begin(brand, transition)
            since_ms = self._ended_ms[place] if back else life.onset_ms
            self._gather(life, place, since_ms, closed.bucket)
            self._shown.pop(life.alert_id, None)
        transition = _not_before(transition, life.begins_ms)
        life.revision += 1
        if life.fired_ms < 0:
            life.fired_ms = _fired_ms(transition, life.onset_ms)
        alert = with_handles(
            self._make_alert(brand, life, transition, closed), brand.handles, brand.own
        )
        life.last = alert.encode()
        if transition.phase is Phase.RESOLVED:
            self._rested[place] = self._lives.pop(place)
            self._ended_ms[place] = transition.decided_ms
            self._shown[alert.alert_id] = shown_by(alert, transition.decided_ms)
        return alert

    def _begin(self, brand: WatchedBrand, transition: Transition) -> _Life:
        begins_ms = self._ended_ms.get((transition.row, transition.kind), 0)
        onset_ms = max(transition.onset_ms, begins_ms)
        identity = alert_id(brand.id, transition.kind, onset_ms)
        return _Life(identity, -1, onset_ms, Tally(), b"", begins_ms=begins_ms)

    def _gather(self, life: _Life, place: tuple[int, Kind], since_ms: int, bucket: int) -> None:
        """Adds to an alert what is remembered of the buckets since a time."""
        for at, tally in self._recent.get(place[0], []):
            if at * BUCKET_MS >= since_ms:
                _tell_on(life, tally)
        begin, whole = since_ms // BUCKET_MS - STRETCH_MIN, bucket - STRETCH_MIN + 2
        life.turns = life.turns.with_others(self._turns(*place, begin, whole, bucket))

    def _make_alert(
        self, brand: WatchedBrand, life: _Life, transition: Transition, closed: ClosedBucket
    ) -> CrisisAlert:
        t, story = transition, life.story
        resolved = t.phase is Phase.RESOLVED
        cause = self._cause(brand.id, life.sample)
        young = closed.bucket - STRETCH_MIN + 2
        turns = life.turns.with_others(
            self._turns(t.row, t.kind, young, closed.bucket + 1, closed.bucket)
        )
        outlook = self._outlook(t.row, t, closed.bucket)
        return CrisisAlert(
            alert_id=life.alert_id,
            revision=life.revision,
            brand=brand.id,
            brand_name=brand.name,
            kind=t.kind,
            status=status_of(t.phase, fired=t.first_fired_ms is not None),
            phase=t.phase,
            severity=t.severity,
            summary=summary_of(brand.name, t),
            reason=t.reason,
            onset=from_ms(life.onset_ms),
            onset_low=from_ms(t.onset_low_ms),
            onset_high=from_ms(t.onset_high_ms),
            decided_at=from_ms(t.decided_ms),
            fired_at=None if life.fired_ms < 0 else from_ms(life.fired_ms),
            resolved_at=from_ms(t.decided_ms) if resolved else None,
            superseded=superseded(t),
            observed=Observed(
                minutes=t.observed.minutes,
                mentions=t.observed.mentions,
                negative=t.observed.negative,
                authors=distinct(story.authors),
                negative_authors=distinct(story.negative_authors),
                reach=t.observed.reach,
                sentiment=sentiment_of(story),
                weighted_sentiment=weighted_sentiment(life.sample),
            ),
            expected=Expected(
                mentions=t.expected.mentions,
                low=t.expected.low,
                high=t.expected.high,
                negative=t.expected.negative,
                negative_share=t.expected.negative_share,
            ),
            evidence=Evidence(
                statistic=t.statistic,
                threshold=t.threshold,
                p_chance=t.p_chance,
                votes=t.votes,
                baseline=t.baseline,
                sentiment_model=self._sentiment_model,
                config_hash=self._config_hash,
            ),
            coverage=closed.coverage,
            platforms=dict(sorted(story.platforms.items())),
            languages=dict(sorted(story.languages.items())),
            exhibits=tuple(
                exhibit_of(folded.row, folded.alike)
                for folded in choose_exhibits(
                    life.exhibits or story.exhibits, life.sample, story.mentions
                )
            ),
            first_post=exhibit_of(story.first[0]) if story.first else None,
            take_off=take_off_of(turns, story, life.sample),
            terms=tuple(
                Term(
                    term=rising.term, z=rising.z, share=rising.share, usual_share=rising.usual_share
                )
                for rising in rising_terms(life.sample, self._background_of(brand.id))
            ),
            cause=cause,
            organic=organic_of(story, life.sample),
            voices=tuple(voices_of(story, life.sample, turns.turned, life.exhibits)),
            growth_per_hour=outlook.growth_per_hour if outlook else None,
            forecast=tuple(
                Forecast(hours=a.hours, mentions=a.mentions, low=a.low, high=a.high)
                for a in (outlook.ahead if outlook else ())
            ),
            step=None
            if self._plan is None
            else self._plan.step(brand.id, t.kind, t.severity, cause.cause if cause else None),
            pipeline_sent_ms=closed.sent_ms,
        )


def _tell_on(life: _Life, tally: Tally) -> None:
    life.story.add(tally)
    life.sample = smallest(life.sample + tally.sample, MAX_STORY)
    life.exhibits = best_exhibits(life.exhibits + tally.exhibits, MAX_CANDIDATES)


def _not_before(transition: Transition, begins_ms: int) -> Transition:
    """The transition with an onset that is not before a time.

    A detector may date a new life back into the one before it; with that onset it would get the
    identity of an alert that is over, and nobody would look at it.
    """
    onset_ms = max(transition.onset_ms, begins_ms)
    return replace(
        transition,
        onset_ms=onset_ms,
        onset_low_ms=max(transition.onset_low_ms, begins_ms),
        onset_high_ms=max(transition.onset_high_ms, onset_ms),
    )


def _fired_ms(transition: Transition, onset_ms: int) -> int:
    """When an alert with this onset first fired, -1 if it has not.

    One that begins where its like ended did not fire when that one did.
    """
    if transition.first_fired_ms is None:
        return -1
    if transition.first_fired_ms >= onset_ms:
        return transition.first_fired_ms
    return transition.decided_ms


def _minute(n_rows: int, closed: ClosedBucket, tallies: dict[int, Tally]) -> Minute:
    """The tallies as arrays over all rows."""
    columns = {name: np.zeros(n_rows) for name in _SCALARS}
    histogram = np.zeros((n_rows, N_BINS))
    late_histogram = np.zeros((n_rows, N_BINS))
    for row, tally in tallies.items():
        histogram[row] = tally.histogram
        late_histogram[row] = tally.late_histogram
        for name, read in _SCALARS.items():
            columns[name][row] = read(tally)
    return Minute(
        bucket_ms=closed.bucket * BUCKET_MS,
        histogram=histogram,
        late_histogram=late_histogram,
        coverage=np.full(n_rows, closed.coverage),
        **columns,
    )


_SCALARS: dict[str, Callable[[Tally], float]] = {
    "mentions": lambda t: t.mentions,
    "copies": lambda t: t.copies,
    "negative_authors": lambda t: distinct(t.negative_authors),
    "authors": lambda t: distinct(t.authors),
    "reach": lambda t: t.reach,
    "negative_reach": lambda t: t.negative_reach,
    "platforms": lambda t: len(t.platforms),
}
