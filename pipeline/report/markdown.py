"""The report as Markdown, for wikis and tickets. Everything that is not ours is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pipeline.console.views import Share, safe_link
from pipeline.console.wording import (
    CAUSES,
    KINDS,
    NOTHING,
    SEVERITIES,
    VOICES,
    figure,
    moment,
    percentage,
    signed,
    stretch,
)
from pipeline.plaintext import printable
from pipeline.report.account import Account, delay, duration, negative_share

_ALWAYS = re.compile(r"([\\`*_{}\[\]<>#|~&!$^=@])")
_AT_THE_START = re.compile(r"^(\s*)([-+]|\d+(?=[.)]))", re.MULTILINE)
_LINK = re.compile(r"(https?|ftp|mailto|xmpp):|\bwww\.", re.IGNORECASE)


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is: on one line, no mark-up, no link, no HTML.

    Example:
        >>> escaped("<b>*now*</b>\n- https://x.y")
        '\\<b\\>\\*now\\*\\</b\\> - https\\://x.y'
    """
    line = " ".join(printable(text).split())
    line = _ALWAYS.sub(r"\\\1", line)
    line = _AT_THE_START.sub(
        lambda m: f"{m[1]}\\{m[2]}" if m[2] in "-+" else f"{m[1]}{m[2]}\\", line
    )
    return _LINK.sub(lambda m: f"{m[0][:-1]}\\{m[0][-1]}", line)


def write_markdown(account: Account) -> str:
    """The whole report, GitHub-flavoured."""
    return "\n".join(_lines(account)) + "\n"


def _lines(account: Account) -> Iterator[str]:
    alert = account.alert
    yield f"# {escaped(alert.brand_name)}: {KINDS[alert.kind].lower()}, {moment(alert.onset)} UTC"
    yield ""
    yield escaped(" ".join(account.summary))
    yield ""
    yield from _section("Timeline", ["", "When (UTC)", "What", ""], _timeline(account))
    yield from _figures(account)
    yield from _section("Platforms", ["Platform", "Mentions", "Share"], _shares(account.platforms))
    yield from _section("Languages", ["Language", "Mentions", "Share"], _shares(account.languages))
    cause = account.alert.cause
    if cause is not None:
        words = ", ".join(escaped(reason) for reason in cause.reasons)
        told = f": {percentage(cause.share)} of negative posts speak of it ({words})" * bool(words)
        yield f"Probable cause: **{CAUSES[cause.cause].lower()}**{told}."
        yield ""
    terms = [
        [term.term, percentage(term.share), percentage(term.usual_share)]
        for term in account.alert.terms
    ]
    yield from _section("Terms that rose", ["Term", "In the story", "Usually"], terms)
    yield from _exhibits(account)
    yield from _who(account)
    yield from _plan(account)
    if account.measures is not None:
        moods = [[mood.name, signed(mood.sentiment)] for mood in account.measures.moods]
        yield from _section("Sentiment before, during and after", ["", "Mean"], moods)
    yield from _section(
        "Earlier alerts of the brand",
        ["Began", "Kind", "Severity", "Fired after", "Lasted", "Mentions", "Negative"],
        _comparison(account),
    )
    yield "## Questions"
    yield ""
    for question in account.lessons:
        yield f"- [ ] {escaped(question)}"
    yield ""
    yield f"Alert `{escaped(alert.alert_id).replace('`', '')}`, revision {alert.revision}. "
    yield "All times are event time, UTC. Posts are redacted; authors are pseudonyms."


def _timeline(account: Account) -> Iterator[Sequence[str]]:
    for event in account.events:
        yield account.letter(event), moment(event.at), event.what, event.detail


