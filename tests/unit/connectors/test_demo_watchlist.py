"""The watchlist of the demonstration finds the brands of the simulator, and nobody else."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.simulator import Story, simulate
from connectors.simulator.brands import BRANDS
from models.detection.base import Kind, Severity
from models.matching import Matcher
from models.post import Post
from models.watchlist import Watchlist, load_watchlist

WATCHLIST = Path(__file__).parents[3] / "deploy" / "demo" / "watchlist.yaml"
AMBIGUOUS = ("bielik", "pszenicy", "zboża", "nad Wisłą", "lumenów", "reszka", "Polana pod lasem")


@pytest.fixture(scope="module")
def watchlist() -> Watchlist:
    return load_watchlist(WATCHLIST)


@pytest.fixture(scope="module")
def posts() -> list[Post]:
    return [post for page in simulate(Story.plan(seed=3, days=1)) for post in page.posts]


def test_it_names_every_brand_of_the_simulator(watchlist: Watchlist) -> None:
    assert [brand.id for brand in watchlist.brands] == [
        "orzel-air", "klos", "bank-wisla", "lumen-mobile", "zdroj-polana",
    ]  # fmt: skip
    assert {brand.id for brand in watchlist.brands} == {brand.id for brand in BRANDS}


def test_every_case_of_every_name_is_found_with_and_without_diacritics(
    watchlist: Watchlist,
) -> None:
    matcher = Matcher(watchlist.brands)
    index = {brand.id: n for n, brand in enumerate(watchlist.brands)}
    plain = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")
    for brand in BRANDS:
        names = [*brand.cases, brand.english, f"@{brand.handle}", f"#{brand.handle}"]
        texts = [f"Dziś {form}." for name in names for form in (name, name.lower(), name.upper())]
        texts += [text.translate(plain) for text in texts]
        for text, found in zip(texts, matcher.match(texts), strict=True):
            assert found == (index[brand.id],), text


def test_namesakes_and_other_talk_are_not_taken_for_the_brands(
    watchlist: Watchlist, posts: list[Post]
) -> None:
    matcher = Matcher(watchlist.brands)
    texts = [post.text for post in posts if any(word in post.text for word in AMBIGUOUS)]
    assert len(texts) > 50
    assert Counter(matcher.match(texts)).keys() == {()}


def test_brands_are_mentioned_about_as_often_as_they_are_talked_about(
    watchlist: Watchlist, posts: list[Post]
) -> None:
    found = Counter(
        n for match in Matcher(watchlist.brands).match([p.text for p in posts]) for n in match
    )
    for number, brand in enumerate(watchlist.brands):
        [simulated] = [b for b in BRANDS if b.id == brand.id]
        assert found[number] > 0.7 * simulated.per_min * 1440, brand.id


def test_no_planned_event_covers_the_days_of_the_story(watchlist: Watchlist) -> None:
    end = datetime.fromtimestamp(Story.plan().to_ms / 1000, UTC)
    events = [event for brand in watchlist.brands for event in brand.events]
    assert events
    assert all(event.from_ >= end for event in events)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_plan_says_what_to_do_for_every_kind_of_signal(
    watchlist: Watchlist, kind: Kind
) -> None:
    for brand in watchlist.brands:
        for severity in Severity:
            step = watchlist.step(brand.id, kind, severity)
            assert step is not None
            assert step.first_steps
            assert step.owner
            assert step.escalate
            if kind is not Kind.COVERAGE:  # that one is ours to mend, not to speak of
                assert set(step.holding_statement) == {"pl", "en"}
