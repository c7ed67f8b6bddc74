from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from pipeline.logs import JsonFormatter
from pipeline.tracing import ids_of, trace_id_of
from tests.unit.pipeline.alert_samples import crisis_alert


def line_of(message: str, **extra: object) -> dict[str, object]:
    record = logging.getLogger("here").makeRecord(
        "here", logging.INFO, __file__, 1, message, (), None, extra=extra
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    fields: dict[str, object] = json.loads(text)
    return fields


@given(st.text())
def test_whatever_is_logged_is_one_line_of_json(message: str) -> None:
    assert line_of(message)["message"] == message


def test_a_line_about_an_alert_carries_the_ids_that_its_trace_has() -> None:
    alert = crisis_alert(0, "firing")
    fields = line_of("firing", **ids_of(alert))
    assert fields["alert_id"] == alert.alert_id and fields["brand"] == alert.brand
    assert fields["trace_id"] == trace_id_of(alert.alert_id)
    assert fields["level"] == "INFO" and fields["logger"] == "here"


def test_an_error_brings_its_traceback_along_in_a_field() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        record = logging.makeLogRecord({"msg": "it broke", "exc_info": sys.exc_info()})
    assert "ValueError: odd" in json.loads(JsonFormatter().format(record))["error"]


def test_the_command_logs_as_it_is_told_to() -> None:
    program = (
        "import logging, sys\n"
        "from pipeline.logs import configure_logging\n"
        "configure_logging('INFO', sys.argv[1])\n"
        "logging.getLogger('x').info('hello', extra={'brand': 'orzel-air'})\n"
    )
    for form in ("json", "text"):
        done = subprocess.run(
            [sys.executable, "-c", program, form],
            capture_output=True,
            text=True,
            env=os.environ,
            check=True,
        )
        (line,) = done.stderr.splitlines()
        if form == "json":
            assert json.loads(line)["brand"] == "orzel-air"
        else:
            assert line.endswith("INFO x: hello")
