"""The invented firms of the story, and how people call them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brand:
    """A firm that people write about.

    Attributes:
        id: as in the watchlist of the demo.
        sector: section of the phrase books.
        per_min: posts a minute, averaged over a day.
        negative: share of negative posts in usual times.
        positive: share of positive ones.
        cases: the name in the six Polish cases N, G, D, A, I, L.
        english: the name in English texts.
        handle: without the at sign; the hashtag is the same word.
    """

    id: str
    sector: str
    per_min: float
    negative: float
    positive: float
    cases: tuple[str, str, str, str, str, str]
    english: str
    handle: str

    def rules(self, language: str) -> dict[str, list[str]]:
        """Rules of the phrase books that the brand fills in."""
        names = self.cases if language == "pl" else (self.english,) * 6
        filled = {case: [name] for case, name in zip("NGDAIL", names, strict=True)}
        return {**filled, "at": [f"@{self.handle}"], "tag": [f"#{self.handle}"]}


AIRLINE = Brand(
    id="orzel-air",
    sector="airline",
    per_min=3.0,
    negative=0.24,
    positive=0.22,
    cases=("Orzeł Air", "Orła Air", "Orłowi Air", "Orła Air", "Orłem Air", "Orle Air"),
    english="Orzeł Air",
    handle="orzelair",
)
SHOP = Brand(
    id="klos",
    sector="shop",
    per_min=8.0,
    negative=0.15,
    positive=0.30,
    cases=("Kłos", "Kłosa", "Kłosowi", "Kłosa", "Kłosem", "Kłosie"),
    english="Kłos",
    handle="sklepyklos",
)
BANK = Brand(
    id="bank-wisla",
    sector="bank",
    per_min=0.8,
    negative=0.32,
    positive=0.16,
    cases=(
        "Bank Wisła",
        "Banku Wisła",
        "Bankowi Wisła",
        "Bank Wisła",
        "Bankiem Wisła",
        "Banku Wisła",
    ),
    english="Bank Wisła",
    handle="bankwisla",
)
TELECOM = Brand(
    id="lumen-mobile",
    sector="telecom",
    per_min=1.5,
    negative=0.35,
    positive=0.14,
    cases=(
        "Lumen Mobile",
        "Lumena Mobile",
        "Lumenowi Mobile",
        "Lumena Mobile",
        "Lumenem Mobile",
        "Lumenie Mobile",
    ),
    english="Lumen Mobile",
    handle="lumenmobile",
)
WATER = Brand(
    id="zdroj-polana",
    sector="water",
    per_min=0.3,
    negative=0.14,
    positive=0.30,
    cases=(
        "Zdrój Polana",
        "Zdroju Polana",
        "Zdrojowi Polana",
        "Zdrój Polana",
        "Zdrojem Polana",
        "Zdroju Polana",
    ),
    english="Zdrój Polana",
    handle="zdrojpolana",
)
BRANDS = (AIRLINE, SHOP, BANK, TELECOM, WATER)
