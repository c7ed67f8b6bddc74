"""The week of all brands on one page, as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from models.alert import CrisisAlert
from pipeline.console.templating import make_environment
from pipeline.console.wording import (
    KINDS,
    NOTHING,
    SEVERITIES,
    day,
    figure,
    moment,
    percentage,
    signed,
    stretch,
)
from pipeline.language import _
from pipeline.report.history import History, Sums, median, seen_after
from pipeline.report.html import FOLDER, POLICY, STYLE
from pipeline.report.markdown import escaped, table

WEEK = timedelta(days=7)
MAX_TERMS = 5
FULL_COVERAGE = 0.995


@dataclass(frozen=True, slots=True)
class BrandWeek:
    """One brand in the week."""

    brand: str
    name: str
    now: Sums
    before: Sums
    crises: tuple[CrisisAlert, ...]
    terms: tuple[str, ...]

    @property
    def change(self) -> float | None:
        """Change of the mood against the week before; None where either is unknown."""
        now, before = self.now.mood, self.before.mood
        return None if now is None or before is None else now - before

    @property
    def volume_change(self) -> float | None:
        """Mentions over those of the week before; None where there were none."""
        return self.now.mentions / self.before.mentions if self.before.mentions else None


@dataclass(frozen=True, slots=True)
class Digest:
    """The week of all brands.

    Attributes:
        begin, end: of the week.
        brands: those with crises first, then by how much their mood fell.
        crises: of all brands, by onset.
        delay, response: medians over them.
        false: how many were called false alarms.
    """

    begin: datetime
    end: datetime
    brands: list[BrandWeek]
    crises: list[CrisisAlert]
    delay: timedelta | None
    response: timedelta | None
    false: int


def write_digest(history: History, end: datetime) -> Digest:
    """Gathers the seven days before `end`."""
    begin = end - WEEK
    crises = [crisis for crisis in history.crises() if begin <= crisis.onset < end]
    brands = []
    for brand, name in history.names.items():
        now = history.sums(brand, begin, end)
        terms = sorted(now.terms.items(), key=lambda item: (-item[1], item[0]))
        brands.append(
            BrandWeek(
                brand=brand,
                name=name,
                now=now,
                before=history.sums(brand, begin - WEEK, begin),
                crises=tuple(crisis for crisis in crises if crisis.brand == brand),
                terms=tuple(term for term, _share in terms[:MAX_TERMS]),
            )
        )
    brands.sort(key=lambda week: (-len(week.crises), week.change or 0.0, week.name))
    responses = [
        max(timedelta(0), seen - crisis.fired_at)
        for crisis in crises
        if crisis.fired_at is not None and (seen := history.acknowledged_at(crisis)) is not None
    ]
    return Digest(
        begin=begin,
        end=end,
        brands=brands,
        crises=crises,
        delay=median(seen_after(crisis) for crisis in crises),
        response=median(responses),
        false=sum(history.was_false(crisis) for crisis in crises),
    )


def digest_html(digest: Digest) -> str:
    """One file that holds all it needs."""
    template = make_environment(FOLDER).get_template("digest.html")
    style = Markup(STYLE)  # noqa: S704 - our own file
    return template.render(
        digest=digest,
        sentences=sentences(digest),
        policy=POLICY,
        style=style,
        seen_after=seen_after,
    )


def digest_markdown(digest: Digest) -> str:
    """GitHub-flavoured Markdown."""
    return "\n".join(_lines(digest)) + "\n"


def _lines(digest: Digest) -> Iterator[str]:
    yield "# " + _("Week %(begin)s to %(end)s", begin=day(digest.begin), end=day(digest.end))
    yield ""
    for sentence in sentences(digest):
        yield escaped(sentence)
    yield ""
    yield "## " + _("Crises")
    yield ""
    yield from table(
        [_("Brand"), _("Kind"), _("Severity"), _("Began"), _("Fired after"), _("Lasted")],
        (
            [
                crisis.brand_name,
                _(KINDS[crisis.kind]),
                _(SEVERITIES[crisis.severity]),
                moment(crisis.onset),
                stretch(seen_after(crisis)),
                NOTHING
                if crisis.resolved_at is None
                else stretch(crisis.resolved_at - crisis.onset),
            ]
            for crisis in digest.crises
        ),
    )
    yield "## " + _("Brands")
    yield ""
    yield from table(
        [
            _("Brand"),
            _("Mentions"),
            _("Negative"),
            _("Sentiment"),
            _("Change"),
            _("Terms that rose"),
        ],
        (
            [
                week.name,
                figure(week.now.mentions),
                percentage(week.now.negative_share),
                signed(week.now.mood),
                signed(week.change),
                ", ".join(week.terms),
            ]
            for week in digest.brands
        ),
    )
    yield _("All times are event time, UTC.")


def sentences(digest: Digest) -> list[str]:
    """The week in words."""
    if not digest.crises:
        said = [_("No crisis fired.")]
    else:
        said = [
            _(
                "Crises that fired: %(count)s, called false alarms: %(false)s.",
                count=len(digest.crises),
                false=digest.false,
            ),
            _(
                "Median delay of detection: %(delay)s; median time until somebody acknowledged: "
                "%(response)s.",
                delay=NOTHING if digest.delay is None else stretch(digest.delay),
                response=NOTHING if digest.response is None else stretch(digest.response),
            ),
        ]
    fell = [week for week in digest.brands if (week.change or 0.0) <= -0.05]
    if fell:
        names = ", ".join(f"{week.name} ({signed(week.change)})" for week in fell[:5])
        said.append(_("The mood fell most for: %(names)s.", names=names))
    blind = [week.name for week in digest.brands if week.now.coverage < FULL_COVERAGE]
    if blind:
        said.append(
            _(
                "Part of it was not seen (coverage fell) for: %(names)s.",
                names=", ".join(blind[:10]),
            )
        )
    return said
