"""Reports are written when alerts are over, again when they change, and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.alert import CrisisAlert
from models.detection.base import BUCKET_MS
from models.errors import UserError
from models.series import SeriesPoint
from pipeline.console.archive import Archive
from pipeline.feed import News
from pipeline.ledger import Ledger
from pipeline.report.dossier import Dossier
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms, series_point

EXHIBIT = {
    "post": "x:1",
    "created_at": from_ms(NOON_MS),
    "platform": "x",
    "text": "To już było",
    "p_negative": 0.9,
}
OVER = crisis_alert(3, "resolved", exhibits=[EXHIBIT])


class Shelf:
    """An archive over a ledger instead of topics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger()
        self.archive = Archive(folder, self.read)
        self.points: list[SeriesPoint] = []

    async def read(self, alert_id: str) -> Dossier:
        dossier = Dossier(alert_id)
        alert = self.ledger.alert(alert_id)
        if alert is None:
            raise UserError("not there")
        dossier.take_alert(alert)
        for point in self.points:
            dossier.take_point(point)
        return dossier

    def tell(self, alert: CrisisAlert) -> None:
        self.ledger.fold_alert(alert)
        self.archive.hear([News(alert.brand, alert, live=True)], self.ledger)

    def pass_time(self, days: float) -> int:
        """So long after the end; returns how many reports are wanted then, and writes them."""
        assert OVER.resolved_at is not None
        end = round((OVER.resolved_at.timestamp() * 1000 - NOON_MS) / BUCKET_MS + days * 1440)
        self.points = [series_point(end - 1)]
        self.ledger.fold_point(self.points[0])
        self.archive.hear([News("orzel-air", self.points[0], live=True)], self.ledger)
        wanted = self.archive._wanted.qsize()
        while not self.archive._wanted.empty():
            asyncio.run(self.archive.write(self.archive._wanted.get_nowait()))
        return wanted

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


async def test_an_alert_that_is_over_gets_its_report_in_each_language_and_form(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "reports")
    shelf.ledger.fold_alert(OVER)
    await shelf.archive.write(OVER.alert_id)
    name = OVER.alert_id
    assert shelf.files == [f"{name}.{e}" for e in ("en.html", "en.md", "pl.html", "pl.md")]
    assert "Przebieg" in (shelf.folder / f"{name}.pl.md").read_text()
    assert "To już było" in (shelf.folder / f"{name}.en.html").read_text()


@pytest.mark.parametrize(
    "alert",
    [crisis_alert(2), crisis_alert(0, "pending"), crisis_alert(1, "resolved", fired_at=None)],
)
def test_what_runs_or_never_fired_gets_none(tmp_path: Path, alert: CrisisAlert) -> None:
    shelf = Shelf(tmp_path)
    shelf.tell(alert)
    assert shelf.archive._wanted.empty()


def test_a_post_that_was_erased_goes_from_the_files_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.ledger.fold_alert(OVER)
    asyncio.run(shelf.archive.write(OVER.alert_id))
    shelf.tell(OVER)
    assert shelf.archive._wanted.empty()  # this revision is told of already
    shelf.tell(OVER.model_copy(update={"revision": 4, "exhibits": ()}))
    assert shelf.archive._wanted.qsize() == 1
    asyncio.run(shelf.archive.write(shelf.archive._wanted.get_nowait()))
    assert not any("To już było" in path.read_text() for path in tmp_path.iterdir())


def test_a_console_that_starts_again_looks_for_what_is_missing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.ledger.fold_alert(OVER)
    shelf.ledger.fold_alert(crisis_alert(2, brand="klos"))
    shelf.archive.look_through(shelf.ledger)
    assert shelf.archive._wanted.qsize() == 1
    asyncio.run(shelf.archive.write(OVER.alert_id))
    later = Shelf(tmp_path)
    later.ledger.fold_alert(OVER)
    later.archive.look_through(later.ledger)
    assert later.archive._wanted.empty()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ".hidden", "a/b\\c\x00d"])
def test_no_name_of_an_alert_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = Shelf(tmp_path).archive.path(name, "pl", "html")
    assert path.parent == tmp_path
    assert not path.name.startswith(".")


def test_a_report_is_written_anew_while_days_after_it_become_known(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.ledger.fold_alert(OVER)
    days = (0.1, 0.9, 1.0, 1.1, 1.9, 2.1, 2.5, 3.1, 3.9, 4.5, 9.0)
    assert [shelf.pass_time(d) for d in days] == [1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0]


def test_a_report_whose_minutes_are_gone_is_not_waited_for(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.ledger.fold_alert(OVER)
    asyncio.run(shelf.archive.write(OVER.alert_id))
    shelf.ledger.fold_point(series_point(9 * 1440))
    shelf.archive.look_through(shelf.ledger)
    assert shelf.archive._wanted.empty()
