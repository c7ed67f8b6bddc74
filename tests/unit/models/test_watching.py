"""From closed buckets to series and alerts: identities, revisions, and what survives a restart."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.alert import ALL_BRANDS, CrisisAlert, from_ms
from models.buckets import ClosedBucket
from models.detection import make_bank
from models.detection.base import (
    BUCKET_MS,
    Expectation,
    Kind,
    Minute,
    Observation,
    Phase,
    Reading,
    RowSettings,
    Severity,
    Transition,
)
from models.recall import Recall
from models.sample import SampleRow
from models.tally import Erasure, ExhibitRow, Tally
from models.watching import BrandWatch, Decision, WatchedBrand
from tests.support.plain import PlainBank

START = 28_000_000
NAMES = ("ash", "birch", "cedar", "dogwood")


class ScriptedBank:
    """Says what it is told to say, minute by minute."""

    def __init__(
        self, script: dict[int, list[tuple[Phase, int]]], *, continues: bool = False
    ) -> None:
        self._script = script
        self._number = {bucket: n if continues else 0 for n, bucket in enumerate(sorted(script))}

    def __call__(self, rows: Sequence[RowSettings]) -> ScriptedBank:
        self._rows = len(rows)
        return self

    def step(self, minute: Minute) -> tuple[Reading, list[Transition]]:
        bucket = minute.bucket_ms // BUCKET_MS
        zeros = np.zeros(self._rows)
        reading = Reading(minute.bucket_ms, zeros, zeros, zeros, zeros, zeros, zeros)
        return reading, [
            replace(transition(phase, onset, bucket), revision=self._number[bucket])
            for phase, onset in self._script.get(bucket, [])
        ]

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        assert state == b""

    def save_rows(self, rows: Sequence[int]) -> bytes:
        raise NotImplementedError

    def load_rows(self, rows: Sequence[int], state: bytes) -> None:
        raise NotImplementedError


def transition(phase: Phase, onset: int, bucket: int) -> Transition:
    return Transition(
        row=0,
        kind=Kind.MOOD,
        phase=phase,
        severity=Severity.WARNING,
        onset_ms=onset * BUCKET_MS,
        onset_low_ms=(onset - 5) * BUCKET_MS,
        onset_high_ms=(onset + 1) * BUCKET_MS,
        decided_ms=(bucket + 1) * BUCKET_MS,
        first_fired_ms=onset * BUCKET_MS,
        revision=0,
        observed=Observation(10, 5, 3, 2, 100, 7),
        expected=Expectation(5, 2, 8, 1, 0.2),
        statistic=9.0,
        threshold=8.0,
        p_chance=0.01,
        votes={},
        baseline={},
        reason="scripted",
    )


def make_watch(bank: object = PlainBank, names: Sequence[str] = NAMES) -> BrandWatch:
    brands = [WatchedBrand(name, name.title(), RowSettings()) for name in names]
    return BrandWatch(brands, bank)  # type: ignore[arg-type]


def closed(bucket: int, tallies: dict[str, Tally] | None = None) -> ClosedBucket:
    return ClosedBucket(bucket, tallies or {}, 1.0, 0)


def some_tally(rng: random.Random, bucket: int, angry: bool) -> Tally:
    tally = Tally(mentions=rng.randrange(1, 30), reach=rng.randrange(1000))
    tally.histogram[9 if angry else 1] = tally.mentions
    tally.negative_milli = tally.mentions * (900 if angry else 100)
    tally.authors = sorted(rng.sample(range(2**40), tally.mentions))
    tally.negative_authors = tally.authors if angry else []
    tally.platforms = {rng.choice("xyz"): tally.mentions}
    tally.languages = {"pl": tally.mentions}
    if angry:
        tally.exhibits = [
            exhibit(f"x:{bucket}-{number}", author=f"a{number}") for number in range(2)
        ]
    return tally


def exhibit(post: str, author: str | None = None, rank: int = 5) -> ExhibitRow:
    return ExhibitRow(rank, post, 0, "x", author, 10, f"text of {post}", "en", None, 900)


def minutes(seed: int, count: int) -> list[ClosedBucket]:
    """A story with a surge of two brands in its middle."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        surge = count // 3 <= number < count // 2
        tallies = {
            name: some_tally(rng, START + number, angry=surge and name in NAMES[:2])
            for name in NAMES
            if surge or rng.random() < 0.6
        }
        made.append(closed(START + number, tallies))
    return made


