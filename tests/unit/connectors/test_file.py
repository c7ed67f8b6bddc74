"""Posts from files: what is understood, and what becomes of what is broken."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.base import RAW_LIMIT_BYTES, Page, Reject
from connectors.errors import ConfigurationError
from connectors.fields import FieldMap
from connectors.file import FileOptions, FileReader, read_file
from connectors.lines import MAX_LINE_BYTES
from connectors.privacy import Privacy
from models.post import MAX_TEXT_CHARS, Engagement, Op, Post

Write = Callable[..., Path]
PRIVACY = Privacy.for_files({})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the given name and bytes or text."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def posts_in(pages: list[Page]) -> list[Post]:
    return [post for page in pages for post in page.posts]


def rejects_in(pages: list[Page]) -> list[Reject]:
    return [reject for page in pages for reject in page.rejects]


def read(path: Path, *pairs: str, **options: object) -> tuple[list[Post], list[Reject]]:
    chosen = FileOptions(fields=FieldMap.parse(pairs), **options)  # type: ignore[arg-type]
    pages = list(FileReader(path, chosen).pages())
    return posts_in(pages), rejects_in(pages)


CSV = "id,when,who,text\n7,2015-02-17T07:36:05Z,ola,Dzień dobry\n8,2015-02-17T07:37:05Z,jan,Cześć\n"
MAP = ("native_id=id", "created_at=when", "author=who")


@pytest.mark.parametrize("name", ["posts.csv", "posts.csv.gz"])
def test_a_csv_file_is_read_by_its_header(write: Write, name: str) -> None:
    content = CSV.encode()
    posts, rejects = read(
        write(name, gzip.compress(content) if name.endswith("gz") else content), *MAP
    )
    assert rejects == []
    assert [(p.native_id, p.author, p.text) for p in posts] == [
        ("7", PRIVACY.pseudonym("file", "ola"), "Dzień dobry"),
        ("8", PRIVACY.pseudonym("file", "jan"), "Cześć"),
    ]
    assert posts[0].created_ms == posts[0].observed_ms == 1_424_158_565_000
    assert (posts[0].platform, posts[0].source) == ("file", "file")


def test_csv_tsv_and_jsonl_of_the_same_records_give_the_same_posts(write: Write) -> None:
    rows = [line.split(",") for line in CSV.splitlines()]
    tsv = "\n".join("\t".join(row) for row in rows)
    jsonl = "\n".join(json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:])
    expected = read(write("a.csv", CSV), *MAP)
    assert read(write("a.tsv", tsv), *MAP) == expected
    assert read(write("a.jsonl", jsonl), *MAP) == expected
    assert read(write("a.ndjson.gz", gzip.compress(jsonl.encode())), *MAP) == expected


def test_gzip_is_told_by_the_content_and_not_by_the_name(write: Write) -> None:
    assert len(read(write("posts.csv", gzip.compress(CSV.encode())), *MAP)[0]) == 2


def test_fields_are_found_under_their_own_names_without_a_map(write: Write) -> None:
    line = {
        "text": "Super!", "created_at": 1424158565, "native_id": 12, "author": "ola",
        "platform": "Bluesky", "language": "pl", "reach": "120", "likes": 3, "url": "https://a.example",
        "reply_to": "1", "repost_of": "2", "quote_of": "3", "op": "update",
    }  # fmt: skip
    [post], _ = read(write("a.jsonl", json.dumps(line)))
    assert (post.native_id, post.platform, post.reach, post.engagement.likes) == (
        "12", "bluesky", 120, 3,
    )  # fmt: skip
    assert (post.reply_to, post.repost_of, post.quote_of, post.op) == ("1", "2", "3", Op.UPDATE)


def test_posts_as_they_stand_on_the_topic_can_be_read_back(write: Write) -> None:
    post = Post(
        platform="x", native_id="1", author="u_5f1c9a0be2d84c17", reach=7, language="pl",
        text="Zażółć 😡",
        created_ms=1_424_158_565_123, observed_ms=1_424_158_565_123, source="file",
        engagement=Engagement(likes=5), url="https://x.example/1",
    )  # fmt: skip
    pseudonyms = Privacy.for_files({}, known_pseudonyms=True)
    assert read(write("a.jsonl", post.model_dump_json()), privacy=pseudonyms)[0] == [post]


def test_a_dotted_column_reaches_into_json_objects(write: Write) -> None:
    line = {
        "text": "a",
        "created_at": 1,
        "user": {"screen_name": "ola", "followers": 9},
        "x.y": "pl",
    }
    [post], _ = read(
        write("a.jsonl", json.dumps(line)),
        "author=user.screen_name", "reach=user.followers", "language=x.y", "quote_of=user.a.b",
    )  # fmt: skip
    author = PRIVACY.pseudonym("file", "ola")
    assert (post.author, post.reach, post.language, post.quote_of) == (author, 9, "pl", None)


def test_a_record_without_an_id_gets_one_from_its_line_and_content(write: Write) -> None:
    content = "created_at,text\n1,a\n1,a\n1,b\n"
    first, _ = read(write("a.csv", content))
    again, _ = read(write("b.csv", content))
    assert len({post.native_id for post in first}) == 3
    assert [post.native_id for post in first] == [post.native_id for post in again]


def test_a_record_without_an_author_has_none(write: Write) -> None:
    [post], _ = read(write("a.csv", "created_at,text,author\n1,a,\n"))
    assert post.author is None


def test_an_empty_text_is_a_post_and_a_missing_one_is_not(write: Write) -> None:
    posts, rejects = read(
        write("a.jsonl", '{"created_at":1,"text":""}\n{"created_at":2}\n{"created_at":3,"text":[]}')
    )
    assert [post.text for post in posts] == [""]
    assert [(r.place, r.reason) for r in rejects] == [
        ("a.jsonl:2", "no text"),
        ("a.jsonl:3", "text: neither a text nor a number"),
    ]


def test_a_text_of_a_megabyte_is_cut_and_marked(write: Write) -> None:
    line = json.dumps({"created_at": 1, "text": "ż" * 1_000_000})
    for path in (write("a.jsonl", line), write("a.csv", f"created_at,text\n1,{'ż' * 1_000_000}\n")):
        [post], _ = read(path)
        assert post.truncated
        assert post.text == "ż" * MAX_TEXT_CHARS


def test_a_line_over_the_limit_is_a_reject_and_is_not_kept_whole(write: Write) -> None:
    huge = b'{"created_at":1,"text":"' + b"x" * (2 * MAX_LINE_BYTES) + b'"}\n'
    good = b'{"created_at":2,"text":"ok"}\n'
    posts, rejects = read(write("a.jsonl", good + huge + good))
    assert len(posts) == 2
    assert [(r.place, len(r.raw)) for r in rejects] == [("a.jsonl:2", RAW_LIMIT_BYTES)]
    assert "line over" in rejects[0].reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"text":"a"}', "no time"),
        ('{"text":"a","created_at":"soon"}', "time not understood"),
        ('{"text":"a","created_at":1,"reach":"many"}', "reach: not a number"),
        ('{"text":"a","created_at":1,"reach":-4}', "reach"),
        ('{"text":"a","created_at":1,"platform":"no spaces please"}', "platform"),
        ('{"text":"a","created_at":1,"op":"explode"}', "op"),
        ('{"text":"\\ud83d","created_at":1}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_line_is_rejected_with_its_place_and_the_rest_flows(
    write: Write, line: str, reason: str
) -> None:
    good = '{"text":"ok","created_at":5}'
    posts, [reject] = read(write("a.jsonl", f"{good}\n{line}\n\n{good}\n"))
    assert len(posts) == 2
    assert reject.place == "a.jsonl:2"
    assert reason in reject.reason
    assert reject.raw == line.encode()[:RAW_LIMIT_BYTES]


def test_bytes_that_are_not_utf8_are_rejected_and_kept_as_they_are(write: Write) -> None:
    bad = "1,Zażółć\n".encode("cp1250")
    path = write("a.csv", b"created_at,text\n1,ok\n" + bad + b"2,ok\n")
    posts, [reject] = read(path)
    assert len(posts) == 2
    assert reject.place == "a.csv:3"
    assert reject.raw == bad.rstrip()
    assert "--encoding" in reject.reason
    assert read(path, encoding="cp1250")[0][1].text == "Zażółć"


def test_a_byte_order_mark_is_no_part_of_the_header(write: Write) -> None:
    assert len(read(write("a.csv", b"\xef\xbb\xbfcreated_at,text\n1,a\n"))[0]) == 1


def test_utf16_is_refused_with_the_way_to_mend_it(write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.csv.*UTF-16.*iconv"):
        read(write("a.csv", "created_at,text\n1,a\n".encode("utf-16")))


def test_quoted_cells_may_hold_commas_quotes_and_line_breaks(write: Write) -> None:
    content = 'created_at,text\n1,"a, ""b""\nc"\n2,d\n'
    posts, rejects = read(write("a.csv", content))
    assert ([post.text for post in posts], rejects) == (['a, "b"\nc', "d"], [])


def test_a_stray_quote_costs_its_own_line_and_no_other(write: Write) -> None:
    good = "".join(f"{n},text {n}\n" for n in range(1, 3000))
    posts, rejects = read(write("a.csv", f'created_at,text\n0,"oh\n{good}'))
    assert [post.text for post in posts] == [f"text {n}" for n in range(1, 3000)]
    assert [(r.place, r.raw) for r in rejects] == [("a.csv:2", b'0,"oh')]


def test_a_stray_quote_at_the_end_costs_its_own_line_and_no_other(write: Write) -> None:
    posts, [reject] = read(write("a.csv", 'created_at,text\n0,"oh\n1,b\n2,c\n'))
    assert [post.text for post in posts] == ["b", "c"]
    assert reject.place == "a.csv:2"


def test_a_bad_byte_inside_a_quoted_cell_does_not_take_its_neighbours_along(write: Write) -> None:
    content = b'created_at,text\n1,a\n2,"b\nc\xff"\n3,d\n'
    posts, rejects = read(write("a.csv", content))
    assert [post.text for post in posts] == ["a", "d"]
    assert [reject.place for reject in rejects] == ["a.csv:3", "a.csv:4"]


@pytest.mark.parametrize(("name", "sep"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_row_with_too_many_or_too_few_cells_is_rejected(
    write: Write, name: str, sep: str
) -> None:
    rows = [["created_at", "text"], ["1", "a"], ["2"], ["3", "b", "c"], ["4", "d"]]
    posts, rejects = read(write(name, "\n".join(sep.join(row) for row in rows)))
    assert [post.text for post in posts] == ["a", "d"]
    assert [r.reason for r in rejects] == [
        "1 columns, the header has 2",
        "3 columns, the header has 2",
    ]


def test_quotes_mean_nothing_in_tsv(write: Write) -> None:
    posts, _ = read(write("a.tsv", 'created_at\ttext\n1\t"oh no\n2\tb\n'))
    assert [post.text for post in posts] == ['"oh no', "b"]


def test_a_damaged_gzip_file_gives_what_can_be_read_and_says_where_it_ends(write: Write) -> None:
    lines = "".join(f'{{"created_at":{n},"text":"{n * 7919 % 10007}"}}\n' for n in range(20_000))
    packed = gzip.compress(lines.encode())
    posts, [reject] = read(write("a.jsonl.gz", packed[: len(packed) // 2]))
    assert 1_000 < len(posts) < 20_000
    assert "damaged" in reject.reason


def test_files_in_any_order_come_out_in_the_order_of_time(write: Write) -> None:
    rows = [f"{(n * 7919) % 1000 * 30},{n}\n" for n in range(1000)]
    posts, _ = read(write("a.csv", "created_at,text\n" + "".join(rows)))
    times = [post.created_ms for post in posts]
    assert times == sorted(times)
    assert len(times) == 1000


def test_a_reader_counts_what_comes_late(write: Write) -> None:
    rows = "".join(f"{1000 - n},x\n" for n in range(500))
    reader = FileReader(write("a.csv", "created_at,text\n" + rows), FileOptions(reorder=100))
    pages = list(reader.pages())
    assert len(posts_in(pages)) == 500
    assert reader.late == 399


def test_how_far_the_reader_is_can_be_seen(write: Write) -> None:
    reader = FileReader(write("a.csv", "created_at,text\n" + "1,x\n" * 100_000))
    assert reader.total_bytes == 400_016
    records = reader.records()
    next(records)
    assert 0 < reader.read_bytes < reader.total_bytes


def test_a_cursor_of_another_file_is_refused(write: Write) -> None:
    cursor = next(read_file(write("a.csv", "created_at,text\n1,a\n"))).cursor
    with pytest.raises(ConfigurationError, match="--from-start"):
        FileReader(write("b.csv", "created_at,text\n2,b\n")).pages(cursor)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["text"], "expected FIELD=COLUMN"),
        (["text="], "expected FIELD=COLUMN"),
        (["txt=text"], "unknown field 'txt'"),
        (["text=a", "text=b"], "mapped twice"),
    ],
)
def test_a_wrong_map_is_explained(pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FieldMap.parse(pairs)


def test_a_column_that_is_not_there_is_named_with_those_that_are(write: Write) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no column 'nick'.*columns are: created_at, text"
    ):
        read(write("a.csv", "created_at,text\n1,a\n"), "author=nick")
    with pytest.raises(ConfigurationError, match=r"add --map created_at=COLUMN"):
        read(write("b.csv", "date,text\n1,a\n"))


def test_what_cannot_be_opened_is_explained(tmp_path: Path, write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.csv: No such file"):
        FileReader(tmp_path / "missing.csv")
    with pytest.raises(ConfigurationError, match=r"Is a directory"):
        FileReader(tmp_path, FileOptions(format="csv"))
    with pytest.raises(ConfigurationError, match=r"--format"):
        FileReader(write("posts.parquet", ""))
    with pytest.raises(ConfigurationError, match=r"--encoding klingon"):
        FileReader(write("a.csv", ""), FileOptions(encoding="klingon"))


def test_an_empty_file_is_one_final_page(write: Write) -> None:
    [page] = read_file(write("a.csv", ""))
    assert page.final
    assert page.posts == ()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=40), max_size=20), st.sampled_from(["a.csv", "a.tsv", "a.jsonl"])
)
def test_no_bytes_whatever_stop_the_reading(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    header = (
        b""
        if name.endswith("jsonl")
        else b"created_at,text\n".replace(b",", b"," if name.endswith("csv") else b"\t")
    )
    good = {
        "a.csv": b"5,fine", "a.tsv": b"5\tfine", "a.jsonl": b'{"created_at":5,"text":"fine"}'
    }[name]  # fmt: skip
    path.write_bytes(header + b"\n".join([*lines, good]) + b"\n")
    assume(path.read_bytes()[:2] not in (b"\xff\xfe", b"\xfe\xff"))  # UTF-16, told as such
    posts = posts_in(list(read_file(path)))
    swallowed = name == "a.csv" and b'"' in b"".join(lines)  # quotes may join lines into one cell
    assert swallowed or any(post.text == "fine" for post in posts)
