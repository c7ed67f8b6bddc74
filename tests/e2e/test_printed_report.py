"""A report is printed to PDF by a real browser: every word of it, on few pages, nothing cut off."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from models.feedback import Answer
from pipeline.language import speaking
from pipeline.report.account import write_account
from pipeline.report.html import write_html
from tests.support.lacking import lack
from tests.unit.pipeline.report.samples import answer, at, dossier

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
MOST_PAGES = 6
WORD = re.compile(r"[^\W_]{3,14}")

pytestmark = pytest.mark.e2e


class Words(HTMLParser):
    """Words that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._hidden = 0
        self.words: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "title", "head")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title", "head")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words |= set(WORD.findall(data))


def whole_report(language: str) -> str:
    """The report of a crisis of which everything is known."""
    texts = (
        "Zażółć gęślą jaźń: kolejny odwołany lot, a na lotnisku nikt nic nie wie.",
        "Three hours in the queue and nobody says anything. " * 8,
        "Samoloty stoją, infolinia milczy",
    )
    exhibits = [
        {
            "post": f"x:{n}",
            "created_at": at(n),
            "platform": "mastodon",
            "author": f"u_{n:016x}",
            "reach": 1_000 * n + 7,
            "text": text,
            "p_negative": 0.9,
            "alike": n + 1,
        }
        for n, text in enumerate(texts)
    ]
    told = dossier(
        brand_name="Orzeł Air",
        exhibits=exhibits,
        first_post=exhibits[0],
        take_off={
            "exhibit": exhibits[1] | {"handle": "@minister"},
            "minutes": 15,
            "before_per_min": 0.5,
            "after_per_min": 12,
        },
        terms=[{"term": "odwołany lot", "z": 9, "share": 0.4, "usual_share": 0.01}],
        cause={"cause": "service", "share": 0.5, "reasons": ["odwołany"]},
        organic={"copies": 0.1, "authors": 0.9, "entropy": 0.9},
        voices=[{"author": "u_0123456789abcdef", "role": "turned", "reach": 9, "tone": -0.9}],
    )
    for kind in (Answer.ACKNOWLEDGE, Answer.RIGHT_ALERT):
        said = answer(kind, 40, by="Ala", note="kryzys potwierdzony")
        told.take_answer(said.key(), said)
    with speaking(language):
        return write_html(write_account(told))


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("language", ["en", "pl"])
def test_a_printed_report_holds_every_word_of_the_page(language: str, tmp_path: Path) -> None:
    if CHROMIUM is None:
        lack("no chromium here (on Debian: apt-get install chromium)")
    if shutil.which("pdftotext") is None:
        lack("no pdftotext here (on Debian: apt-get install poppler-utils)")
    page = whole_report(language)
    source = tmp_path / "report.html"
    source.write_text(page, encoding="utf-8")
    ARTEFACTS.mkdir(exist_ok=True)
    printed = ARTEFACTS / f"report-{language}.pdf"
    printed.unlink(missing_ok=True)
    run(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--no-pdf-header-footer",
        f"--print-to-pdf={printed}",
        source.as_uri(),
    )
    about = dict(line.split(":", 1) for line in run("pdfinfo", printed).splitlines())
    assert 1 <= int(about["Pages"]) <= MOST_PAGES
    text = run("pdftotext", "-layout", printed, "-")
    missing = Words(page).words - set(WORD.findall(text))
    assert missing == set()
    assert "@minister" in text
    assert "A4" in about["Page size"]
    sheets = [sheet for sheet in text.split("\f") if sheet.strip()]
    assert len(sheets) == int(about["Pages"]), "no sheet is empty"
    run("pdftoppm", "-r", "60", "-png", printed, ARTEFACTS / f"report-{language}-sheet")