def copied(bucket: ClosedBucket) -> ClosedBucket:
    """Tallies may be added to by whoever gets them."""
    tallies = {name: tally.copy() for name, tally in bucket.tallies.items()}
    return ClosedBucket(bucket.bucket, tallies, bucket.coverage, bucket.sent_ms)


def encoded(decision: Decision) -> tuple[list[bytes], list[bytes]]:
    return [p.encode() for p in decision.series], [a.encode() for a in decision.alerts]


def test_a_new_alert_whose_onset_lies_within_a_resolved_one_gets_an_identity_of_its_own() -> None:
    script = {
        START + 10: [(Phase.FIRING, START)],
        START + 20: [(Phase.RESOLVED, START)],
        START + 30: [(Phase.FIRING, START)],
        START + 40: [(Phase.RESOLVED, START)],
    }
    watch = make_watch(ScriptedBank(script))
    revisions = [
        (alert.alert_id, alert.revision)
        for bucket in range(START, START + 50)
        for alert in watch.decide(closed(bucket)).alerts
    ]
    assert len(set(revisions)) == 4
    assert [number for _, number in revisions] == [0, 1, 0, 1]


def test_the_onset_of_an_alert_is_never_before_the_end_of_the_one_before_it() -> None:
    script = {
        START + 10: [(Phase.FIRING, START)],
        START + 20: [(Phase.RESOLVED, START)],
        START + 30: [(Phase.FIRING, START + 3)],
    }
    watch = make_watch(ScriptedBank(script))
    alerts = [a for b in range(START, START + 31) for a in watch.decide(closed(b)).alerts]
    first, _, second = alerts
    assert first.onset_low < first.onset
    assert second.onset == alerts[1].resolved_at
    assert second.onset_low == second.onset
    assert second.onset <= second.onset_high
    assert f"{second.onset:%H:%M} UTC" in second.summary


def story_that_comes_back(after: int) -> dict[int, list[tuple[Phase, int]]]:
    return {
        START + 10: [(Phase.FIRING, START)],
        START + 20: [(Phase.RESOLVED, START)],
        START + 20 + after: [(Phase.FIRING, START)],
        START + 30 + after: [(Phase.RESOLVED, START)],
    }


def test_what_comes_back_while_its_detector_waits_for_it_continues_the_same_alert() -> None:
    script = story_that_comes_back(after=300)
    watch = make_watch(ScriptedBank(script, continues=True))
    text = some_tally(random.Random(1), START, angry=True)
    alerts: list[CrisisAlert] = []
    for bucket in range(START, START + 340):
        if bucket == START + 100:
            saved, watch = watch.save(), make_watch(ScriptedBank(script, continues=True))
            watch.load(saved)
        loud = bucket in (START + 9, START + 315, START + 325)
        alerts += watch.decide(closed(bucket, {NAMES[0]: text.copy()} if loud else {})).alerts
    assert len({alert.alert_id for alert in alerts}) == 1
    assert [alert.revision for alert in alerts] == [0, 1, 2, 3]
    assert [alert.status for alert in alerts] == ["firing", "resolved", "firing", "resolved"]
    assert len({(alert.onset, alert.fired_at) for alert in alerts}) == 1
    assert [alert.resolved_at is None for alert in alerts] == [True, False, True, False]
    counts = [sum(alert.platforms.values()) for alert in alerts]
    assert counts == [n * text.mentions for n in (1, 1, 2, 3)]


