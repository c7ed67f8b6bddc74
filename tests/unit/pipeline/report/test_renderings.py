"""What strangers wrote stays text: in HTML, in Markdown, in every field."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from models.feedback import Answer
from models.series import SeriesTerm
from pipeline.language import _, speaking
from pipeline.plaintext import printable
from pipeline.report.account import Account, write_account
from pipeline.report.html import STYLE_HASH, write_html
from pipeline.report.markdown import escaped, write_markdown
from tests.unit.pipeline.report.samples import answer, at, dossier, minute

EVIL = (
    '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp </style>'
    "\n\n# head\n| a | b |\n[x](javascript:alert(3)) ![i](http://e.vil/i.png) `c` https://e.vil"
)


def evil() -> Account:
    exhibit = {
        "post": "x:1",
        "created_at": at(1),
        "platform": EVIL,
        "author": EVIL,
        "text": EVIL,
        "language": EVIL,
        "url": "https://example.org/a b>)c",
        "p_negative": 0.9,
    }
    step = {
        "owner": EVIL,
        "severity": "error",
        "runbook": "javascript:alert(4)",
        "first_steps": [EVIL],
        "holding_statement": {EVIL: EVIL},
        "escalate": [{"after_minutes": 15, "to": EVIL}],
        "deadline_minutes": 30,
    }
    gathered = dossier(
        brand_name=EVIL,
        summary=EVIL,
        reason=EVIL,
        exhibits=[exhibit],
        step=step,
        platforms={EVIL: 3},
        languages={EVIL: 3},
        first_post=exhibit,
        cause={"cause": "outage", "share": 0.5, "reasons": [EVIL]},
        terms=[{"term": EVIL, "z": 3, "share": 0.4, "usual_share": 0.01}],
        organic={"copies": 0.1, "authors": 0.9, "entropy": 0.9},
        voices=[
            {
                "author": EVIL,
                "handle": EVIL,
                "platform": EVIL,
                "role": "loudest",
                "reach": 9,
                "tone": -0.5,
            }
        ],
        take_off={
            "exhibit": exhibit | {"handle": EVIL, "post": "x:2"},
            "minutes": 15,
            "before_per_min": 1,
            "after_per_min": 9,
        },
    )
    said = answer(Answer.ACKNOWLEDGE, 40, by="<b>*me*</b>", note=EVIL)
    gathered.take_answer(said.key(), said)
    return write_account(gathered)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_html_holds_no_element_no_handler_and_no_link_of_strangers() -> None:
    page = write_html(evil())
    assert "\u202e" not in page
    for tag, attributes in Tags(page).elements:
        assert tag not in ("script", "img", "iframe", "object")
        assert tag != "link" or attributes == {"rel": "icon", "href": "data:,"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert (attributes.get("href") or "https://").startswith(("https://", "data:,"))
    assert page.count("</style>") == 1


def test_html_loads_nothing_and_allows_only_its_own_style() -> None:
    page = write_html(write_account(dossier()))
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{STYLE_HASH}&#39;" in page
    assert not re.findall(r"(?:src|@import|url\()", page.split("</style>")[1])


def test_html_draws_volume_and_share_with_their_moments() -> None:
    page = write_html(write_account(dossier()))
    assert page.count("<svg") == 2
    assert page.count('class="band"') == 2
    for name in ("onset", "fired", "peak", "turned", "calm", "resolved"):
        assert f'class="mark {name}"' in page


def test_markdown_renders_without_html_links_or_pictures_of_strangers() -> None:
    text = write_markdown(evil())
    rendered = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    assert "\u202e" not in text
    for tag, attributes in Tags(rendered).elements:
        assert tag not in ("script", "img", "style")
        assert tag != "a" or attributes["href"] == "https://example.org/a%20b%3E)c"
    assert rendered.count("<h1>") == 1
    assert "<code>" in rendered  # our own, of the alert's id
    assert rendered.count("<code>") == 1


@given(st.text(max_size=60))
@example("- a")
@example("1. a")
@example("+ a")
@example("www.e.vil and a@b.pl")
@example("===")
@example("&lt;b&gt;")
@example("    code")
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    line = " ".join(printable(text).split())
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(escaped(text))
    shown = re.sub(r"\s+", " ", re.sub(r"</?p>", "", rendered)).strip()
    for name, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(name, char)
    assert shown == line


@pytest.mark.parametrize("write", [write_html, write_markdown])
def test_both_tell_the_same_figures_and_questions(write: object) -> None:
    account = write_account(dossier())
    text = write_html(account) if write is write_html else write_markdown(account)
    for said in ("20 min", "3 h", "usually 42", "bluesky", "duty-manager", "Call operations"):
        assert said in text
    assert text.count("Nobody acknowledged the alert") == 1


def test_the_report_speaks_polish_throughout() -> None:
    with speaking("pl"):
        account = write_account(dossier())
        page, text = write_html(account), write_markdown(account)
    assert '<html lang="pl">' in page
    for said in ("Przebieg", "Najgorszy kwadrans", "Pytania", "dzień wcześniej", "22 lut 2015"):
        assert said in page
        assert said in text or said == "dzień wcześniej"
    ours = text.replace("Call operations", "").replace("reason", "")
    assert not re.search(r"\b(the|and|of|is|are|was|usually|before)\b", ours)


@pytest.mark.parametrize("write", [write_html, write_markdown])
def test_terms_are_told_over_time_within_the_window(write: Callable[[Account], str]) -> None:
    gathered = dossier()
    for when, word in ((90, "odwołany"), (-1300, "wczoraj")):
        point = minute(when).model_copy(update={"terms": (SeriesTerm(term=word, share=0.4),)})
        gathered.take_point(point)
    text = write(write_account(gathered))
    assert "by hour" in text
    assert "odwołany" in text
    assert "wczoraj" not in text


@pytest.mark.parametrize("language", ["en", "pl"])
def test_both_reports_say_after_which_post_it_took_off_and_who_turned_the_tone(
    language: str,
) -> None:
    loud = {
        "post": "x:2",
        "created_at": at(3),
        "platform": "x",
        "author": "u_0123456789abcdef",
        "handle": "minister",
        "reach": 50_000,
        "text": "the loud word",
        "p_negative": 0.9,
    }
    told = dossier(
        take_off={"exhibit": loud, "minutes": 15, "before_per_min": 2, "after_per_min": 30},
        voices=[
            {
                "author": "u_0123456789abcdef",
                "handle": "minister",
                "role": "turned",
                "reach": 50_000,
                "tone": -0.9,
            }
        ],
    )
    with speaking(language):
        account = write_account(told)
        (event,) = [event for event in account.events if event.name == "took-off"]
        assert event.at == at(3)
        for report in (write_html(account), write_markdown(account)):
            for said in (_("After this one it took off"), _("Turned the tone"), "the loud word"):
                assert said in report
            assert event.detail in report
            assert "minister" in report
            assert "u_0123456789abcdef" not in report
            assert "u\\_0123456789abcdef" not in report
