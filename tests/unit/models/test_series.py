from __future__ import annotations

import json

import pytest

from models.series import SeriesPoint, decode_series_point


def point(**changes: object) -> SeriesPoint:
    values: dict[str, object] = {
        "brand": "orzel-air",
        "bucket_ms": 1_424_599_200_000,
        "mentions": 7,
        "negative": 5,
        "expected": 2.5,
        "low": 0,
        "high": 6,
        "expected_negative_share": 0.3,
        "statistic": 4.2,
        "threshold": 9.1,
    }
    return SeriesPoint.model_validate(values | changes)


def test_a_point_survives_the_topic() -> None:
    written = point(sentiment=-0.4, rolling_sentiment=None, coverage=0.5, pipeline_sent_ms=12)
    assert decode_series_point(written.encode()) == written
    assert written.key() == b"orzel-air"


def test_fields_of_a_later_version_are_ignored() -> None:
    value = json.loads(point().encode()) | {"version": 2, "novelty": ["lot"]}
    assert decode_series_point(json.dumps(value).encode()).version == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mentions", -1),
        ("coverage", 1.2),
        ("sentiment", -1.1),
        ("statistic", float("nan")),
        ("threshold", float("inf")),
        ("brand", ""),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        point(**{field: value})


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[]", b'{"brand": "a"}'])
def test_what_is_not_a_point_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="SeriesPoint"):
        decode_series_point(value)
