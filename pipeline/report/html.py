"""The report as one HTML file: styles and drawings inside, no script, nothing loaded."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from pipeline.console.templating import make_environment
from pipeline.language import _
from pipeline.plaintext import printable
from pipeline.report.account import Account, delay, duration, negative_share
from pipeline.report.drawings import Mark, draw_share, draw_volume

FOLDER = Path(__file__).parent / "templates"
STYLE = (FOLDER / "report.css").read_text(encoding="utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-security policy: our own styles and nothing else."""


def write_html(account: Account) -> str:
    """The whole report."""
    marks = [Mark(account.letter(event), event.at, event.name) for event in account.events]
    begin, end = account.window
    name = printable(account.alert.brand_name)
    template = make_environment(FOLDER).get_template("report.html")
    return template.render(
        account=account,
        alert=account.alert,
        policy=POLICY,
        days=0
        if account.alert.resolved_at is None
        else account.minutes.days_after(account.alert.resolved_at),
        style=Markup(STYLE),  # noqa: S704 - our own file
        volume=draw_volume(
            account.minutes,
            begin,
            end,
            marks,
            _("Mentions a minute of %(name)s and what is usual", name=name),
        ),
        share=draw_share(
            account.minutes,
            begin,
            end,
            marks,
            _("Negative share of %(name)s and what is usual", name=name),
        ),
        delay=delay,
        duration=duration,
        negative_share=negative_share,
    )
