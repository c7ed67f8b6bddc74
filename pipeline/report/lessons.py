"""Questions that a report leaves to those who were there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from models.alert import CrisisAlert
from models.feedback import Answer, Feedback
from pipeline.console.wording import percentage, stretch
from pipeline.language import _
from pipeline.report.measures import Measures

LATE = timedelta(minutes=15)
LARGE_SHARE = 0.15
FULL_COVERAGE = 0.995
RESIDUAL = -0.1


def questions(
    alert: CrisisAlert, measures: Measures | None, answers: Sequence[Feedback]
) -> Iterator[str]:
    """Questions that the facts raise, then those that are always worth asking."""
    said = {answer.answer for answer in answers}
    if alert.fired_at is not None:
        yield from _on_timing(alert, measures)
        yield from _on_response(alert, answers)
    yield from _on_plan(alert)
    if measures is not None and measures.least_coverage < FULL_COVERAGE:
        least = percentage(measures.least_coverage)
        yield _(
            "Coverage fell to %(least)s: which connector was missing, and what was not seen?",
            least=least,
        )
    if measures is not None and measures.residual is not None and measures.residual < RESIDUAL:
        yield _("Sentiment has not come back: what would win it back, and who owns that?")
    if alert.fired_at is not None and not said & {Answer.RIGHT_ALERT, Answer.FALSE_ALARM}:
        yield _("Was the alert right? Nobody has said so yet.")
    yield _("What was the cause in one sentence, and has it been mended or only answered?")
    yield _("Which sentence of ours helped, and which made it worse?")
    yield _("What will we do otherwise next time, who does it, and by when?")


def _on_timing(alert: CrisisAlert, measures: Measures | None) -> Iterator[str]:
    assert alert.fired_at is not None
    late = alert.fired_at - alert.onset
    if late > LATE:
        yield _(
            "It fired %(late)s after it began: who inside knew earlier, and could have said so?",
            late=stretch(late),
        )
    if measures is not None and measures.after_firing_share is not None:
        share = percentage(measures.after_firing_share)
        yield _("%(share)s of it came after the alert: what was done with that time?", share=share)


def _on_response(alert: CrisisAlert, answers: Sequence[Feedback]) -> Iterator[str]:
    assert alert.fired_at is not None
    seen = [answer.moment for answer in answers if answer.answer is Answer.ACKNOWLEDGE]
    if not seen:
        yield _("Nobody acknowledged the alert: who saw it first, and how?")
    elif alert.step is not None and alert.step.escalate:
        limit = timedelta(minutes=alert.step.escalate[0].after_minutes)
        if min(seen) - alert.fired_at > limit:
            yield _(
                "It was acknowledged after more than %(limit)s: did the page reach the right "
                "person?",
                limit=stretch(limit),
            )


def _on_plan(alert: CrisisAlert) -> Iterator[str]:
    step = alert.step
    if step is None:
        yield _("The plan had no step for this: what should it say next time?")
        return
    total = sum(alert.languages.values())
    planned = {language.split("-")[0].lower() for language in step.holding_statement}
    for language, count in sorted(alert.languages.items(), key=lambda item: -item[1]):
        if language != "und" and count > total * LARGE_SHARE and language[:2] not in planned:
            yield _(
                "%(share)s of it was in %(language)s, and the plan has no holding statement in "
                "that language: should it?",
                share=percentage(count / total),
                language=language,
            )
    if not step.first_steps:
        yield _("The plan names an owner and no first steps: which were taken?")
