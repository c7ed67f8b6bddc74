"""Scores a file of counts: `timestamp,value` in, `timestamp,value,anomaly_score` out."""

from __future__ import annotations

import csv
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.detection.series import THRESHOLD, explain_series
from models.errors import UserError
from pipeline.incidents.judging import Alarm
from pipeline.incidents.tracks import Track

COLUMNS = ("timestamp", "value")


def score_file(source: Path, target: Path | None, *, quiet: bool = False) -> Track:
    """Reads counts, writes them with their scores.

    Args:
        source: CSV with the columns timestamp (ISO 8601, UTC where no zone is given) and value.
        target: where to write; None for standard output.
        quiet: without a target nothing is written.

    Returns:
        What was seen and expected, and the scores.

    Raises:
        UserError: the file cannot be read or written, or a row is broken (file and line are named).
    """
    rows, times_ms, values = _read(source)
    try:
        times, seen = np.array(times_ms, dtype=np.int64), np.array(values, dtype=np.float64)
        scored = explain_series(times, seen)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error
    if target is not None or not quiet:
        _write(target, rows, scored.scores.tolist())
    return Track(
        brand="",
        name=source.name,
        times_ms=times,
        seen=seen,
        negative=None,
        expected=scored.expected,
        low=np.zeros(len(times)),
        high=np.where(np.isfinite(scored.high), scored.high, scored.expected),
        score=scored.scores,
        threshold=np.full(len(times), THRESHOLD),
        unit="value",
    )


def alarms_of(track: Track) -> list[Alarm]:
    """Rows of a series that are strange enough; an incident of a day is told once."""
    strange = np.flatnonzero(track.score >= track.threshold)
    return [Alarm(int(track.times_ms[i]), "", f"score {track.score[i]:.2f}") for i in strange]


def _write(target: Path | None, rows: list[tuple[str, str]], scores: list[float]) -> None:
    with ExitStack() as stack:
        try:
            out = (
                sys.stdout if target is None else stack.enter_context(target.open("w", newline=""))
            )
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from error
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*COLUMNS, "anomaly_score"])
        writer.writerows([*row, f"{score:.6f}"] for row, score in zip(rows, scores, strict=True))


def _read(source: Path) -> tuple[list[tuple[str, str]], list[int], list[float]]:
    """Rows as they stand in the file, their times and their values."""
    rows: list[tuple[str, str]] = []
    times_ms: list[int] = []
    values: list[float] = []
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{source}:1: no column {missing[0]}; wanted: timestamp,value")
            for row in reader:
                stamp, value = row["timestamp"], row["value"]
                try:
                    time = datetime.fromisoformat(stamp)
                    values.append(float(value) if value else float("nan"))
                except (TypeError, ValueError) as error:
                    raise UserError(f"{source}:{reader.line_num}: {error}") from error
                aware = time if time.tzinfo else time.replace(tzinfo=UTC)
                rows.append((stamp, value))
                times_ms.append(round(aware.timestamp() * 1000))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {source}: {error}") from error
    return rows, times_ms, values
