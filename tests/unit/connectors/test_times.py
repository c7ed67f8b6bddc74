"""Times of foreign files."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import MalformedError
from connectors.times import parse_time
from models.post import LATEST_MS

MOMENT_MS = 1_388_548_743_000  # 2014-01-01 03:59:03 UTC


@pytest.mark.parametrize(
    "written",
    [
        "2014-01-01T03:59:03Z",
        "2014-01-01T03:59:03+00:00",
        "2014-01-01 04:59:03+01:00",
        "2014-01-01 03:59:03",
        "2014-01-01T03:59:03.000000Z",
        "1388548743",
        "1388548743.0",
        "1388548743000",
        1388548743,
        1388548743.0,
        1388548743000,
        "Wed Jan 01 03:59:03 +0000 2014",
        "Wed Jan 01 04:59:03 +0100 2014",
        "Tue Dec 31 22:59:03 -0500 2013",
        "01.01.2014 03:59:03",
        "1.1.2014 03:59:03",
        " 2014-01-01T03:59:03Z ",
    ],
)
def test_all_known_ways_to_write_a_time_mean_the_same_moment(written: object) -> None:
    assert parse_time(written) == MOMENT_MS


def test_a_date_without_a_time_is_its_midnight() -> None:
    assert parse_time("01.01.2014") == parse_time("2014-01-01") == parse_time("2014-01-01T00:00Z")


def test_a_time_that_names_no_zone_is_in_the_zone_of_the_file() -> None:
    warsaw = ZoneInfo("Europe/Warsaw")
    assert parse_time("2014-01-01 04:59:03", warsaw) == MOMENT_MS
    assert parse_time("01.01.2014 04:59:03", warsaw) == MOMENT_MS
    assert parse_time("2014-01-01T03:59:03Z", warsaw) == MOMENT_MS


@pytest.mark.parametrize(
    "written",
    [
        "", "yesterday", "2014-13-01T00:00Z", "31.02.2014", "Wed Foo 01 03:59:03 +0000 2014",
        None, True, [], {}, float("nan"), float("inf"), -1, "-1", "9" * 5000, 10**30, "1e9",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
        "Mon Jan 01 00:00:00 +1400 0001",
    ],
)  # fmt: skip
def test_what_is_no_time_between_1970_and_9999_is_malformed(written: object) -> None:
    with pytest.raises(MalformedError, match="time"):
        parse_time(written)


@given(st.datetimes(datetime(1973, 3, 4), datetime(9999, 1, 1), timezones=st.just(UTC)))
def test_iso_and_epoch_milliseconds_agree(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    time_ms = parse_time(moment.isoformat())
    assert parse_time(time_ms) == parse_time(str(time_ms)) == time_ms


@given(st.text() | st.integers() | st.floats())
def test_whatever_is_given_the_answer_is_a_valid_time_or_malformed(value: object) -> None:
    try:
        time_ms = parse_time(value)
    except MalformedError:
        return
    assert 0 <= time_ms <= LATEST_MS
