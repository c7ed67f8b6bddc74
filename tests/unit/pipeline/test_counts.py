from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from models.errors import UserError
from pipeline.counts import score_file


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return path


def stamps(count: int) -> list[str]:
    return [
        f"2026-03-{1 + m // 288:02}T{m % 288 // 12:02}:{m % 12 * 5:02}:00" for m in range(count)
    ]


def test_a_spike_in_a_steady_series_is_the_strangest_row(tmp_path: Path) -> None:
    rows = [f"{stamp},{20 + i % 7}" for i, stamp in enumerate(stamps(1200))]
    rows[1000] = rows[1000].split(",")[0] + ",500"
    source, target = write(tmp_path / "counts.csv", rows), tmp_path / "scores.csv"
    score_file(source, target)
    scored = list(csv.DictReader(io.StringIO(target.read_text())))
    scores = [float(row["anomaly_score"]) for row in scored]
    assert len(scores) == 1200
    assert all(0 <= score <= 1 for score in scores)
    assert max(range(1200), key=scores.__getitem__) == 1000
    assert [row["timestamp"] for row in scored] == stamps(1200)


def test_counts_without_a_target_go_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score_file(write(tmp_path / "counts.csv", ["2026-03-01T00:00:00,3"]), None)
    assert capsys.readouterr().out.splitlines()[0] == "timestamp,value,anomaly_score"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["2026-03-01T00:00:00,3", "yesterday,4"], "counts.csv:3:"),
        (["2026-03-01T00:00:00,many"], "counts.csv:2:"),
        (["2026-03-02T00:00:00,3", "2026-03-01T00:00:00,4"], "time runs backwards"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        score_file(write(tmp_path / "counts.csv", rows), None)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    source = tmp_path / "counts.csv"
    source.write_text("time,value\n1,2\n")
    with pytest.raises(UserError, match="no column timestamp"):
        score_file(source, None)
