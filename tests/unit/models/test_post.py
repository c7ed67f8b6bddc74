"""Contract of the `posts` topic."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.post import MAX_COUNT, POSTS_VERSION, Heartbeat, Op, Post, encode, record_adapter

POST = Post(platform="x", native_id="1", created_ms=1, observed_ms=2, source="s")


def test_a_record_comes_back_as_it_was_sent() -> None:
    beat = Heartbeat(source="s", until_ms=1, sent_ms=2, final=True)
    assert record_adapter.validate_json(encode(POST)) == POST
    assert record_adapter.validate_json(encode(beat)) == beat


def test_all_operations_on_a_post_have_its_key() -> None:
    deleted = POST.model_copy(update={"op": Op.DELETE})
    assert POST.key == deleted.key == "x:1"


def test_records_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        POST.text = "other"  # type: ignore[misc]


def test_a_newer_version_is_refused_for_it_would_be_misread() -> None:
    newer = encode(POST).replace(b'"version":1', b'"version":%d' % (POSTS_VERSION + 1))
    assert newer != encode(POST)
    with pytest.raises(ValidationError, match="version"):
        record_adapter.validate_json(newer)


def test_a_reach_that_would_not_fit_a_tally_is_refused() -> None:
    with pytest.raises(ValidationError, match="reach"):
        Post(**{**POST.model_dump(), "reach": MAX_COUNT + 1})
