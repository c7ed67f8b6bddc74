"""Contract of the `alerts` topic."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from models.alert import CrisisAlert, alert_id, from_ms, status_of
from models.detection.base import Kind, Phase
from models.schemas import contracts

EXAMPLE = next(one.examples[0] for one in contracts() if one.model is CrisisAlert)
ALERT = CrisisAlert.model_validate(EXAMPLE)


def test_the_identity_is_a_function_of_brand_kind_and_onset() -> None:
    assert alert_id("a", Kind.MOOD, 59_999) == alert_id("a", Kind.MOOD, 0)
    identities = {
        alert_id(brand, kind, onset)
        for brand in ("a", "b")
        for kind in Kind
        for onset in (0, 60_000)
    }
    assert len(identities) == 2 * len(Kind) * 2


def test_an_alert_comes_back_as_it_was_sent() -> None:
    assert CrisisAlert.model_validate_json(ALERT.encode()) == ALERT
    assert json.loads(ALERT.encode()) == EXAMPLE


def test_unknown_fields_are_accepted() -> None:
    assert CrisisAlert.model_validate({**EXAMPLE, "from_the_future": 1}) == ALERT


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_figures_are_finite_for_json_has_no_others(value: float) -> None:
    evidence = {**EXAMPLE["evidence"], "statistic": value}
    with pytest.raises(ValidationError, match="statistic"):
        CrisisAlert.model_validate({**EXAMPLE, "evidence": evidence})


def test_the_headers_are_a_cloud_event() -> None:
    headers = {name: value.decode() for name, value in ALERT.headers()}
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"] == f"{ALERT.alert_id}#{ALERT.revision}"
    assert headers["ce_subject"] == ALERT.brand
    assert datetime.fromisoformat(headers["ce_time"]) == ALERT.decided_at
    assert headers["content-type"] == "application/json"


def test_each_revision_is_an_event_of_its_own() -> None:
    later = ALERT.model_copy(update={"revision": ALERT.revision + 1})
    assert dict(later.headers())["ce_id"] != dict(ALERT.headers())["ce_id"]


@pytest.mark.parametrize(
    ("phase", "fired", "status"),
    [
        (Phase.CALM, False, "pending"),
        (Phase.WATCH, False, "pending"),
        (Phase.WATCH, True, "firing"),
        (Phase.FIRING, True, "firing"),
        (Phase.ESCALATED, True, "firing"),
        (Phase.COOLING, True, "firing"),
        (Phase.RESOLVED, False, "resolved"),
        (Phase.RESOLVED, True, "resolved"),
    ],
)
def test_the_status_is_coarser_than_the_phase(phase: Phase, fired: bool, status: str) -> None:
    assert status_of(phase, fired) == status


def test_times_are_aware() -> None:
    assert from_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)
