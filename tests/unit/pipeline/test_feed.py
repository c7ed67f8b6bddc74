from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.feed import ALERTS, SERIES, Erased, fold, read_record, reason_of
from pipeline.ledger import Ledger
from pipeline.listening import listen, port_of
from tests.unit.pipeline.alert_samples import crisis_alert, series_point


def test_records_of_both_topics_are_read() -> None:
    alert, point = crisis_alert(), series_point()
    assert read_record(ALERTS, alert.alert_id.encode(), alert.encode()) == alert
    assert read_record(SERIES, point.key(), point.encode()) == point


def test_a_record_without_a_value_erases_the_alert() -> None:
    ledger = Ledger()
    alert = crisis_alert()
    assert fold(ledger, alert) == "orzel-air"
    erased = read_record(ALERTS, alert.alert_id.encode(), None)
    assert erased == Erased(alert.alert_id)
    assert fold(ledger, erased) == "orzel-air"
    assert fold(ledger, erased) is None
    assert ledger.alerts() == []


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        (ALERTS, b"a", b""),
        (ALERTS, b"a", b"\xff\xfe"),
        (ALERTS, b"a", b"null"),
        (ALERTS, b"a", series_point().encode()),
        (ALERTS, None, None),
        (ALERTS, b"\xff", None),
        (SERIES, b"a", None),
        (SERIES, b"a", crisis_alert().encode()),
    ],
)
def test_what_cannot_be_understood_is_refused(
    topic: str, key: bytes | None, value: bytes | None
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_record(topic, key, value)


def test_the_reason_names_the_field_and_keeps_the_words_of_posts_to_itself() -> None:
    value = (
        crisis_alert(summary="secret words")
        .encode()
        .replace(b'"severity":"error"', b'"severity":"secret"')
    )
    with pytest.raises(ValidationError) as caught:
        read_record(ALERTS, b"a", value)
    assert "severity" in reason_of(caught.value)
    assert "secret" not in reason_of(caught.value)


@pytest.mark.parametrize("command", ["console", "exporter"])
def test_a_broker_that_is_not_there_ends_the_command_with_one_line(command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", command, "--port", "0"],
        env=os.environ
        | {"CZUJKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "CZUJKA_CONNECT_TIMEOUT_S": "0.3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert "no Kafka broker answered" in line


@pytest.mark.parametrize("command", ["console", "exporter"])
def test_a_taken_port_ends_the_command_with_one_line(command: str) -> None:
    with listen("127.0.0.1", 0, "--port") as taken:
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", command, "--port", str(port_of(taken))],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "is taken" in line
    assert "--port 0" in line