def test_what_comes_back_later_than_its_detector_waits_is_an_alert_of_its_own() -> None:
    watch = make_watch(ScriptedBank(story_that_comes_back(after=400), continues=True))
    buckets = range(START, START + 440)
    alerts = [alert for b in buckets for alert in watch.decide(closed(b)).alerts]
    assert [alert.revision for alert in alerts] == [0, 1, 0, 1]
    assert len({alert.alert_id for alert in alerts}) == 2


def test_what_was_erased_while_an_alert_rested_is_not_there_when_it_comes_back() -> None:
    script = story_that_comes_back(after=60)
    watch = make_watch(ScriptedBank(script, continues=True))
    text = some_tally(random.Random(1), START, angry=True)
    gone = text.exhibits[0].post
    alerts: list[CrisisAlert] = []
    recalls: list[Recall] = []
    for bucket in range(START, START + 95):
        made = closed(bucket, {NAMES[0]: text.copy()} if bucket == START + 9 else {})
        if bucket == START + 40:
            made = replace(made, erased=(Erasure(START + 40, post=gone),))
        decision = watch.decide(made)
        alerts += decision.alerts
        recalls += decision.recalls
    shown = [{exhibit.post for exhibit in alert.exhibits} for alert in alerts]
    assert [gone in posts for posts in shown] == [True, True, False, False]
    assert [recall.alert_id for recall in recalls] == [alerts[0].alert_id]
    assert [alert.revision for alert in alerts] == [0, 1, 3, 4]  # 2 is made by the recall


def test_what_came_back_fired_when_it_came_back_and_never_before_its_onset() -> None:
    script = {
        START + 10: [(Phase.FIRING, START)],
        START + 20: [(Phase.RESOLVED, START)],
        START + 30: [(Phase.FIRING, START)],
        START + 40: [(Phase.ESCALATED, START)],
        START + 50: [(Phase.RESOLVED, START)],
    }
    watch = make_watch(ScriptedBank(script))
    alerts = [a for b in range(START, START + 35) for a in watch.decide(closed(b)).alerts]
    again = make_watch(ScriptedBank(script))
    again.load(watch.save())
    alerts += [a for b in range(START + 35, START + 51) for a in again.decide(closed(b)).alerts]
    back = alerts[2:]
    assert len({alert.alert_id for alert in back}) == 1
    assert {alert.fired_at for alert in back} == {back[0].decided_at}
    assert all(a.fired_at is not None and a.onset <= a.fired_at for a in alerts)


def test_the_end_of_an_alert_is_remembered_across_a_restart() -> None:
    script = {
        START + 10: [(Phase.FIRING, START)],
        START + 20: [(Phase.RESOLVED, START)],
        START + 30: [(Phase.FIRING, START)],
    }
    watch = make_watch(ScriptedBank(script))
    first = [a for b in range(START, START + 25) for a in watch.decide(closed(b)).alerts]
    again = make_watch(ScriptedBank(script))
    again.load(watch.save())
    second = [a for b in range(START + 25, START + 31) for a in again.decide(closed(b)).alerts]
    assert first[0].alert_id != second[0].alert_id


@pytest.mark.parametrize("bank", [PlainBank, make_bank])
@pytest.mark.parametrize("seed", range(3))
def test_a_restart_at_any_minute_changes_nothing(bank: object, seed: int) -> None:
    story = minutes(seed, 60)
    whole = make_watch(bank)
    expected = [encoded(whole.decide(copied(bucket))) for bucket in story]
    rng = random.Random(seed)
    watch = make_watch(bank)
    found = []
    for bucket in story:
        if rng.random() < 0.4:
            fresh = make_watch(bank)
            fresh.load(watch.save())
            assert fresh.save() == watch.save()
            watch = fresh
        found.append(encoded(watch.decide(copied(bucket))))
    assert found == expected


