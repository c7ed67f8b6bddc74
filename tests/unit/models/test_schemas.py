"""The published JSON Schemas are current, valid, and true to their examples and to the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from models.decoding import Bad, decode
from models.post import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_COUNT,
    Engagement,
    Heartbeat,
    Op,
    Post,
    encode,
    record_adapter,
)
from models.schemas import Contract, contracts, files, write
from models.watchlist import Watchlist, parse_watchlist

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"
ALL = {contract.name: contract for contract in contracts()}
each_contract = pytest.mark.parametrize("contract", ALL.values(), ids=ALL.keys())


def test_the_files_are_current() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert written == files(), "run `make schemas`"


def test_writing_makes_the_folder_and_the_files(tmp_path: Path) -> None:
    paths = write(tmp_path / "new")
    assert {path.name for path in paths} == set(files())
    assert all(json.loads(path.read_text(encoding="utf-8")) for path in paths)


@each_contract
def test_a_schema_is_valid_and_so_are_its_examples(contract: Contract) -> None:
    schema = contract.schema()
    Draft202012Validator.check_schema(schema)
    assert contract.examples
    for example in contract.examples:
        Draft202012Validator(schema).validate(example)
        contract.model.model_validate(example)


@each_contract
def test_unknown_fields_are_accepted_on_topics_and_refused_in_the_watchlist(
    contract: Contract,
) -> None:
    example = {**contract.examples[0], "from_the_future": 1}
    accepted = Draft202012Validator(contract.schema()).is_valid(example)
    assert accepted == (contract.model is not Watchlist)


@pytest.mark.parametrize("name", ["post", "heartbeat"])
def test_the_fast_path_and_the_contract_read_every_example_alike(name: str) -> None:
    for example in ALL[name].examples:
        value = json.dumps(example).encode()
        row = decode([value])[0]
        record = record_adapter.validate_json(value)
        assert not isinstance(row, Bad)
        for field in row.__struct_fields__:
            assert getattr(row, field) == getattr(record, field)


def test_the_watchlist_of_the_example_is_read_as_yaml_too() -> None:
    example = ALL["watchlist"].examples[0]
    written = parse_watchlist(json.dumps(example, ensure_ascii=False))
    assert written == Watchlist.model_validate(example)


counts = st.integers(0, MAX_COUNT)
moments = st.integers(EARLIEST_MS, LATEST_MS)
sources = st.text(min_size=1, max_size=128)
optional = st.none() | st.text(max_size=35)
posts = st.builds(
    Post,
    platform=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True),
    native_id=st.text(min_size=1, max_size=512),
    op=st.sampled_from(Op),
    author=optional,
    reach=counts,
    text=st.text(),
    truncated=st.booleans(),
    language=optional,
    created_ms=moments,
    observed_ms=moments,
    engagement=st.builds(Engagement, likes=counts, views=counts),
    repost_of=optional,
    url=optional,
    source=sources,
)
heartbeats = st.builds(Heartbeat, source=sources, until_ms=moments, sent_ms=moments)
records = posts | heartbeats


@settings(deadline=None, max_examples=100)
@given(records)
def test_every_record_of_the_models_keeps_to_the_schema(record: Post | Heartbeat) -> None:
    value = json.loads(encode(record))
    Draft202012Validator(ALL[record.type].schema()).validate(value)
    assert not isinstance(decode([encode(record)])[0], Bad)
