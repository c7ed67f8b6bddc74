"""A surge of complaints on one platform, told in the words of no platform yet."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

MINUTE_MS = 60_000
QUIET_MIN = 2 * 24 * 60
SURGE_MIN = 10
CALM_EVERY_MIN = 10
SURGE_PER_MIN = 20

_CALM = (
    "czytałem dziś o {name}, nic nowego",
    "{name} ma nowe godziny otwarcia",
    "ktoś był ostatnio w {name}",
    "jutro idę do {name} po odbiór",
    "{name} znowu w gazecie",
    "pytanie o {name}, jak tam dojechać",
)
_WHAT = (
    "skandal, {name} mnie oszukała",
    "{name} to złodzieje",
    "wstyd, {name} kłamie klientom w oczy",
    "najgorsza obsługa, nigdy więcej {name}",
    "{name} zepsuła wszystko i nie przeprasza",
    "koszmar z {name}, jestem wściekły",
    "{name} okradła moją matkę",
    "tragedia, {name} ma nas gdzieś",
)
_HOW = (
    "żądam zwrotu pieniędzy",
    "nikt nie odbiera telefonu",
    "obrzydliwe traktowanie ludzi",
    "zgłaszam oszustwo do urzędu",
    "straciłem dwa dni i nerwy",
    "beznadziejna, chamska firma",
)
_END = ("omijajcie z daleka", "hańba", "okropne", "dno", "nienawidzę ich", "fatalnie")


@dataclass(frozen=True)
class Said:
    """One thing that somebody says.

    Attributes:
        number: from 1, in the order of time.
        created_ms: when.
        text: about the brand.
        author: who.
    """

    number: int
    created_ms: int
    text: str
    author: str

    @property
    def created_s(self) -> int:
        """When, in whole seconds."""
        return self.created_ms // 1000


def surge(name: str, end_ms: int, seed: int) -> list[Said]:
    """Two days of calm talk about a brand, then ten minutes of complaints.

    Args:
        name: of the brand.
        end_ms: when it is over.
        seed: of the times and of the order.
    """
    rng = random.Random(seed)
    complaints = [", ".join(parts) for parts in product(_WHAT, _HOW, _END)]
    rng.shuffle(complaints)
    start_ms = end_ms - (QUIET_MIN + SURGE_MIN) * MINUTE_MS
    rows: list[tuple[int, str]] = []
    for minute in range(QUIET_MIN + SURGE_MIN):
        surging = minute >= QUIET_MIN
        for _ in range(SURGE_PER_MIN if surging else minute % CALM_EVERY_MIN == 0):
            at_ms = start_ms + minute * MINUTE_MS + rng.randrange(60) * 1000
            text = complaints.pop() if surging else f"{rng.choice(_CALM)} ({minute})"
            rows.append((at_ms, text.format(name=name)))
    rows.sort()
    return [Said(n, at_ms, text, f"autor_{seed}_{n}") for n, (at_ms, text) in enumerate(rows, 1)]