@pytest.mark.parametrize("bank", [PlainBank, make_bank])
def test_another_order_of_the_watchlist_keeps_every_brands_state(bank: object) -> None:
    story = minutes(1, 60)
    whole = make_watch(bank)
    expected = [whole.decide(copied(bucket)) for bucket in story]
    watch = make_watch(bank)
    for bucket in story[:25]:
        watch.decide(copied(bucket))
    turned = make_watch(bank, NAMES[::-1])
    turned.load(watch.save())
    for bucket, wanted in zip(story[25:], expected[25:], strict=True):
        series, alerts = encoded(turned.decide(copied(bucket)))
        assert sorted(series) == sorted(encoded(wanted)[0])
        assert sorted(alerts) == sorted(encoded(wanted)[1])


def test_a_brand_that_joins_begins_empty_and_leaves_the_others_as_they_were() -> None:
    story = minutes(2, 40)
    alone = make_watch(make_bank, NAMES[1:])
    joined = make_watch(make_bank, NAMES[1:])
    for bucket in story[:20]:
        alone.decide(copied(bucket))
        joined.decide(copied(bucket))
    grown = make_watch(make_bank, NAMES)
    grown.load(joined.save())
    for bucket in story[20:]:
        wanted, _ = encoded(alone.decide(copied(bucket)))
        found, _ = encoded(grown.decide(copied(bucket)))
        assert found[1:] == wanted


def test_a_state_of_another_version_is_refused_with_the_version_in_the_message() -> None:
    with pytest.raises(ValueError, match="not a state"):
        make_watch().load(b"\xff garbage")


def test_brands_that_the_watchlist_lacks_are_told_and_do_not_disturb() -> None:
    watch = make_watch()
    decision = watch.decide(closed(START, {"elm": Tally(mentions=3), "ash": Tally(mentions=2)}))
    assert watch.unknown_brands == {"elm"}
    assert {point.brand: point.mentions for point in decision.series}["ash"] == 2


def test_every_brand_has_a_point_in_every_minute_also_without_mentions() -> None:
    decision = make_watch().decide(closed(START))
    assert [point.brand for point in decision.series] == list(NAMES)
    assert all(point.mentions == 0 and point.sentiment is None for point in decision.series)


def test_an_alert_that_is_over_is_recalled_when_what_it_shows_is_erased() -> None:
    script = {START + 3: [(Phase.FIRING, START + 1)], START + 5: [(Phase.RESOLVED, START + 1)]}
    watch = make_watch(ScriptedBank(script))
    decisions = [watch.decide(bucket) for bucket in minutes(1, 7)]
    assert all(decision.recalls == [] for decision in decisions)
    (over,) = [a for d in decisions for a in d.alerts if a.status == "resolved"]
    post = over.exhibits[0].post
    saved = watch.save()
    for heir in (watch, make_watch(ScriptedBank(script))):
        heir.load(saved)
        erased = [Erasure(START + 8, post=post)]
        decision = heir.decide(ClosedBucket(START + 8, {}, 1.0, 0, erased))
        assert [(r.alert_id, r.posts) for r in decision.recalls] == [(over.alert_id, {post})]


def test_what_was_shown_is_forgotten_when_the_topic_has_forgotten_it() -> None:
    script = {START + 3: [(Phase.FIRING, START + 1)], START + 5: [(Phase.RESOLVED, START + 1)]}
    watch = make_watch(ScriptedBank(script))
    alerts = [a for bucket in minutes(1, 7) for a in watch.decide(bucket).alerts]
    late = START + 91 * 24 * 60
    erased = [Erasure(late, post=alerts[-1].exhibits[0].post)]
    assert watch.decide(ClosedBucket(late, {}, 1.0, 0, erased)).recalls == []


