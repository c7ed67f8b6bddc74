"""Decoding: the fast path of `posts` decides as the contract does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.decoding import MAX_DETAIL_CHARS, REASONS, Bad, HeartbeatRow, PostRow, decode
from models.post import MAX_COUNT, Engagement, Heartbeat, Op, Post, encode, record_adapter

POST: dict[str, Any] = {
    "type": "post",
    "platform": "bluesky",
    "native_id": "1",
    "created_ms": 1_424_599_200_000,
    "observed_ms": 1_424_599_201_000,
    "source": "bluesky-1",
}
HEARTBEAT: dict[str, Any] = {"type": "heartbeat", "source": "s", "until_ms": 1, "sent_ms": 2}


def one(record: dict[str, Any] | bytes) -> PostRow | HeartbeatRow | Bad:
    value = record if isinstance(record, bytes) else json.dumps(record).encode()
    (row,) = decode([value])
    return row


def test_a_post_is_read_with_the_fields_that_score_needs() -> None:
    post = Post(
        platform="x", native_id="7", op=Op.UPDATE, author="a1", reach=12, text="Orzeł 🦅",
        language="pl", created_ms=5, observed_ms=6, engagement=Engagement(likes=3),
        repost_of="6", url="https://example.org/7", source="x-1",
    )  # fmt: skip
    row = decode([encode(post)])[0]
    assert isinstance(row, PostRow)
    assert row.key == post.key
    for name in PostRow.__struct_fields__:
        assert getattr(row, name) == getattr(post, name), name


def test_a_heartbeat_is_read() -> None:
    beat = Heartbeat(source="x-1", until_ms=10, sent_ms=11, final=True)
    assert decode([encode(beat)]) == [
        HeartbeatRow(source="x-1", until_ms=10, sent_ms=11, final=True)
    ]


def test_unknown_fields_are_ignored() -> None:
    assert one({**POST, "mood": {"deep": [1]}}) == one(POST)


def test_a_number_written_as_text_is_read_as_the_contract_reads_it() -> None:
    row = one({**POST, "reach": "12"})
    assert isinstance(row, PostRow)
    assert row.reach == 12


def test_bad_records_keep_their_place_between_good_ones() -> None:
    good = json.dumps(POST).encode()
    rows = decode([good, b"{", good, None])
    assert [type(row) for row in rows] == [PostRow, Bad, PostRow, Bad]


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"", "empty", "no value"),
        (b"{", "invalid-json", "EOF"),
        (b"[" * 100_000, "invalid-json", ""),
        (b'{"type": "post", "text": "\xff"}', "invalid-utf8", "byte 26"),
        (b"[]", "not-an-object", "object"),
        (b'"post"', "not-an-object", "object"),
        ({**POST, "type": "story"}, "unknown-type", "story"),
        ({}, "missing-field", "type"),
        ({**POST, "version": 2}, "unsupported-version", "upgrade"),
        ({**POST, "version": 2, "created_ms": None}, "unsupported-version", "upgrade"),
        ({**HEARTBEAT, "version": 99}, "unsupported-version", "upgrade"),
        ({**POST, "version": 0}, "out-of-range", "version"),
        ({"type": "heartbeat", "source": "s"}, "missing-field", "until_ms"),
        ({**POST, "reach": -1}, "out-of-range", "reach"),
        ({**POST, "reach": MAX_COUNT + 1}, "out-of-range", "reach"),
        ({**POST, "reach": 10**400}, "out-of-range", "reach"),
        ({**POST, "created_ms": -1}, "out-of-range", "created_ms"),
        ({**POST, "created_ms": 10**18}, "out-of-range", "created_ms"),
        ({**POST, "native_id": ""}, "out-of-range", "native_id"),
        ({**POST, "op": "shout"}, "invalid-value", "op"),
        ({**POST, "platform": "Bad Platform"}, "invalid-value", "platform"),
        ({**POST, "platform": "x\n"}, "invalid-value", "platform"),
        ({**POST, "text": 5}, "wrong-type", "text"),
        ({**POST, "text": None}, "wrong-type", "text"),
        ({**POST, "created_ms": 1.5}, "wrong-type", "created_ms"),
    ],
)
def test_bad_content_is_named(value: bytes | dict[str, Any], reason: str, detail: str) -> None:
    row = one(value)
    assert isinstance(row, Bad)
    assert row.reason == reason
    assert detail in row.detail


def test_the_detail_is_short_and_does_not_quote_the_post() -> None:
    row = one({**POST, "op": "a secret", "text": "my phone number"})
    assert isinstance(row, Bad)
    assert "secret" not in row.detail
    assert "phone" not in row.detail
    assert len(row.detail) <= MAX_DETAIL_CHARS


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_bytes_raise(values: list[bytes]) -> None:
    rows = decode(values)
    assert len(rows) == len(values)
    assert all(not isinstance(row, Bad) or row.reason in REASONS for row in rows)


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=0, max_value=10**13),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["x", "12", "-1", "1.0", "", "create", "delete", "post", "heartbeat", "true"]),
    st.text("aż", min_size=120, max_size=140),
    st.lists(st.integers(), max_size=2),
)
read_fields = sorted({*PostRow.__struct_fields__, *HeartbeatRow.__struct_fields__, "type"})
changes = st.dictionaries(st.sampled_from(read_fields), odd, max_size=3)
removals = st.sets(st.sampled_from(read_fields), max_size=1)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from([POST, HEARTBEAT]), changes, removals)
def test_decides_as_the_contract_does_on_the_fields_it_reads(
    base: dict[str, Any], changed: dict[str, Any], removed: set[str]
) -> None:
    record = {name: v for name, v in {**base, **changed}.items() if name not in removed}
    value = json.dumps(record).encode()
    row = decode([value])[0]
    try:
        expected = record_adapter.validate_json(value)
    except ValidationError:
        assert isinstance(row, Bad), row
        return
    assert not isinstance(row, Bad), row
    for name in row.__struct_fields__:
        assert getattr(row, name) == getattr(expected, name), name
