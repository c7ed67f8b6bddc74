"""The verdict of the demonstration: what the alerts said against what is true."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.alert import CrisisAlert
from models.detection.base import Kind
from pipeline.demo import ONSET_TOLERANCE_MS, Episode, Truth, judge
from tests.unit.pipeline.alert_samples import crisis_alert

BEGIN = datetime(2026, 11, 4, 12, tzinfo=UTC)
END = BEGIN + timedelta(hours=4)


def ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


TRUTH = Truth(
    ms(BEGIN - timedelta(days=1)),
    ms(END + timedelta(days=1)),
    (
        Episode("orzel-air", "crisis", ms(BEGIN), ms(END)),
        Episode("klos", "giveaway", ms(BEGIN), ms(END)),
    ),
)


def alert(
    brand: str = "orzel-air",
    fired: datetime | None = BEGIN + timedelta(minutes=10),
    resolved: datetime | None = END,
    kind: Kind = Kind.SURGE_NEGATIVE,
) -> CrisisAlert:
    update = {"brand": brand, "kind": kind, "fired_at": fired, "resolved_at": resolved}
    return crisis_alert(0, "firing").model_copy(update=update)


def test_a_crisis_that_fired_and_resolved_and_a_giveaway_that_did_not_is_passed() -> None:
    verdict = judge(TRUTH, [alert()])
    assert verdict.passed
    assert "the crisis of orzel-air fired 10 min after it began" in verdict.findings[0]
    assert verdict.findings[1] == "the giveaway of klos did not fire as a crisis"


@pytest.mark.parametrize(
    ("alerts", "finding"),
    [
        ([], "the crisis of orzel-air did not fire: wrong"),
        ([alert(fired=None)], "the crisis of orzel-air did not fire: wrong"),
        ([alert(kind=Kind.SURGE)], "the crisis of orzel-air did not fire: wrong"),
        ([alert(resolved=None)], "the crisis of orzel-air fired and did not resolve: wrong"),
        ([alert(), alert("klos")], "the giveaway of klos fired as a crisis: wrong"),
        ([alert(), alert("lumen-mobile")], "fired without a cause: wrong"),
        (
            [alert(fired=END + timedelta(milliseconds=ONSET_TOLERANCE_MS + 1))],
            "fired without a cause: wrong",
        ),
        ([alert(), alert(fired=BEGIN - timedelta(hours=3))], "fired without a cause: wrong"),
    ],
)
def test_anything_else_is_not_and_the_finding_says_what_was_wrong(
    alerts: list[CrisisAlert], finding: str
) -> None:
    verdict = judge(TRUTH, alerts)
    assert not verdict.passed
    assert any(one.endswith(finding) for one in verdict.findings)


def test_a_surge_of_mentions_during_the_giveaway_may_be_said() -> None:
    assert judge(TRUTH, [alert(), alert("klos", kind=Kind.SURGE)]).passed


def test_the_truth_is_read_as_the_simulator_writes_it(tmp_path: Path) -> None:
    from connectors.simulator import Story

    story = Story.plan(3, 4)
    file = tmp_path / "story.json"
    file.write_text(story.to_json())
    truth = Truth.read(file)
    assert {episode.kind for episode in truth.episodes} == {"crisis", "giveaway"}
    assert truth.from_ms < min(e.from_ms for e in truth.episodes)
    assert max(e.to_ms for e in truth.episodes) <= truth.to_ms
    assert json.loads(file.read_text())["from_ms"] == truth.from_ms