def test_halving_a_budget_raises_the_threshold_of_that_brand_alone_and_back() -> None:
    def thresholds(watch: BrandWatch, bucket: ClosedBucket) -> dict[str, float]:
        return {point.brand: point.threshold for point in watch.decide(bucket).series}

    story = minutes(2, 8)
    watch = make_watch(make_bank)
    before = thresholds(watch, story[0])
    watch.set_halvings({"birch": 2, "unknown": 3})
    after = thresholds(watch, story[1])
    assert after["birch"] - before["birch"] == pytest.approx(np.log(4))
    assert after["ash"] == before["ash"]
    watch.set_halvings({})
    assert thresholds(watch, story[2]) == pytest.approx(before)


def test_a_halved_budget_survives_a_restart_and_the_same_follows() -> None:
    story = minutes(3, 120)
    watch = make_watch(make_bank)
    for bucket in story[:60]:
        watch.decide(copied(bucket))
    watch.set_halvings({"ash": 1})
    heir = make_watch(make_bank)
    heir.load(watch.save())
    for bucket in story[60:]:
        assert heir.decide(copied(bucket)) == watch.decide(copied(bucket))
    assert heir.save() == watch.save()


def test_points_carry_platforms_and_the_mood_weighted_by_influence() -> None:
    tally = Tally(mentions=2, platforms={"x": 1, "bluesky": 1})
    tally.sample = [
        SampleRow(1, "x:1", 0, "a", 0, 1000, ""),
        SampleRow(2, "x:2", 0, "b", 2**20 - 1, -1000, ""),
    ]
    point = make_watch().decide(closed(START, {"ash": tally})).series[0]
    assert point.platforms == {"bluesky": 1, "x": 1}
    assert point.weighted_sentiment == pytest.approx((1 - 21) / 22)


def test_once_an_hour_a_brand_tells_what_rose() -> None:
    watch = make_watch(names=["ash"])
    told = []
    for minute in range(130):
        rows = [
            SampleRow(minute * 10 + n, f"x:{minute}-{n}", 0, f"a{n}", 0, 0, "lotnisko stoi")
            for n in range(4)
        ]
        tally = Tally(mentions=4, sample=rows if minute > 20 else [])
        (point,) = watch.decide(closed(START + minute, {"ash": tally})).series
        if point.terms:
            told.append((point.bucket_ms // BUCKET_MS, point.terms[0].term))
    assert told
    assert {word for _, word in told} == {"lotnisko stoi"}
    assert {(b[0] - a[0]) % 60 for a, b in itertools.pairwise(told)} <= {0}


def blind_story(watch: BrandWatch, until: int = 120) -> list[CrisisAlert]:
    """Twenty usual minutes, forty blind ones, usual ones again."""
    alerts = []
    for number in range(until):
        tallies = {name: Tally(mentions=2) for name in NAMES}
        coverage = 0.2 if 20 <= number < 60 else 1.0
        decision = watch.decide(ClosedBucket(START + number, tallies, coverage, 0))
        alerts += decision.alerts
    return alerts


def test_lost_coverage_is_one_alert_for_all_brands_and_ends_as_one() -> None:
    alerts = blind_story(make_watch(make_bank))
    assert {alert.brand for alert in alerts} == {ALL_BRANDS}
    assert len({alert.alert_id for alert in alerts}) == 1
    assert alerts[0].status == "firing"
    assert alerts[0].onset == from_ms((START + 20) * BUCKET_MS)
    assert alerts[-1].status == "resolved"


def test_workers_with_other_brands_tell_of_lost_coverage_in_the_same_bytes() -> None:
    first = blind_story(make_watch(make_bank, NAMES[:1]))
    second = blind_story(make_watch(make_bank, NAMES[1:]))
    assert [alert.encode() for alert in first] == [alert.encode() for alert in second]


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], NAMES[1:]])
def test_what_concerns_all_brands_goes_on_after_a_restart_with_other_brands(
    names: Sequence[str],
) -> None:
    before = make_watch(make_bank)
    first = blind_story(before, until=40)
    after = make_watch(make_bank, names)
    after.load(before.save())
    second = []
    for number in range(40, 120):
        coverage = 0.2 if number < 60 else 1.0
        second += after.decide(ClosedBucket(START + number, {}, coverage, 0)).alerts
    assert {alert.alert_id for alert in first + second} == {first[0].alert_id}
    assert second[-1].status == "resolved"
    assert [a.revision for a in first + second] == list(range(len(first + second)))