def _figures(account: Account) -> Iterator[str]:
    alert, measures = account.alert, account.measures
    late, lasted = delay(alert), duration(alert)
    rows = [
        ["Detection delay", NOTHING if late is None else stretch(late)],
        ["Lasted", NOTHING if lasted is None else stretch(lasted)],
        [
            "Mentions",
            f"{figure(alert.observed.mentions)}, usually {figure(alert.expected.mentions)}",
        ],
        [
            "Negative",
            f"{percentage(negative_share(alert))}, usually "
            f"{percentage(alert.expected.negative_share)}",
        ],
        ["Authors", figure(alert.observed.authors)],
        ["Reach", figure(alert.observed.reach)],
    ]
    if measures is not None and measures.peak is not None:
        back = None if measures.calm_at is None else measures.calm_at - measures.peak.at
        rows.append(["From the peak to a usual hour", NOTHING if back is None else stretch(back)])
    yield from _section("Figures", ["", ""], rows)


def _shares(shares: Iterable[Share]) -> Iterator[Sequence[str]]:
    for share in shares:
        yield share.name, figure(share.count), percentage(share.share)


def _who(account: Account) -> Iterator[str]:
    organic = account.alert.organic
    voices = [
        [VOICES[voice.role], voice.author, figure(voice.reach), signed(voice.tone)]
        for voice in account.alert.voices
    ]
    yield from _section("Voices", ["Role", "Author", "Reach", "Tone"], voices)
    if organic is not None:
        yield (
            f"Near-duplicates {percentage(organic.copies)}, authors per mention "
            f"{figure(organic.authors)}, spread over authors {percentage(organic.entropy)}."
        )
        yield ""


def _exhibits(account: Account) -> Iterator[str]:
    if not account.alert.exhibits:
        return
    yield "## What people wrote"
    yield ""
    first = account.alert.first_post
    if first is not None:
        yield f"> {escaped(first.text) or '(no text)'}"
        yield ">"
        yield f"> the first one kept · {escaped(first.platform)} · {moment(first.created_at)}"
        yield ""
    for exhibit in account.alert.exhibits:
        yield f"> {escaped(exhibit.text) or '(no text)'}"
        yield ">"
        origin = safe_link(exhibit.url)
        link = f" · [original](<{_address(origin)}>)" if origin else ""
        yield (
            f"> {escaped(exhibit.platform)} · {moment(exhibit.created_at)} · reach "
            f"{figure(exhibit.reach)} · negative {percentage(exhibit.p_negative)}"
            f"{f' · about {exhibit.alike} alike' if exhibit.alike > 1 else ''}{link}"
        )
        yield ""


def _plan(account: Account) -> Iterator[str]:
    step = account.alert.step
    yield "## What the plan said"
    yield ""
    if step is None:
        yield "Nothing, for this kind and severity."
        yield ""
        return
    if step.owner:
        yield f"Owner: {escaped(step.owner)}"
        yield ""
    for number, text in enumerate(step.first_steps, start=1):
        yield f"{number}. {escaped(text)}"
    if step.first_steps:
        yield ""
    yield from _table(
        ["Deadline", "Due (UTC)", "Kept"],
        ([due.what, moment(due.due), due.kept] for due in account.dues),
    )
    for language, statement in step.holding_statement.items():
        yield f"> ({escaped(language)}) {escaped(statement)}"
        yield ""


def _comparison(account: Account) -> Iterator[Sequence[str]]:
    for alert in (*account.earlier, account.alert):
        late, lasted = delay(alert), duration(alert)
        yield (
            moment(alert.onset) + (" (this one)" if alert is account.alert else ""),
            KINDS[alert.kind],
            SEVERITIES[alert.severity],
            NOTHING if late is None else stretch(late),
            NOTHING if lasted is None else stretch(lasted),
            figure(alert.observed.mentions),
            figure(alert.observed.negative),
        )


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = list(_table(heads, rows))
    if table:
        yield f"## {title}"
        yield ""
        yield from table


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    if lines:
        yield f"| {' | '.join(heads)} |"
        yield f"|{'|'.join(' --- ' for _ in heads)}|"
        yield from lines
        yield ""


def _address(url: str) -> str:
    """An address within ``<…>``: nothing in it may end it."""
    return re.sub(r"[<>\\\s]", lambda m: f"%{ord(m[0]):02X}", printable(url))
