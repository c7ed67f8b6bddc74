"""The account of an alert: a dossier turned into sentences, dates, tables and questions.

HTML and Markdown are two renderings of it. Sentences hold strangers' words (names of brands,
platforms, owners) as they are; the renderings escape them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.alert import CrisisAlert
from models.detection.base import Phase
from models.errors import UserError
from models.feedback import Answer, Feedback
from pipeline.console.views import Share, shares
from pipeline.console.wording import (
    ANSWERS,
    CAUSES,
    KINDS,
    SEVERITIES,
    figure,
    moment,
    percentage,
    signed,
    stretch,
)
from pipeline.report.dossier import Dossier
from pipeline.report.lessons import questions
from pipeline.report.measures import Measures, Minutes, measure

_PHASES = {
    Phase.WATCH: ("pending", "Came near the threshold"),
    Phase.FIRING: ("fired", "Fired"),
    Phase.ESCALATED: ("fired", "Escalated"),
    Phase.COOLING: ("cooling", "Back near its baseline"),
    Phase.RESOLVED: ("resolved", "Resolved"),
}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_EVENTS = len(_LETTERS)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the timeline."""

    at: datetime
    name: str  # a CSS class
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline of the plan, and what is known of it."""

    what: str
    due: datetime
    kept: str


@dataclass(frozen=True, slots=True)
class Account:
    """All that a report says.

    Attributes:
        alert: its newest revision.
        summary: sentences.
        events: the timeline, oldest first; at most one for each letter.
        measures: None where the minutes are no longer there.
        minutes: of the brand.
        window: what the charts show.
        dues: deadlines of the plan.
        answers: what people said.
        platforms, languages: the largest shares.
        earlier: the brand's alerts before this one, oldest first.
        lessons: questions to answer.
        written: up to when the topics were read, event time.
    """

    alert: CrisisAlert
    summary: tuple[str, ...]
    events: tuple[Event, ...]
    measures: Measures | None
    minutes: Minutes
    window: tuple[datetime, datetime]
    dues: tuple[Due, ...]
    answers: tuple[Feedback, ...]
    platforms: tuple[Share, ...]
    languages: tuple[Share, ...]
    earlier: tuple[CrisisAlert, ...]
    lessons: tuple[str, ...]

    def letter(self, event: Event) -> str:
        """The letter that marks an event in the charts."""
        return _LETTERS[self.events.index(event)]


def write_account(dossier: Dossier) -> Account:
    """Writes the account of an alert.

    Raises:
        UserError: nothing is known of the alert.
    """
    revisions = dossier.revisions
    if not revisions:
        raise UserError(f"nothing is known of the alert {dossier.alert_id}")
    alert = revisions[-1]
    minutes = Minutes.of(dossier.minutes())
    measures = measure(alert, minutes)
    answers = tuple(dossier.answers)
    earlier = tuple(dossier.earlier_alerts())
    deadlines = tuple(dues(alert, answers))
    platforms, languages = tuple(shares(alert.platforms)), tuple(shares(alert.languages))
    return Account(
        alert=alert,
        summary=tuple(_summary(alert, measures, platforms, languages, earlier)),
        events=tuple(_events(revisions, measures, answers)),
        measures=measures,
        minutes=minutes,
        window=_window(alert, measures),
        dues=deadlines,
        answers=answers,
        platforms=platforms,
        languages=languages,
        earlier=earlier,
        lessons=tuple(questions(alert, measures, answers)),
    )


def delay(alert: CrisisAlert) -> timedelta | None:
    """From the onset to the first firing; None if it never fired."""
    return None if alert.fired_at is None else max(timedelta(0), alert.fired_at - alert.onset)


def duration(alert: CrisisAlert) -> timedelta | None:
    """From the onset to the resolution; None while it lasts."""
    return None if alert.resolved_at is None else max(timedelta(0), alert.resolved_at - alert.onset)


def negative_share(alert: CrisisAlert) -> float | None:
    """Share of negative mentions since the onset."""
    seen = alert.observed
    return min(1.0, seen.negative / seen.mentions) if seen.mentions else None


def _summary(
    alert: CrisisAlert,
    measures: Measures | None,
    platforms: Sequence[Share],
    languages: Sequence[Share],
    earlier: Sequence[CrisisAlert],
) -> Iterator[str]:
    seen, usual = alert.observed, alert.expected
    kind = KINDS[alert.kind].lower()
    late = delay(alert)
    if late is None:
        yield (
            f"{alert.brand_name}: signs of a {kind} from {moment(alert.onset)} UTC on. "
            "It did not fire."
        )
    else:
        told = (
            f" By then {figure(measures.seen_when_fired)} {_counted(measures)} had been seen."
            if measures is not None and measures.seen_when_fired is not None
            else ""
        )
        yield (
            f"{alert.brand_name}: {kind}, {SEVERITIES[alert.severity].lower()} at its worst. It "
            f"began on {moment(alert.onset)} UTC and fired {stretch(late)} later.{told}"
        )
    if measures is not None and measures.peak is not None:
        peak = measures.peak
        yield (
            f"The worst quarter of an hour lay around {moment(peak.at)}, with "
            f"{figure(peak.per_min)} {_counted(measures)} a minute where "
            f"{figure(peak.usual_per_min)} are usual."
        )
        if measures.turned_at is not None:
            turned = moment(measures.turned_at)
            yield f"It turned at {turned}: from then on less than half was left."
    lasted = duration(alert)
    if lasted is not None:
        ending = "was over" if alert.fired_at else "faded"
        yield f"It {ending} after {stretch(lasted)}, on {moment(alert.resolved_at)} UTC."
    else:
        yield "It is not over yet."
    if seen.mentions:
        yield (
            f"In all {figure(seen.mentions)} mentions by about {figure(seen.authors)} authors, "
            f"where {figure(usual.mentions)} mentions are usual ({figure(usual.low)} to "
            f"{figure(usual.high)}); {percentage(negative_share(alert))} of them negative, usually "
            f"{percentage(usual.negative_share)}."
        )
    if seen.reach:
        yield f"The authors' followers add up to {figure(seen.reach)}."
    if platforms and languages:
        yield (
            f"Most of it on {platforms[0].name} ({percentage(platforms[0].share)}), most of it in "
            f"{languages[0].name} ({percentage(languages[0].share)})."
        )
    if measures is not None and measures.residual is not None:
        after = next(m for m in reversed(measures.moods) if m.sentiment is not None)
        yield (
            f"Sentiment was {signed(measures.moods[0].sentiment)} the day before, "
            f"{signed(measures.moods[1].sentiment)} during, and {signed(after.sentiment)} on "
            f"{after.name}."
        )
    yield _rank(alert, earlier)


def _rank(alert: CrisisAlert, earlier: Sequence[CrisisAlert]) -> str:
    same = [other for other in earlier if other.kind is alert.kind]
    if not same:
        return "No earlier alert of this kind is known of the brand."
    smaller = sum(alert.observed.mentions > other.observed.mentions for other in same)
    if len(same) == 1:
        return (
            f"The brand's one earlier alert of this kind was {'smaller' if smaller else 'larger'}."
        )
    return f"Of the brand's {len(same)} earlier alerts of this kind, {smaller} were smaller."


def _counted(measures: Measures) -> str:
    return "negative mentions" if measures.counts_negative else "mentions"


def _events(
    revisions: Sequence[CrisisAlert], measures: Measures | None, answers: Sequence[Feedback]
) -> list[Event]:
    alert = revisions[-1]
    span = f"between {moment(alert.onset_low)} and {moment(alert.onset_high)}"
    events = [Event(alert.onset, "onset", "Began", span)]
    if alert.fired_at is not None:
        events.append(Event(alert.fired_at, "fired", "Fired first", _reason_of(revisions)))
    previous: Phase | None = None
    for revision in revisions:
        if revision.phase is not previous and revision.phase in _PHASES:
            name, what = _PHASES[revision.phase]
            if revision.phase is Phase.FIRING:
                what = "Came back"
            if revision.phase is Phase.ESCALATED:
                what = f"Escalated to {SEVERITIES[revision.severity].lower()}"
            if revision.phase is Phase.RESOLVED and alert.fired_at is None:
                what = "Faded without firing"
            if not (revision.phase is Phase.FIRING and revision.decided_at == alert.fired_at):
                events.append(Event(revision.decided_at, name, what, revision.reason))
        previous = revision.phase
    for answer in answers:
        who = answer.by or "somebody"
        what = f"{who} {ANSWERS[answer.answer]}"
        if answer.cause is not None:
            what += f" {CAUSES[answer.cause].lower()}"
        events.append(Event(answer.moment, "said", what, answer.note))
    if measures is not None and measures.peak is not None:
        rate = f"{figure(measures.peak.per_min)} {_counted(measures)} a minute"
        events.append(Event(measures.peak.at, "peak", "Peak", rate))
    if measures is not None and measures.turned_at is not None:
        events.append(
            Event(measures.turned_at, "turned", "Turned", "less than half the peak is left")
        )
    if measures is not None and measures.calm_at is not None:
        events.append(Event(measures.calm_at, "calm", "Usual again", "the first usual hour begins"))
    order = sorted(enumerate(events), key=lambda item: (item[1].at, item[0]))
    return [event for _, event in order][:MAX_EVENTS]


def _reason_of(revisions: Sequence[CrisisAlert]) -> str:
    """Why it fired, where the revision that says so is still there."""
    return next((r.reason for r in revisions if r.decided_at == r.fired_at), "")


def dues(alert: CrisisAlert, answers: Sequence[Feedback]) -> Iterator[Due]:
    """Deadlines of the plan, from the first firing on; none for an alert that did not fire."""
    step, fired = alert.step, alert.fired_at
    if step is None or fired is None:
        return
    seen = min((a.moment for a in answers if a.answer is Answer.ACKNOWLEDGE), default=None)
    if step.deadline_minutes is not None:
        due = fired + timedelta(minutes=step.deadline_minutes)
        over = alert.resolved_at is not None and alert.resolved_at <= due
        ahead = alert.resolved_at is None and alert.decided_at < due
        kept = "it was over before" if over else "still open" if ahead else "not recorded"
        yield Due("First answer in public", due, kept)
    for escalation in step.escalate:
        due = fired + timedelta(minutes=escalation.after_minutes)
        if seen is not None and seen <= due:
            kept = f"not needed: acknowledged {_ago(seen - fired)}"
        elif alert.resolved_at is not None and alert.resolved_at <= due:
            kept = "not needed: it was over before"
        elif seen is not None:
            kept = f"due: acknowledged only {_ago(seen - fired)}"
        elif alert.resolved_at is None and alert.decided_at < due:
            kept = "unless somebody acknowledges"
        else:
            kept = "due: nobody acknowledged"
        yield Due(f"Tell {escalation.to}", due, kept)


def _ago(span: timedelta) -> str:
    return f"{stretch(max(span, timedelta(0)))} after it fired"


def _window(alert: CrisisAlert, measures: Measures | None) -> tuple[datetime, datetime]:
    end = measures.end if measures else alert.resolved_at or alert.decided_at
    if measures is not None and measures.calm_at is not None:
        end = max(end, measures.calm_at)
    margin = max(timedelta(hours=2), (end - alert.onset) / 4)
    return alert.onset - margin, end + margin