@pytest.mark.parametrize(
    ("reason", "superseded"),
    [
        ("54% negative: it has become a crisis, which has its own alert.", True),
        ("54% negative: back at its baseline 45 minutes after it fired.", False),
    ],
)
def test_a_mood_that_becomes_a_crisis_says_so_when_it_ends(reason: str, superseded: bool) -> None:
    class Bank(ScriptedBank):
        def step(self, minute: Minute) -> tuple[Reading, list[Transition]]:
            reading, transitions = super().step(minute)
            return reading, [replace(t, reason=reason) for t in transitions]

    script = {START + 3: [(Phase.FIRING, START)], START + 9: [(Phase.RESOLVED, START)]}
    watch = make_watch(Bank(script))
    first, last = [a for b in range(START, START + 10) for a in watch.decide(closed(b)).alerts]
    assert not first.superseded
    assert "become" not in first.summary
    assert last.superseded == superseded
    assert ("has become a crisis" in last.summary) == superseded
    assert ("is over" in last.summary) == (not superseded)


def sparked(bucket: int, spark: int) -> ClosedBucket:
    """Two negative posts a minute, twenty from the spark on; a post with an audience there."""
    negative = 2 if bucket < spark else 20
    tally = Tally(mentions=negative + 8, exhibits=[exhibit(f"x:{bucket}", f"a{bucket}")])
    tally.histogram[9], tally.histogram[1] = negative, 8
    if bucket == spark:
        loud = ExhibitRow(9, "x:spark", 0, "x", "u_spark", 90_000, "skandal", "pl", None, 900)
        tally.exhibits.append(loud)
    return closed(bucket, {"ash": tally})


@pytest.mark.parametrize("fires_after", [5, 40])
def test_the_post_after_which_it_took_off_stays_known_hours_after_its_minute_is_forgotten(
    fires_after: int,
) -> None:
    spark = START + 50
    script = {
        spark + fires_after: [(Phase.FIRING, spark)],
        spark + 200: [(Phase.RESOLVED, spark)],
    }
    watch = make_watch(ScriptedBank(script))
    alerts = []
    for bucket in range(START, spark + 201):
        if bucket % 7 == 0:
            heir = make_watch(ScriptedBank(script))
            heir.load(watch.save())
            watch = heir
        alerts += watch.decide(sparked(bucket, spark)).alerts
    assert len(alerts) == 2
    for alert in alerts:
        assert alert.take_off is not None
        assert alert.take_off.exhibit.post == "x:spark"
        assert (alert.take_off.before_per_min, alert.take_off.after_per_min) == (2, 20)
        assert ("u_spark", "turned") in [(v.author, v.role) for v in alert.voices]


def test_an_erased_post_is_no_longer_the_one_after_which_it_took_off() -> None:
    spark = START + 50
    script = {spark + 40: [(Phase.FIRING, spark)], spark + 60: [(Phase.COOLING, spark)]}
    watch = make_watch(ScriptedBank(script))
    for bucket in range(START, spark + 41):
        watch.decide(sparked(bucket, spark))
    erased = (Erasure(spark + 41, author="u_spark"),)
    gone = replace(sparked(spark + 41, spark), erased=erased)
    (revised,) = watch.decide(gone).alerts
    assert revised.take_off is None
    later = [
        a for b in range(spark + 42, spark + 61) for a in watch.decide(sparked(b, spark)).alerts
    ]
    assert b"u_spark" not in later[-1].encode()
    assert later[-1].take_off is None or later[-1].take_off.exhibit.post != "x:spark"
