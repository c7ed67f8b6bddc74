"""What an alert says of itself, said again in the language of the reader.

The watch stage writes its sentences in English, for pages and for programs. Here the summary is
made from the alert's figures, and the reason is recognised by its form; a reason of a form that is
not known is shown as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from models.alert import CrisisAlert
from models.detection.base import Kind, Severity
from pipeline.console.wording import SEVERITIES, decimal, figure, moment
from pipeline.language import DEFAULT, N_, _, spoken

_SINCE: Final[Mapping[Kind, str]] = {
    Kind.SURGE_NEGATIVE: N_("%(name)s: negative surge since %(onset)s UTC: "),
    Kind.SURGE: N_("%(name)s: surge of mentions since %(onset)s UTC: "),
    Kind.MOOD: N_("%(name)s: worse mood since %(onset)s UTC: "),
    Kind.COORDINATED: N_("%(name)s: flood of copies since %(onset)s UTC: "),
    Kind.COVERAGE: N_("%(name)s: loss of coverage since %(onset)s UTC: "),
}
_OVER: Final[Mapping[Kind, str]] = {
    Kind.SURGE_NEGATIVE: N_("%(name)s: the negative surge of %(onset)s UTC is over."),
    Kind.SURGE: N_("%(name)s: the surge of mentions of %(onset)s UTC is over."),
    Kind.MOOD: N_("%(name)s: the worse mood of %(onset)s UTC is over."),
    Kind.COORDINATED: N_("%(name)s: the flood of copies of %(onset)s UTC is over."),
    Kind.COVERAGE: N_("%(name)s: the loss of coverage of %(onset)s UTC is over."),
}
_BECAME_CRISIS: Final = N_(
    "%(name)s: the worse mood of %(onset)s UTC has become a crisis, which has its own alert."
)


def summary(alert: CrisisAlert) -> str:
    """The alert in one sentence; in English the one it came with."""
    if spoken() == DEFAULT:
        return alert.summary
    said = {"name": alert.brand_name, "onset": moment(alert.onset)}
    if alert.superseded:
        return _(_BECAME_CRISIS, **said)
    if alert.status == "resolved":
        return _(_OVER[alert.kind], **said)
    return _(_SINCE[alert.kind], **said) + _(
        "%(negative)s negative of %(mentions)s mentions in %(minutes)s min, where "
        "%(usual_negative)s of %(usual)s are usual.",
        negative=figure(round(alert.observed.negative)),
        mentions=figure(round(alert.observed.mentions)),
        minutes=alert.observed.minutes,
        usual_negative=figure(round(alert.expected.negative)),
        usual=figure(round(alert.expected.mentions)),
    )


def rise(alert: CrisisAlert) -> str:
    """What came before and after the post at which a story took off; "" if none is known."""
    take_off = alert.take_off
    if take_off is None:
        return ""
    form = (
        _("mentions a minute: %(before)s in the %(minutes)s min before it, %(after)s after it")
        if alert.kind is Kind.COORDINATED
        else _(
            "negative mentions a minute: %(before)s in the %(minutes)s min before it, %(after)s "
            "after it"
        )
    )
    return form % {
        "before": figure(take_off.before_per_min),
        "after": figure(take_off.after_per_min),
        "minutes": take_off.minutes,
    }


_FORMS: Final = (
    # What was seen; see `models.detection.signals`.
    N_("%(a)s negative posts in %(b)s min where about %(c)s are usual"),
    N_("%(a)s posts in %(b)s min where about %(c)s are usual"),
    N_("all brands rise together, by a factor of %(a)s: a platform effect, told once and here"),
    N_("%(a)s negative over %(b)s min where %(c)s is usual"),
    N_("%(a)s near-identical posts in about half an hour"),
    N_("%(a)s of what should be seen was seen"),
    # What followed; see `models.detection.life`.
    N_("the evidence passed the threshold"),
    N_("the evidence is near the threshold"),
    N_("it did not grow and faded without an alarm"),
    N_("the impact grew from %(severity_a)s to %(severity_b)s"),
    N_("the rate is back near its baseline"),
    N_("it came back while cooling"),
    N_("back at its baseline %(a)s minutes after it fired"),
    N_("it came back; the same alert goes on"),
    N_("it came back and grew"),
    N_("it has become a crisis, which has its own alert"),
    N_("A post shown as evidence was deleted or edited by its author"),
)
_FIGURE = r"[0-9.]+ ?%?"
_WORD = "|".join(severity.value for severity in Severity)


def _pattern(form: str) -> re.Pattern[str]:
    held = re.sub(r"%\\?\(severity_(\w)\\?\)s", rf"(?P<severity_\1>{_WORD})", re.escape(form))
    return re.compile(re.sub(r"%\\?\((\w)\\?\)s", rf"(?P<\1>{_FIGURE})", held))


_PATTERNS: Final = tuple((_pattern(form), form) for form in _FORMS)


def reason(text: str) -> str:
    """Why a revision was sent; in English as it came."""
    if spoken() == DEFAULT:
        return text
    sentence = text.removesuffix(".")
    whole = _translated(sentence)
    if whole is not None:
        return whole + "."
    for cut in (match.start() for match in re.finditer(": ", sentence)):
        seen, followed = _translated(sentence[:cut]), _translated(sentence[cut + 2 :])
        if seen is not None and followed is not None:
            return f"{seen}: {followed}."
    return text


def _translated(clause: str) -> str | None:
    for pattern, form in _PATTERNS:
        match = pattern.fullmatch(clause)
        if match is not None:
            return _(form) % {
                name: _value(name, value) for name, value in match.groupdict().items()
            }
    return None


def _value(name: str, value: str) -> str:
    if name.startswith("severity"):
        return _(SEVERITIES[Severity(value)]).lower()
    return decimal(value.replace("%", "\u202f%"))
