"""Which connectors there are, what they need and what they cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A connector as a person chooses it."""

    name: str
    what: str
    needs: str
    costs: str


CATALOG = (
    Entry("file", "posts from CSV, TSV or JSON lines, each also .gz", "a file", "nothing"),
    Entry("simulator", "invented brands over some days, with one crisis", "nothing", "nothing"),
)
