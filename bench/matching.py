"""How long a post takes to match, with a few thousand terms: `python -m bench.matching`.

Prints microseconds a post for whole batches (median and range of the rounds) of the matcher and of
its parts, and the same literals in pyahocorasick where that is installed. Posts are made up of
seeded pseudo-words; one in ten has characters outside ASCII.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import ahocorasick_rs

from models.brand import Brand, Match
from models.folding import fold
from models.matching import Matcher

SYLLABLES = [c + v for c in "bcdfghjklmnprstwz" for v in "aeiouy"]
POST_CHARS = 100


def word(rng: random.Random, syllables: int) -> str:
    """A pseudo-word."""
    return "".join(rng.choice(SYLLABLES) for _ in range(syllables))


def brands_of(rng: random.Random, terms: int) -> list[Brand]:
    """Brands with five terms each: one or two words, a handle, a hashtag, a stem."""
    brands = []
    for index in range(terms // 5):
        first, second = word(rng, 4).title(), word(rng, 2).title()
        tag = (first + second).lower()
        match = Match(
            any=(first, f"{first} {second}", f"@{tag}", f"#{tag}"), stems=(f"{first[:-1]}*",)
        )
        brands.append(Brand(id=f"brand-{index}", name=first, match=match))
    return brands


def post(rng: random.Random) -> str:
    """About 100 characters of words of one to four syllables, links and emoji at times."""
    parts: list[str] = []
    while sum(map(len, parts)) + len(parts) < POST_CHARS:
        parts.append(word(rng, rng.choice((1, 1, 2, 2, 3, 4))))
    text = " ".join(parts)[:POST_CHARS]
    return text.replace("za", "żą").replace("lo", "ło") + "❤️" if rng.random() < 0.1 else text


def us_per_post(work: Callable[[], object], posts: int, rounds: int) -> dict[str, float]:
    """Median, least and most microseconds a post."""
    figures = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        figures.append((time.perf_counter() - start) / posts * 1e6)
    return {
        "median_us": round(statistics.median(figures), 3),
        "least_us": round(min(figures), 3),
        "most_us": round(max(figures), 3),
    }


def measure(terms: int, batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """Figures by name."""
    rng = random.Random(7)
    brands = brands_of(rng, terms)
    matcher = Matcher(brands)
    candidates = [post(rng) for _ in range(batch * 3)]
    matched = matcher.match(candidates)
    calm = [text for text, found in zip(candidates, matched, strict=True) if not found][:batch]
    assert len(calm) == batch, "too many of the made-up posts match"
    hits = [f"{rng.choice(brands).name} {text}"[:POST_CHARS] for text in calm]
    long_text = " ".join(calm * (1_000_000 // (batch * POST_CHARS) + 1))[:1_000_000]
    joined = "\0".join(calm)
    folded = fold(joined).text
    literals = list(matcher.literals)
    fastest = ahocorasick_rs.AhoCorasick(literals)
    results = {
        "match, nothing found": us_per_post(lambda: matcher.match(calm), batch, rounds),
        "match, one brand a post": us_per_post(lambda: matcher.match(hits), batch, rounds),
        "match, post by post": us_per_post(
            lambda: [matcher.match([text]) for text in calm], batch, rounds
        ),
        "fold alone": us_per_post(lambda: fold(joined), batch, rounds),
        "ahocorasick_rs alone": us_per_post(
            lambda: fastest.find_matches_as_indexes(folded, overlapping=True), batch, rounds
        ),
        "one text of 1 MB": us_per_post(lambda: matcher.match([long_text]), 1, rounds),
        "spans of one text": us_per_post(lambda: matcher.spans(hits[0]), 1, rounds),
    }
    if importlib.util.find_spec("ahocorasick"):
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for index, literal in enumerate(literals):
            automaton.add_word(literal, index)
        automaton.make_automaton()
        results["pyahocorasick alone"] = us_per_post(
            lambda: list(automaton.iter(folded)), batch, rounds
        )
    return results


def main() -> None:
    """Measures, prints, and writes bench/out/matching.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terms", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=4_096)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    results = measure(arguments.terms, arguments.batch, arguments.rounds)
    for name, figures in results.items():
        print(
            f"{name:28} {figures['median_us']:12.3f} µs "
            f"({figures['least_us']:.3f} … {figures['most_us']:.3f})"
        )
    out = Path("bench/out/matching.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps(
            {
                "machine": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "terms": arguments.terms,
                "batch": arguments.batch,
                "results": results,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
