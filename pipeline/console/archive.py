"""Writes the report of an alert into a folder when it is over, and again when it changes.

Each alert that fired gets its report in every language, as HTML and as Markdown. A new revision of
an alert that is over means that a post was erased from it: the files are written anew. They are
too when a day, two and three have gone by, for by then it is known how the brand recovered. Lines
in the HTML say which revision it tells of and how many days after, so a console that starts again
writes what is missing or old.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from models.alert import CrisisAlert
from models.errors import UserError
from pipeline.feed import News
from pipeline.language import LANGUAGES, speaking
from pipeline.ledger import Ledger
from pipeline.report.account import write_account
from pipeline.report.dossier import Dossier
from pipeline.report.html import write_html
from pipeline.report.markdown import write_markdown
from pipeline.report.measures import DAYS_AFTER, whole_days

RETRY_S = 10.0
HEAD_CHARS = 4096
RECENT = timedelta(days=DAYS_AFTER + 1)
"""An alert that has been over for longer is not waited for."""
_REVISION = re.compile(r'<meta name="czujka-revision" content="(\d+)">')
_DAYS = re.compile(r'<meta name="czujka-days-after" content="(\d+)">')

log = logging.getLogger(__name__)


class Archive:
    """Keeps the folder of reports.

    Args:
        folder: where they lie; made if it is not there.
        read_dossier: reads the topics.
    """

    def __init__(self, folder: Path, read_dossier: Callable[[str], Awaitable[Dossier]]) -> None:
        self._folder = folder
        self._read_dossier = read_dossier
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._hour: datetime | None = None

    def hear(self, news: Sequence[News], ledger: Ledger) -> None:
        """Takes note of alerts that are over; once an hour looks for reports that lack a day."""
        for item in news:
            if isinstance(item.record, CrisisAlert) and self._is_due(item.record, None):
                self._wanted.put_nowait(item.record.alert_id)
        hour = ledger.watermark and ledger.watermark.replace(minute=0)
        if hour is not None and hour != self._hour:
            self._hour = hour
            self.look_through(ledger)

    def look_through(self, ledger: Ledger) -> None:
        """Takes note of all in memory whose report is missing or older than what is known."""
        for alert in ledger.alerts("resolved"):
            if self._is_due(alert, ledger.watermark):
                self._wanted.put_nowait(alert.alert_id)

    async def run(self) -> None:
        """Writes until cancelled; what cannot be read or written is tried again.

        An alert that was wanted twice is written once for each.
        """
        while True:
            alert_id = await self._wanted.get()
            try:
                await self.write(alert_id)
            except (UserError, OSError) as error:
                log.warning("report on %s not written, trying again: %s", alert_id, error)
                await asyncio.sleep(RETRY_S)
                self._wanted.put_nowait(alert_id)

    async def write(self, alert_id: str) -> list[Path]:
        """Writes the files of an alert and returns where they lie.

        Raises:
            UserError: the topics cannot be read.
            OSError: the folder cannot be written.
        """
        dossier = await self._read_dossier(alert_id)
        written = []
        for language in LANGUAGES:
            with speaking(language):
                account = write_account(dossier)
                texts = {"md": write_markdown(account), "html": write_html(account)}
            for ending, text in texts.items():
                path = self.path(alert_id, language, ending)
                await asyncio.to_thread(_write_whole, path, text)
                written.append(path)
        log.info("report on %s written to %s", alert_id, self._folder)
        return written

    def path(self, alert_id: str, language: str, ending: str) -> Path:
        """Where a file of an alert lies; nothing in the id leads out of the folder."""
        name = re.sub(r"[^\w.-]", "_", alert_id).lstrip(".")
        return self._folder / f"{name}.{language}.{ending}"

    def _is_due(self, alert: CrisisAlert, now: datetime | None) -> bool:
        if alert.status != "resolved" or alert.fired_at is None or alert.resolved_at is None:
            return False
        last = self.path(alert.alert_id, list(LANGUAGES)[-1], "html")
        try:
            with last.open(encoding="utf-8") as file:
                head = file.read(HEAD_CHARS)
        except OSError:
            return True
        revision, days = _REVISION.search(head), _DAYS.search(head)
        if revision is None or days is None or int(revision[1]) < alert.revision:
            return True
        if now is None or now - alert.resolved_at > RECENT:
            return False
        return int(days[1]) < whole_days(alert.resolved_at, now)


def _write_whole(path: Path, text: str) -> None:
    """Through another file, so that no reader finds half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    other = path.with_name(path.name + ".new")
    other.write_text(text, encoding="utf-8")
    other.replace(path)
