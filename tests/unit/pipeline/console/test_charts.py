from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from models.alert import from_ms
from models.detection.base import BUCKET_MS
from pipeline.console.charts import HEIGHT, WIDTH, Marker, condense, mood_bar, volume_chart
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
