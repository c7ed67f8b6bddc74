"""The report as Markdown, for wikis and tickets. Everything that is not ours is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from models.alert import Exhibit, Observed
from pipeline.console import sayings
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
from pipeline.language import _
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
    kind, began = _(KINDS[alert.kind]).lower(), moment(alert.onset)
    yield f"# {escaped(alert.brand_name)}: {kind}, {began} UTC"
    yield ""
    yield escaped(" ".join(account.summary))
    yield ""
    yield from _section(_("Timeline"), ["", _("When (UTC)"), _("What"), ""], _timeline(account))
    yield from _figures(account)
    yield from _section(
        _("Platforms"), [_("Platform"), _("Mentions"), _("Share")], _shares(account.platforms)
    )
    yield from _section(
        _("Languages"), [_("Language"), _("Mentions"), _("Share")], _shares(account.languages)
    )
    cause = account.alert.cause
    if cause is not None:
        words = ", ".join(escaped(reason) for reason in cause.reasons)
        told = (
            _(
                "%(share)s of negative posts speak of it (%(words)s).",
                share=percentage(cause.share),
                words=words,
            )
            if words
            else ""
        )
        yield f"{_('Probable cause')}: **{_(CAUSES[cause.cause]).lower()}**. {told}".rstrip()
        yield ""
    terms = [
        [term.term, percentage(term.share), percentage(term.usual_share)]
        for term in account.alert.terms
    ]
    yield from _section(_("Terms that rose"), [_("Term"), _("In the story"), _("Usually")], terms)
    hours = [[moment(at), ", ".join(words)] for at, words in account.hours]
    yield from _section(_("Terms that rose, by hour"), [_("When (UTC)"), _("Term")], hours)
    yield from _exhibits(account)
    yield from _who(account)
    yield from _plan(account)
    if account.measures is not None:
        moods = [[mood.name, signed(mood.sentiment)] for mood in account.measures.moods]
        yield from _section(_("Sentiment before, during and after"), ["", _("Mean")], moods)
    yield from _section(
        _("Beside the brand's earlier alerts"),
        [
            _("Began"),
            _("Kind"),
            _("Severity"),
            _("Fired after"),
            _("Lasted"),
            _("Mentions"),
            _("Negative"),
        ],
        _comparison(account),
    )
    yield f"## {_('Questions')}"
    yield ""
    for question in account.lessons:
        yield f"- [ ] {escaped(question)}"
    yield ""
    revision = _("revision %(number)s", number=alert.revision)
    yield f"{_('Alert')} `{escaped(alert.alert_id).replace('`', '')}`, {revision}. "
    yield _(
        "All times are event time, UTC. Posts are redacted; authors are pseudonyms, but for public "
        "figures of the watchlist."
    )


def _timeline(account: Account) -> Iterator[Sequence[str]]:
    for event in account.events:
        yield account.letter(event), moment(event.at), event.what, event.detail


def _figures(account: Account) -> Iterator[str]:
    alert, measures = account.alert, account.measures
    late, lasted = delay(alert), duration(alert)
    rows = [
        [_("Detection delay"), NOTHING if late is None else stretch(late)],
        [_("Lasted"), NOTHING if lasted is None else stretch(lasted)],
        [
            _("Mentions"),
            f"{figure(alert.observed.mentions)}, {_('usually')} {figure(alert.expected.mentions)}",
        ],
        [
            _("Negative"),
            f"{percentage(negative_share(alert))}, {_('usually')} "
            f"{percentage(alert.expected.negative_share)}",
        ],
        [_("Sentiment"), _moods(alert.observed)],
        [_("Authors"), figure(alert.observed.authors)],
        [_("Reach"), figure(alert.observed.reach)],
    ]
    if measures is not None and measures.peak is not None:
        back = None if measures.calm_at is None else measures.calm_at - measures.peak.at
        rows.append([_("Peak to a usual hour"), NOTHING if back is None else stretch(back)])
    yield from _section(_("Figures"), ["", ""], rows)


def _moods(seen: Observed) -> str:
    plain = signed(seen.sentiment)
    if seen.weighted_sentiment is None:
        return plain
    return f"{plain}, {_('weighted by influence')} {signed(seen.weighted_sentiment)}"


def _shares(shares: Iterable[Share]) -> Iterator[Sequence[str]]:
    for share in shares:
        yield share.name, figure(share.count), percentage(share.share)


def _who(account: Account) -> Iterator[str]:
    organic = account.alert.organic
    voices = [
        [
            _(VOICES[voice.role]),
            voice.handle or voice.author,
            figure(voice.reach),
            signed(voice.tone),
        ]
        for voice in account.alert.voices
    ]
    yield from _section(_("Voices"), [_("Role"), _("Author"), _("Reach"), _("Tone")], voices)
    if organic is not None:
        yield _(
            "Near-duplicates %(copies)s, authors per mention %(authors)s, spread over authors "
            "%(entropy)s.",
            copies=percentage(organic.copies),
            authors=figure(organic.authors),
            entropy=percentage(organic.entropy),
        )
        yield ""


def _exhibits(account: Account) -> Iterator[str]:
    alert = account.alert
    if not (alert.exhibits or alert.first_post or alert.take_off):
        return
    yield f"## {_('What people wrote')}"
    yield ""
    first, take_off = alert.first_post, alert.take_off
    if first is not None:
        yield from _quoted(first, _("The first one kept"))
    if take_off is not None:
        after = _("After this one it took off")
        yield from _quoted(take_off.exhibit, f"{after}: {sayings.rise(alert)}")
    for exhibit in alert.exhibits:
        yield from _quoted(exhibit)


def _quoted(exhibit: Exhibit, which: str = "") -> Iterator[str]:
    origin = safe_link(exhibit.url)
    link = f" · [{_('original')}](<{_address(origin)}>)" if origin else ""
    alike = _("about %(count)s alike", count=exhibit.alike) if exhibit.alike > 1 else ""
    yield f"> {escaped(exhibit.text) or _('(no text)')}"
    yield ">"
    yield (
        f"> {f'**{which}** · ' if which else ''}{escaped(exhibit.platform)} · "
        f"{moment(exhibit.created_at)} · {_('reach')} {figure(exhibit.reach)} · "
        f"{_('negative')} {percentage(exhibit.p_negative)}{f' · {alike}' if alike else ''}"
        f"{f' · {escaped(exhibit.handle)}' if exhibit.handle else ''}{link}"
    )
    yield ""


def _plan(account: Account) -> Iterator[str]:
    step = account.alert.step
    yield f"## {_('What the plan said')}"
    yield ""
    if step is None:
        yield _("Nothing, for this kind and severity.")
        yield ""
        return
    if step.owner:
        yield f"{_('Owner')}: {escaped(step.owner)}"
        yield ""
    for number, text in enumerate(step.first_steps, start=1):
        yield f"{number}. {escaped(text)}"
    if step.first_steps:
        yield ""
    yield from table(
        [_("Deadline"), _("Due (UTC)"), _("Kept")],
        ([due.what, moment(due.due), due.kept] for due in account.dues),
    )
    for language, statement in step.holding_statement.items():
        yield f"> ({escaped(language)}) {escaped(statement)}"
        yield ""


def _comparison(account: Account) -> Iterator[Sequence[str]]:
    for alert in (*account.earlier, account.alert):
        late, lasted = delay(alert), duration(alert)
        yield (
            moment(alert.onset) + (f" ({_('this one')})" if alert is account.alert else ""),
            _(KINDS[alert.kind]),
            _(SEVERITIES[alert.severity]),
            NOTHING if late is None else stretch(late),
            NOTHING if lasted is None else stretch(lasted),
            figure(alert.observed.mentions),
            figure(alert.observed.negative),
        )


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = list(table(heads, rows))
    if lines:
        yield f"## {title}"
        yield ""
        yield from lines


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table, its cells escaped; nothing where there are no rows."""
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    if lines:
        yield f"| {' | '.join(heads)} |"
        yield f"|{'|'.join(' --- ' for _ in heads)}|"
        yield from lines
        yield ""


def _address(url: str) -> str:
    """An address within ``<…>``: nothing in it may end it."""
    return re.sub(r"[<>\\\s]", lambda m: f"%{ord(m[0]):02X}", printable(url))
