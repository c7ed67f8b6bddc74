"""What is erased goes from alerts that are over too, and nothing else does."""

from __future__ import annotations

from models.recall import ERASED_REASON, recalls, shown_by, without
from models.tally import Erasure
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms


def exhibit(post: str, author: str) -> dict[str, object]:
    return {
        "post": post,
        "created_at": from_ms(NOON_MS),
        "platform": "x",
        "author": author,
        "text": f"says {author}",
        "p_negative": 0.9,
    }


ALERT = crisis_alert(
    4,
    "resolved",
    exhibits=[exhibit("x:1", "u_a"), exhibit("x:2", "u_b")],
    first_post=exhibit("x:1", "u_a"),
    take_off={
        "exhibit": exhibit("x:3", "u_c"),
        "minutes": 15,
        "before_per_min": 1.0,
        "after_per_min": 9.0,
    },
    voices=[{"author": "u_b", "role": "loudest", "reach": 9, "tone": -0.9}],
)


def test_a_post_goes_with_its_text_wherever_it_stood() -> None:
    revised = without(ALERT, {"x:1"}, set())
    assert revised is not None
    assert [e.post for e in revised.exhibits] == ["x:2"]
    assert revised.first_post is None
    assert "says u_a" not in revised.encode().decode()
    assert (revised.revision, revised.reason) == (5, ERASED_REASON)
    assert revised.status == ALERT.status


def test_an_author_goes_with_all_posts_and_from_the_voices() -> None:
    revised = without(ALERT, set(), {"u_b"})
    assert revised is not None
    assert "u_b" not in revised.encode().decode()
    assert revised.first_post is not None


def test_the_post_after_which_it_took_off_goes_by_its_key_and_by_its_author() -> None:
    for posts, authors in (({"x:3"}, set[str]()), (set[str](), {"u_c"})):
        revised = without(ALERT, posts, authors)
        assert revised is not None
        assert revised.take_off is None
        assert "says u_c" not in revised.encode().decode()
        assert revised.exhibits == ALERT.exhibits


def test_an_alert_that_shows_nothing_of_it_stays_as_it_is() -> None:
    assert without(ALERT, {"x:4"}, {"u_d"}) is None


def test_alerts_that_are_over_are_found_by_what_they_show() -> None:
    other = crisis_alert(1, "resolved", minute=60, exhibits=[exhibit("x:9", "u_z")])
    shown = {a.alert_id: shown_by(a, NOON_MS) for a in (ALERT, other)}

    def found(*erased: Erasure) -> list[str]:
        return [recall.alert_id for recall in recalls(shown, erased)]

    assert found(Erasure(0, post="x:1")) == [ALERT.alert_id]
    assert found(Erasure(0, author="u_b")) == [ALERT.alert_id]
    assert found(Erasure(0, post="x:9"), Erasure(0, author="u_a")) == sorted(shown)
    assert found(Erasure(0, post="x:3")) == [ALERT.alert_id]
    assert found(Erasure(0, post="x:0")) == []
