"""The account of an alert: a dossier turned into sentences, dates, tables and questions.

HTML and Markdown are two renderings of it. Sentences hold strangers' words (names of brands,
platforms, owners) as they are; the renderings escape them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.alert import CrisisAlert, from_ms
from models.detection.base import Phase
from models.errors import UserError
from models.feedback import Answer, Feedback
from models.series import SeriesPoint
from pipeline.console import sayings
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
from pipeline.language import N_, _, n_
from pipeline.report.dossier import Dossier
from pipeline.report.lessons import questions
from pipeline.report.measures import Measures, Minutes, Peak, measure

_PHASES = {
    Phase.WATCH: ("pending", N_("Came near the threshold")),
    Phase.FIRING: ("fired", N_("Came back")),
    Phase.ESCALATED: ("fired", N_("Escalated to %(severity)s")),
    Phase.COOLING: ("cooling", N_("Back near its baseline")),
    Phase.RESOLVED: ("resolved", N_("Resolved")),
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
        hours: terms that rose, by the hour in which they did, within the window.
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
    hours: tuple[tuple[datetime, tuple[str, ...]], ...]
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
    points = dossier.minutes()
    minutes = Minutes.of(points)
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
        window=(window := _window(alert, measures)),
        dues=deadlines,
        answers=answers,
        platforms=platforms,
        languages=languages,
        hours=tuple(_hours(points, window)),
        earlier=earlier,
        lessons=tuple(questions(alert, measures, answers)),
    )


def _hours(
    points: Sequence[SeriesPoint], window: tuple[datetime, datetime]
) -> Iterator[tuple[datetime, tuple[str, ...]]]:
    for point in points:
        if point.terms and window[0] <= from_ms(point.bucket_ms) <= window[1]:
            yield from_ms(point.bucket_ms), tuple(term.term for term in point.terms)


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
    kind = _(KINDS[alert.kind]).lower()
    late = delay(alert)
    if late is None:
        yield _(
            "%(brand)s: signs of a %(kind)s from %(onset)s UTC on. It did not fire.",
            brand=alert.brand_name,
            kind=kind,
            onset=moment(alert.onset),
        )
    else:
        yield _(
            "%(brand)s: %(kind)s, %(severity)s at its worst. It began on %(onset)s UTC and fired "
            "%(late)s later.",
            brand=alert.brand_name,
            kind=kind,
            severity=_(SEVERITIES[alert.severity]).lower(),
            onset=moment(alert.onset),
            late=stretch(late),
        )
        if measures is not None and measures.seen_when_fired is not None:
            told = (
                _("By then %(seen)s negative mentions had been seen.")
                if measures.counts_negative
                else _("By then %(seen)s mentions had been seen.")
            )
            yield told % {"seen": figure(measures.seen_when_fired)}
    if measures is not None and measures.peak is not None:
        yield from _course(measures, measures.peak)
    lasted = duration(alert)
    if lasted is None:
        yield _("It is not over yet.")
    elif alert.superseded:
        yield _(
            "After %(lasted)s, on %(end)s UTC, it became a crisis, which has its own alert.",
            lasted=stretch(lasted),
            end=moment(alert.resolved_at),
        )
    else:
        ending = (
            _("It was over after %(lasted)s, on %(end)s UTC.")
            if alert.fired_at
            else _("It faded after %(lasted)s, on %(end)s UTC.")
        )
        yield ending % {"lasted": stretch(lasted), "end": moment(alert.resolved_at)}
    if seen.mentions:
        yield _(
            "In all %(mentions)s mentions by about %(authors)s authors, where %(usual)s mentions "
            "are usual (%(low)s to %(high)s); %(share)s of them negative, usually %(usual_share)s.",
            mentions=figure(seen.mentions),
            authors=figure(seen.authors),
            usual=figure(usual.mentions),
            low=figure(usual.low),
            high=figure(usual.high),
            share=percentage(negative_share(alert)),
            usual_share=percentage(usual.negative_share),
        )
    if seen.reach:
        yield _("The authors' followers add up to %(reach)s.", reach=figure(seen.reach))
    if platforms and languages:
        yield _(
            "Most of it on %(platform)s (%(share)s), most of it in %(language)s "
            "(%(language_share)s).",
            platform=platforms[0].name,
            share=percentage(platforms[0].share),
            language=languages[0].name,
            language_share=percentage(languages[0].share),
        )
    if measures is not None and measures.residual is not None:
        after = next(m for m in reversed(measures.moods) if m.sentiment is not None)
        yield _(
            "Sentiment was %(before)s the day before, %(during)s during, and %(after)s on %(day)s.",
            before=signed(measures.moods[0].sentiment),
            during=signed(measures.moods[1].sentiment),
            after=signed(after.sentiment),
            day=after.name,
        )
    yield _rank(alert, earlier)


def _course(measures: Measures, peak: Peak) -> Iterator[str]:
    worst = (
        _(
            "The worst quarter of an hour lay around %(at)s, with %(rate)s negative mentions a "
            "minute where %(usual)s are usual."
        )
        if measures.counts_negative
        else _(
            "The worst quarter of an hour lay around %(at)s, with %(rate)s mentions a minute "
            "where %(usual)s are usual."
        )
    )
    yield worst % {
        "at": moment(peak.at),
        "rate": figure(peak.per_min),
        "usual": figure(peak.usual_per_min),
    }
    if measures.turned_at is not None:
        yield _(
            "It turned at %(turned)s: from then on less than half was left.",
            turned=moment(measures.turned_at),
        )


def _rank(alert: CrisisAlert, earlier: Sequence[CrisisAlert]) -> str:
    same = [other for other in earlier if other.kind is alert.kind]
    if not same:
        return _("No earlier alert of this kind is known of the brand.")
    smaller = sum(alert.observed.mentions > other.observed.mentions for other in same)
    if len(same) == 1:
        if smaller:
            return _("The brand's one earlier alert of this kind was smaller.")
        return _("The brand's one earlier alert of this kind was larger.")
    return n_(
        "Of the brand's %(all)s earlier alerts of this kind, %(count)s was smaller.",
        "Of the brand's %(all)s earlier alerts of this kind, %(count)s were smaller.",
        smaller,
        all=len(same),
    )


def _events(
    revisions: Sequence[CrisisAlert], measures: Measures | None, answers: Sequence[Feedback]
) -> list[Event]:
    alert = revisions[-1]
    span = _(
        "between %(low)s and %(high)s", low=moment(alert.onset_low), high=moment(alert.onset_high)
    )
    events = [Event(alert.onset, "onset", _("Began"), span)]
    if alert.fired_at is not None:
        events.append(Event(alert.fired_at, "fired", _("Fired first"), _reason_of(revisions)))
    if alert.take_off is not None:
        at = alert.take_off.exhibit.created_at
        events.append(Event(at, "took-off", _("Took off"), sayings.rise(alert)))
    previous: Phase | None = None
    for revision in revisions:
        if revision.phase is not previous and revision.phase in _PHASES:
            name, message = _PHASES[revision.phase]
            what = _(message, severity=_(SEVERITIES[revision.severity]).lower())
            if revision.phase is Phase.RESOLVED and alert.fired_at is None:
                what = _("Faded without firing")
            if not (revision.phase is Phase.FIRING and revision.decided_at == alert.fired_at):
                why = sayings.reason(revision.reason)
                events.append(Event(revision.decided_at, name, what, why))
        previous = revision.phase
    for answer in answers:
        who, did = answer.by or _("somebody"), _(ANSWERS[answer.answer])
        what = _("%(who)s %(did)s", who=who, did=did)
        if answer.cause is not None:
            what += " " + _(CAUSES[answer.cause]).lower()
        events.append(Event(answer.moment, "said", what, answer.note))
    if measures is not None:
        events += _turns(measures)
    order = sorted(enumerate(events), key=lambda item: (item[1].at, item[0]))
    return [event for _, event in order][:MAX_EVENTS]


def _turns(measures: Measures) -> Iterator[Event]:
    """Moments that were measured."""
    if measures.peak is not None:
        rate = (
            _("%(rate)s negative mentions a minute")
            if measures.counts_negative
            else _("%(rate)s mentions a minute")
        )
        detail = rate % {"rate": figure(measures.peak.per_min)}
        yield Event(measures.peak.at, "peak", _("Peak"), detail)
    if measures.turned_at is not None:
        yield Event(measures.turned_at, "turned", _("Turned"), _("less than half the peak is left"))
    if measures.calm_at is not None:
        begins = _("the first usual hour begins")
        yield Event(measures.calm_at, "calm", _("Usual again"), begins)


def _reason_of(revisions: Sequence[CrisisAlert]) -> str:
    """Why it fired, where the revision that says so is still there."""
    return next((sayings.reason(r.reason) for r in revisions if r.decided_at == r.fired_at), "")


def dues(
    alert: CrisisAlert, answers: Sequence[Feedback], now: datetime | None = None
) -> Iterator[Due]:
    """Deadlines of the plan, from the first firing on; none for an alert that did not fire.

    Args:
        alert: its newest revision.
        answers: what people said of it.
        now: event time; that of the alert's last decision if it is not known.
    """
    step, fired = alert.step, alert.fired_at
    now = max(now or alert.decided_at, alert.decided_at)
    if step is None or fired is None:
        return
    seen = min((a.moment for a in answers if a.answer is Answer.ACKNOWLEDGE), default=None)
    if step.deadline_minutes is not None:
        due = fired + timedelta(minutes=step.deadline_minutes)
        over = alert.resolved_at is not None and alert.resolved_at <= due
        ahead = alert.resolved_at is None and now < due
        kept = _("it was over before") if over else _("still open") if ahead else _("not recorded")
        yield Due(_("First answer in public"), due, kept)
    for escalation in step.escalate:
        due = fired + timedelta(minutes=escalation.after_minutes)
        if seen is not None and seen <= due:
            kept = _("not needed: acknowledged %(span)s after it fired", span=_span(seen - fired))
        elif alert.resolved_at is not None and alert.resolved_at <= due:
            kept = _("not needed: it was over before")
        elif seen is not None:
            kept = _("due: acknowledged only %(span)s after it fired", span=_span(seen - fired))
        elif alert.resolved_at is None and now < due:
            kept = _("unless somebody acknowledges")
        else:
            kept = _("due: nobody acknowledged")
        yield Due(_("Tell %(whom)s", whom=escalation.to), due, kept)


def _span(span: timedelta) -> str:
    return stretch(max(span, timedelta(0)))


def _window(alert: CrisisAlert, measures: Measures | None) -> tuple[datetime, datetime]:
    end = measures.end if measures else alert.resolved_at or alert.decided_at
    if measures is not None and measures.calm_at is not None:
        end = max(end, measures.calm_at)
    margin = max(timedelta(hours=2), (end - alert.onset) / 4)
    return alert.onset - margin, end + margin
