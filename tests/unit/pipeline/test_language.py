"""Everything that is said to people is said in Polish too, with the same figures in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import Environment

from models.detection import life
from pipeline import language
from pipeline.console import sayings, wording
from pipeline.language import LANGUAGES, n_, preferred, speaking
from tests.unit.pipeline.alert_samples import crisis_alert

PIPELINE = Path(language.__file__).parent
PLACE = re.compile(r"%(?:\((\w+)\))?[a-z%]")
Message = str | tuple[str, str]


def messages_of_python(source: str) -> Iterator[Message]:
    """Also those within f-strings, which Babel's own extractor leaves out."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        said = [word for word in words if isinstance(word, str)]
        if node.func.id in ("_", "N_") and said:
            yield said[0]
        if node.func.id == "n_":
            yield said[0], said[1]


def messages_of_template(source: str) -> Iterator[Message]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for _line, function, said in environment.extract_translations(source):
        words = [str(word) for word in (said if isinstance(said, tuple) else (said,)) if word]
        if words:
            yield (words[0], words[1]) if function == "ngettext" else words[0]


def messages() -> set[Message]:
    found: set[Message] = set()
    for path in PIPELINE.rglob("*.py"):
        found |= set(messages_of_python(path.read_text()))
    for path in PIPELINE.rglob("*.html"):
        found |= set(messages_of_template(path.read_text()))
    return found


def catalogue() -> Catalog:
    with (PIPELINE / "locale" / "pl.po").open("rb") as file:
        return read_po(file, locale="pl", abort_invalid=True)


def places(text: str) -> list[str]:
    return sorted(match[0] for match in PLACE.finditer(text) if match[0] != "%%")


def test_every_message_has_a_polish_form_and_none_is_left_over() -> None:
    translated = {message.id for message in catalogue() if message.id}
    assert messages() - translated == set()
    assert translated - messages() == set()


def test_no_polish_form_is_empty_doubtful_or_without_a_figure_of_the_english_one() -> None:
    for message in catalogue():
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert len(forms) == (3 if len(ids) == 2 else 1), message.id
        for form in forms:
            assert form, message.id
            assert places(form) == places(ids[-1]), message.id


def test_polish_counts_in_three_forms() -> None:
    one, many = "%(count)s more is firing", "%(count)s more are firing"
    with speaking("pl"):
        said = [n_(one, many, count).split(" ", 1)[1] for count in (1, 22, 5, 12, 104)]
    assert said[1] == said[4]
    assert said[2] == said[3]
    assert len(set(said)) == 3


def test_figures_dates_and_signs_are_written_as_poles_write_them() -> None:
    with speaking("pl"):
        assert wording.figure(1_250_000) == "1,25\u202fmln"
        assert wording.figure(0.278) == "0,28"
        assert wording.signed(-0.617) == "−0,62"
        assert wording.moment(crisis_alert().onset) == "22 lut 2015, 12:00"
    assert wording.figure(0.278) == "0.28"


def test_a_language_ends_with_its_block_even_where_it_fails() -> None:
    with pytest.raises(RuntimeError), speaking("pl"):
        raise RuntimeError
    assert language.spoken() == "en"
    with pytest.raises(KeyError), speaking("tlh"):
        pass


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("pl", "pl"),
        ("PL-pl;q=0.1", "pl"),
        ("en-GB,en;q=0.9,pl;q=0.8", "en"),
        ("de,fr;q=0.9", "en"),
        ("pl;q=0", "en"),
        ("pl;q=nan, en;q=0.1", "en"),
        (",;=", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_likes_best(header: str, code: str) -> None:
    assert preferred(header) == code
    assert code in LANGUAGES


REASONS = (
    "201 negative posts in 12 min where about 13.4 are usual: the evidence passed the threshold.",
    "80 posts in 30 min where about 9.0 are usual: it came back and grew.",
    "54% negative over 20 min where 25% is usual: it has become a crisis, which has its own alert.",
    "all brands rise together, by a factor of 2.1: a platform effect, told once and here: "
    "the evidence passed the threshold.",
    "41% negative over 300 min where 22% is usual: the evidence is near the threshold.",
    "212 near-identical posts in about half an hour: it came back while cooling.",
    "50% of what should be seen was seen: it did not grow and faded without an alarm.",
    "9 negative posts in 9 min where about 1.0 are usual: the impact grew from warning to error.",
    "9 negative posts in 9 min where about 1.0 are usual: the rate is back near its baseline.",
    "9 negative posts in 9 min where about 1.0 are usual: back at its baseline 45 minutes after "
    "it fired.",
    "9 posts in 9 min where about 1.0 are usual: it came back; the same alert goes on.",
    "A post shown as evidence was deleted or edited by its author.",
)


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_of_the_detectors_are_said_in_polish(reason: str) -> None:
    with speaking("pl"):
        said = sayings.reason(reason)
    assert said != reason
    figures = re.findall(r"\d+(?:\.\d+)?", reason)
    assert [f.replace(",", ".") for f in re.findall(r"\d+(?:,\d+)?", said)] == figures
    assert sayings.reason(reason) == reason


def test_what_the_life_of_a_signal_says_is_known_here() -> None:
    source = Path(life.__file__).read_text()
    said = [
        part
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_advance")
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(part := constant.value, str)
        if " " in part and not part.endswith(".")
    ]
    known = " ".join(sayings._FORMS)
    assert said
    assert [part for part in said if part.strip() not in known] == []


def test_an_unknown_reason_is_shown_as_it_came() -> None:
    with speaking("pl"):
        assert sayings.reason("the moon was full: twice") == "the moon was full: twice"


@pytest.mark.parametrize("status", ["pending", "firing", "resolved"])
def test_the_summary_is_made_anew_from_the_alerts_figures(status: str) -> None:
    alert = crisis_alert(status=status, brand_name="Orzeł Air")
    with speaking("pl"):
        said = sayings.summary(alert)
    assert said.startswith("Orzeł Air: ")
    assert "22 lut 2015, 12:00" in said
    assert (" 201 z 240 " in said) == (status != "resolved")
    assert sayings.summary(alert) == alert.summary


def test_a_mood_that_became_a_crisis_is_not_said_to_be_over() -> None:
    alert = crisis_alert(status="resolved", kind="mood", superseded=True, brand_name="Orzeł Air")
    with speaking("pl"):
        said = sayings.summary(alert)
    assert "przeszło w kryzys" in said
    assert "minęło" not in said
