from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from models.alert import from_ms
from models.detection.base import BUCKET_MS
from pipeline.console.charts import (
    HEIGHT,
    WIDTH,
    Marker,
    _without_level,
    condense,
    mood_bar,
    volume_chart,
)
from tests.unit.pipeline.alert_samples import NOON_MS, past_minute


def volumes(drawing: str) -> list[str]:
    return re.findall(r'class="volume" d="([^"]*)"', drawing)


@given(
    st.dictionaries(st.integers(0, 500), st.integers(0, 10_000), min_size=1, max_size=80),
    st.integers(2, 60),
)
def test_any_minutes_make_a_drawing_within_its_frame(counts: dict[int, int], most: int) -> None:
    points = [past_minute(m, mentions=n, high=n * 2, low=n / 2) for m, n in sorted(counts.items())]
    drawing = volume_chart(points, "label", most)
    for path in ElementTree.fromstring(drawing).iter("path"):
        for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"]):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    assert len(condense(points, most)) <= most


def test_a_label_is_text_and_never_markup() -> None:
    drawing = volume_chart([past_minute()], '"><script>alert(1)</script>', 10)
    assert ElementTree.fromstring(drawing).attrib["aria-label"] == '"><script>alert(1)</script>'
    assert "<script" not in drawing


def test_a_gap_breaks_the_line() -> None:
    together = volume_chart([past_minute(m) for m in (0, 1, 2, 3)], "", 100)
    apart = volume_chart([past_minute(m) for m in (0, 1, 20, 21)], "", 100)
    assert len(volumes(together)) == 1
    assert len(volumes(apart)) == 2


def test_without_minutes_there_is_no_drawing() -> None:
    assert volume_chart([], "", 10) == ""


def test_only_moments_within_the_drawing_are_marked() -> None:
    points = [past_minute(m) for m in range(10)]
    moments = {"onset": -5, "fired": 4, "resolved": 50}
    markers = [Marker(from_ms(NOON_MS + m * BUCKET_MS), name) for name, m in moments.items()]
    assert re.findall(r'class="marker (\w+)"', volume_chart(points, "", 100, markers)) == ["fired"]


def test_the_mood_grows_from_the_middle_to_its_side() -> None:
    assert 'class="bad" x="20" width="30"' in mood_bar(-0.6)
    assert 'class="good" x="50" width="25"' in mood_bar(0.5)
    assert 'width="0"' in mood_bar(None)


CORNERS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=40)


@given(CORNERS, st.booleans())
def test_a_line_without_the_middle_of_its_level_stretches_is_the_same_line(
    corners: list[tuple[float, float]], closed: bool
) -> None:
    there = sorted({x: (x, y) for x, y in corners}.values())
    line = there + [(x, y / 2) for x, y in reversed(there)] if closed else there
    kept = list(_without_level(line))
    assert kept[0] == line[0]
    assert kept[-1] == line[-1]

    def height_at(path: list[tuple[float, float]], x: float, onward: bool) -> float | None:
        for (x0, y0), (x1, y1) in itertools.pairwise(path):
            if (x0 <= x <= x1 if onward else x0 >= x >= x1) and x0 != x1:
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        return None

    for x, _ in there:
        for onward in (True, False):
            assert height_at(kept, x, onward) == height_at(line, x, onward)


def test_a_calm_day_takes_few_corners() -> None:
    calm = volume_chart([past_minute(m) for m in range(60)], "", 60)
    assert len(re.findall("L", calm)) <= 8
