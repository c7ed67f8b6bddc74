"""Authors leave the edge as pseudonyms alone."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Page, Pages, Reject
from connectors.errors import ConfigurationError
from connectors.file import FileOptions, FileReader
from connectors.privacy import KEY_VARIABLE, Privacy, private
from connectors.testing import collect
from models.post import Op, Post, encode

OLD, NEW = "an old key of some length", "a new key of some length"
PRIVACY = Privacy.from_environment({KEY_VARIABLE: NEW})


def a_post(author: str | None = "ola", **changes: object) -> Post:
    values: dict[str, object] = {
        "platform": "x", "native_id": "1", "author": author, "text": "Zażółć 😡",
        "created_ms": 1, "observed_ms": 2, "source": "s",
    }  # fmt: skip
    return Post.model_validate(values | changes)


def one(posts: list[Post]) -> Post:
    [post] = posts
    return post


@given(st.text(min_size=1, max_size=60))
def test_an_author_is_always_the_same_pseudonym_and_nothing_else(author: str) -> None:
    first, again = one(PRIVACY.protect(a_post(author))), one(PRIVACY.protect(a_post(author)))
    assert first.author == again.author
    assert first.author is not None
    assert len(first.author) == 18
    assert first.author.startswith("u_")


def test_pseudonyms_depend_on_the_key_and_on_the_platform() -> None:
    other = Privacy.from_environment({KEY_VARIABLE: OLD})
    names = {
        PRIVACY.pseudonym("x", "ola"),
        PRIVACY.pseudonym("mastodon", "ola"),
        other.pseudonym("x", "ola"),
    }
    assert len(names) == 3


def test_while_the_key_is_changed_posts_carry_the_new_pseudonym_and_an_author_leaves_both() -> None:
    before = Privacy.from_environment({KEY_VARIABLE: OLD})
    change = Privacy.from_environment({KEY_VARIABLE: f"{NEW}, {OLD}"})
    assert one(change.protect(a_post())).author == PRIVACY.pseudonym("x", "ola")
    gone = change.protect(a_post(None, native_id="ola", op=Op.AUTHOR_DELETE))
    assert [post.author for post in gone] == [
        PRIVACY.pseudonym("x", "ola"),
        before.pseudonym("x", "ola"),
    ]
    assert [post.native_id for post in gone] == [post.author for post in gone]


@pytest.mark.parametrize(
    ("written", "message"),
    [("", "is not set"), ("  ", "is not set"), ("short", "16 characters"), (f"{NEW},", "NEW,OLD")],
)
def test_without_a_good_key_nothing_live_is_published(written: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Privacy.from_environment({KEY_VARIABLE: written})
    assert KEY_VARIABLE in str(caught.value)


def test_a_key_is_never_shown() -> None:
    assert NEW not in repr(PRIVACY)


def test_texts_are_masked_and_links_in_which_the_author_stands_are_left_out() -> None:
    post = a_post(text="dzwoń 600 700 800", url="https://x.example/Ola/status/1")
    protected = one(PRIVACY.protect(post))
    assert protected.text == "dzwoń [phone]"
    assert protected.url is None
    kept = one(PRIVACY.protect(a_post(url="https://x.example/i/kola/status/1")))
    assert kept.url == "https://x.example/i/kola/status/1"


def test_what_could_not_become_a_post_is_kept_without_names() -> None:
    native = {
        "account": {"acct": "ola"},
        "did": "did:plc:ola",
        "text": "a@b.pl",
        "n": [{"user": "ola"}],
    }
    for raw in json.dumps(native).encode(), json.dumps(native).encode()[:-1]:
        kept = PRIVACY.reject(Reject(raw, "broken", "place")).raw
        assert b'"text": "[e-mail]"' in kept
        assert b"did:plc" not in kept
        assert b'"user": "ola"' not in kept


def test_bytes_that_are_no_text_survive_in_what_is_kept() -> None:
    assert PRIVACY.reject(Reject(b"\xff\x00 \xb9", "broken", "place")).raw == b"\xff\x00 \xb9"


def test_every_page_of_a_live_source_goes_through() -> None:
    class Source:
        name = "s"

        async def pages(self, cursor: str | None) -> Pages:
            yield Page((a_post(),), cursor="1", rejects=(Reject(b'{"user": "ola"}', "r", "p"),))
            yield Page(final=True)

    pages = asyncio.run(collect(private(Source(), PRIVACY)))
    published = b"".join(encode(post) for page in pages for post in page.posts)
    assert b"ola" not in published
    assert b"ola" not in pages[0].rejects[0].raw
    assert pages[0].cursor == "1"
    assert pages[1].final


def read(path: Path, privacy: Privacy) -> list[Post]:
    pages = FileReader(path, FileOptions(privacy=privacy)).pages()
    return [post for page in pages for post in page.posts]


def test_files_are_read_with_pseudonyms_unless_they_hold_pseudonyms_already(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("created_at,text,author\n1,a@b.pl,ola\n2,b,ola\n3,c,ala\n", "utf-8")
    first = read(path, Privacy.for_files({}))
    assert len({post.author for post in first}) == 2
    assert "ola" not in {post.author for post in first}
    assert first[0].text == "[e-mail]"
    again = tmp_path / "b.jsonl"
    again.write_bytes(b"\n".join(map(encode, first)))
    known = Privacy.for_files({}, known_pseudonyms=True)
    assert [post.author for post in read(again, known)] == [post.author for post in first]
    assert read(path, known) == []  # names are refused there, each a reject
