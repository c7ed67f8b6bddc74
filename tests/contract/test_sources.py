"""The contract of sources, on every source that there is."""

from datetime import date
from pathlib import Path

from connectors.base import Source
from connectors.fields import FieldMap
from connectors.file import FileOptions, FileSource
from connectors.pacing import PacedSource
from connectors.simulator import SimulatorSource, Story, simulate
from connectors.testing import ManualClock, SourceContract

NOON_MS = 1_424_174_400_000  # 2015-02-17 12:00 UTC
BROKEN = '{"id": 4, "when": "2015-02-17T12:00:40Z"}'
LINES = [
    '{"id": 3, "when": "2015-02-17T12:07:00Z", "body": "ostatni 👋"}',
    '{"id": 1, "when": "2015-02-17T13:00:00+01:00", "body": "Zażółć gęślą jaźń 😡"}',
    BROKEN,
    "not json at all",
    '{"id": 2, "when": "Tue Feb 17 12:00:30 +0000 2015", "body": "日本語 \\u0105"}',
    '{"when": 1424174700, "body": "bez identyfikatora"}',
]
TEXTS = {
    "Zażółć gęślą jaźń 😡": NOON_MS,
    "日本語 ą": NOON_MS + 30_000,
    "bez identyfikatora": NOON_MS + 300_000,
    "ostatni 👋": NOON_MS + 420_000,
}


def a_file(folder: Path) -> FileSource:
    path = folder / "posts.jsonl"
    path.write_text("\n".join(LINES), "utf-8")
    fields = FieldMap.parse(["native_id=id", "created_at=when", "text=body"])
    return FileSource(path, FileOptions(fields=fields, source="archive"))


class TestFile(SourceContract):
    texts = TEXTS
    rejects = 2

    def make(self, folder: Path) -> Source:
        return a_file(folder)


class TestFileAtAPace(SourceContract):
    texts = TEXTS
    rejects = 2

    def make(self, folder: Path) -> Source:
        return PacedSource(a_file(folder), speed=60.0, clock=ManualClock())


STORY = Story.plan(seed=5, days=1, start=date(2026, 11, 4))


SOME_TEXTS = {
    post.text: post.created_ms
    for page in simulate(STORY)
    for post in page.posts[:1]
    if "ł" in post.text
}


class TestSimulator(SourceContract):
    texts = SOME_TEXTS
    late = 0.01

    def make(self, folder: Path) -> Source:
        return SimulatorSource(STORY)
