"""On a real Kafka: what was erased is gone wherever it was shown; a verdict narrows a budget."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from models.alert import CrisisAlert, Exhibit
from models.feedback import Answer, decode_feedback
from pipeline.child import Child
from pipeline.console.views import alert_href, brand_href, report_href, resilience_href
from pipeline.settings import Settings
from tests.support.roles import (
    DEMO_WATCHLIST,
    count_records,
    read_topic,
    run_command,
    start_role,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SPEED = 7200
"""Of the hours after the verdict: slow enough for some checkpoints."""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """Two days of the simulator, with its crisis in them."""
    file = tmp_path / "posts.jsonl"
    done = run_command(Settings(), "connect", "simulator", "--seed", 7, "--days", 2, "--dump", file)
    assert done.returncode == 0, done.stderr
    return file


def crisis_in(lines: list[bytes]) -> CrisisAlert:
    """The newest revision of the first crisis that is over."""
    newest: dict[str, CrisisAlert] = {}
    for line in lines:
        alert = CrisisAlert.model_validate_json(line)
        newest[alert.alert_id] = max(alert, newest.get(alert.alert_id, alert), key=revision_of)
    return next(
        alert
        for alert in newest.values()
        if alert.kind.value == "surge-negative" and alert.fired_at and alert.status == "resolved"
    )


def revision_of(alert: CrisisAlert) -> int:
    return alert.revision


def parts(story: Path, alert: CrisisAlert, folder: Path) -> tuple[Path, Path]:
    """The story until an hour after the crisis, and what comes then."""
    assert alert.resolved_at is not None
    cut_ms = (alert.resolved_at + timedelta(hours=1)).timestamp() * 1000
    before, after = folder / "before.jsonl", folder / "after.jsonl"
    with before.open("w") as first, after.open("w") as second:
        for line in story.read_text().splitlines(keepends=True):
            (first if json.loads(line)["created_ms"] < cut_ms else second).write(line)
    return before, after


def address_of(console: Child) -> str:
    found = re.search(r"console: (http://\S+?)/?\s", console.log.read_text())
    return found[1] if found else ""


def page(console: Child, path: str) -> str:
    try:
        with urllib.request.urlopen(address_of(console) + path, timeout=60) as answer:
            return str(answer.read(), "utf-8")
    except urllib.error.HTTPError as error:
        return str(error.read(), "utf-8")


def shown(alert: CrisisAlert) -> list[Exhibit]:
    exhibits = {exhibit.post: exhibit for exhibit in alert.exhibits}
    for other in (alert.first_post, alert.take_off.exhibit if alert.take_off else None):
        if other is not None:
            exhibits.setdefault(other.post, other)
    return list(exhibits.values())


def words(text: str) -> str:
    """Enough of a post to know it by, of characters that no page escapes."""
    return max(re.findall(r"[\w ,]+", text), key=len).strip()


def test_what_is_erased_is_gone_everywhere_and_a_verdict_narrows_the_budget(
    story: Path, tmp_path: Path, kafka_settings: Callable[..., Settings]
) -> None:
    settings = kafka_settings(
        watchlist=DEMO_WATCHLIST, state_dir=tmp_path / "state", checkpoint_interval_s=0.2
    )
    series, alerts = tmp_path / "series.jsonl", tmp_path / "alerts.jsonl"
    done = run_command(settings, "backtest", story, "--alerts", alerts, "--minutes", series)
    assert done.returncode == 0, done.stderr
    crisis = crisis_in(alerts.read_bytes().splitlines())
    before, after = parts(story, crisis, tmp_path)
    untold = {
        (point["brand"], point["bucket_ms"]): point["threshold"]
        for point in map(json.loads, series.read_bytes().splitlines())
    }
    assert run_command(settings, "topics", "create").returncode == 0
    with ExitStack() as stack:
        score, watch = (
            stack.enter_context(start_role(settings, role, tmp_path / f"{role}.log"))
            for role in ("score", "watch")
        )
        console = stack.enter_context(
            start_role(settings, "console", tmp_path / "console.log", "--port", 0)
        )
        roles = [score, watch, console]
        replayed = run_command(settings, "replay", before, "--speed", "max")
        assert replayed.returncode == 0, replayed.stderr

        def newest() -> CrisisAlert:
            values = [r.value for r in read_topic(settings, "alerts") if r.value]
            same = [v for v in values if json.loads(v)["alert_id"] == crisis.alert_id]
            revisions = [CrisisAlert.model_validate_json(value) for value in same]
            return max(
                revisions, key=revision_of, default=crisis.model_copy(update={"revision": -1})
            )

        until(lambda: newest().revision >= crisis.revision, roles, 150)
        until(lambda: address_of(console) != "", roles)
        here = alert_href(crisis.alert_id)
        until(lambda: f"revision {crisis.revision}" in page(console, here), roles)

        assert_erasures(settings, console, roles, newest, tmp_path)
        assert_verdict(settings, console, crisis)
        assert_weeks(settings, console, roles, crisis, tmp_path)

        decided = count_records(settings, "series")
        replayed = run_command(settings, "replay", after, "--speed", SPEED, limit_s=200)
        assert replayed.returncode == 0, replayed.stderr
        until(lambda: count_records(settings, "series") > decided + 100, roles)

        def risen() -> dict[str, float]:
            """By how much the threshold of the newest minute of each brand rose."""
            points = [json.loads(r.value) for r in read_topic(settings, "series")]
            newest = {p["brand"]: p for p in sorted(points, key=lambda p: p["bucket_ms"])}
            return {
                brand: p["threshold"] - untold.get((brand, p["bucket_ms"]), math.nan)
                for brand, p in newest.items()
            }

        until(lambda: risen()[crisis.brand] > 0.1, roles)
        thresholds = risen()
        assert thresholds.pop(crisis.brand) == pytest.approx(math.log(2), abs=1e-6)
        assert thresholds
        assert all(rise == pytest.approx(0, abs=1e-6) for rise in thresholds.values())


def assert_erasures(
    settings: Settings,
    console: Child,
    roles: list[Child],
    newest: Callable[[], CrisisAlert],
    folder: Path,
) -> None:
    """A post goes by its key, another one by its author: from topic, console, report and files."""
    before = newest()
    exhibits = shown(before)
    texts = [words(exhibit.text) for exhibit in exhibits]
    alone = [
        e for e, text in zip(exhibits, texts, strict=True) if sum(text in t for t in texts) == 1
    ]
    by_key, by_author = (e for e in alone[:2])
    assert by_author.author is not None
    here, report = alert_href(before.alert_id), report_href(before.alert_id)
    for exhibit in (by_key, by_author):
        assert words(exhibit.text) in page(console, here)
        assert words(exhibit.text) in page(console, report)
    assert run_command(settings, "forget", "--post", by_key.post).returncode == 0
    assert run_command(settings, "forget", "--author", by_author.author).returncode == 0
    gone = [words(by_key.text), words(by_author.text), by_author.author]
    until(lambda: not any(text in page(console, here) for text in gone), roles)
    after = newest()
    assert after.revision > before.revision
    assert not any(text in after.encode().decode() for text in gone)
    kept = {e.post for e in exhibits if e.author != by_author.author} - {by_key.post}
    assert {e.post for e in shown(after)} == kept
    written = page(console, report)
    assert not any(text in written for text in gone)
    done = run_command(settings, "report", before.alert_id, "--out", folder / "reports")
    assert done.returncode == 0, done.stderr
    files = [path.read_text() for path in (folder / "reports").iterdir()]
    assert len(files) == 2
    assert not any(text in file for text in gone for file in files)


def assert_weeks(
    settings: Settings, console: Child, roles: list[Child], crisis: CrisisAlert, folder: Path
) -> None:
    """Digest and resilience are read from the topics, in the console and by the command."""
    digests = folder / "digests"
    done = run_command(settings, "digest", "--out", digests)
    assert done.returncode == 0, done.stderr
    [written] = digests.glob("*.md")
    assert crisis.brand_name in written.read_text()
    until(lambda: page(console, "/digest?format=md") == written.read_text(), roles)
    here = resilience_href(crisis.brand)
    assert report_href(crisis.alert_id) in page(console, here)


def assert_verdict(settings: Settings, console: Child, crisis: CrisisAlert) -> None:
    """It stands on the topic under its own key, and on the page of the brand."""
    done = run_command(settings, "feedback", crisis.alert_id, "false-alarm", "--by", "Ala")
    assert done.returncode == 0, done.stderr
    [record] = [r for r in read_topic(settings, "feedback") if r.value]
    answer = decode_feedback(record.value)
    assert record.key == answer.key() == f"{crisis.alert_id}#verdict".encode()
    assert (answer.answer, answer.brand, answer.by) == (Answer.FALSE_ALARM, crisis.brand, "Ala")
    until(lambda: "Ala" in page(console, brand_href(crisis.brand)), [console])
