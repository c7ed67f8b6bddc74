"""Templates of console and reports: one place where text becomes HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.alert import ALL_BRANDS
from pipeline import language
from pipeline.console import sayings, views, wording
from pipeline.plaintext import printable


def make_environment(folder: Path) -> Environment:
    """Templates of a folder: everything in an expression is escaped and freed of controls."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    environment.filters.update(
        figure=wording.figure,
        percentage=wording.percentage,
        signed=wording.signed,
        chance=wording.chance,
        moment=_moment,
        plain_moment=wording.moment,
        stretch=wording.stretch,
        safe_link=views.safe_link,
        summary=sayings.summary,
        reason=sayings.reason,
        rise=sayings.rise,
        alert_href=views.alert_href,
        brand_href=views.brand_href,
        resilience_href=views.resilience_href,
        day=wording.day,
        month_name=wording.month_name,
        scaled=views.scaled,
        report_href=views.report_href,
    )
    words: Sequence[str] = (
        "KINDS",
        "SEVERITIES",
        "STATUSES",
        "PHASES",
        "BRAND_STATES",
        "CAUSES",
        "ANSWERS",
        "VOICES",
    )
    environment.globals.update({name: getattr(wording, name) for name in words})
    environment.globals["ALL_BRANDS"] = ALL_BRANDS
    environment.globals["session"] = None
    environment.globals["spoken"] = language.spoken
    environment.globals["LANGUAGES"] = language.LANGUAGES
    environment.globals["lasted"] = views.lasted
    return environment


def _without_controls(value: object) -> object:
    """What every expression in a template passes through before it is escaped.

    Marked text passes too: a translated sentence is marked, and may hold a stranger's name.
    """
    if isinstance(value, Markup):
        return Markup(printable(str(value)))  # noqa: S704 - only takes characters away
    return printable(value) if isinstance(value, str) else value


def _moment(time: datetime | None) -> str:
    """A point in time that machines can read too."""
    if time is None:
        return wording.NOTHING
    return Markup('<time datetime="{}">{}</time>').format(time.isoformat(), wording.moment(time))
