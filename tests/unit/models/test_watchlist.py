"""The watchlist: what it means, and what is said about a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.alert import EscalationStep, Step
from models.brand import PublicFigure
from models.causes import Cause
from models.detection import DetectionSettings
from models.detection.base import Kind, PlannedEvent, RowSettings, Severity
from models.plan import CauseKey, KindKey, SeverityKey
from models.watchlist import Watchlist, WatchlistError, load_watchlist, parse_watchlist

DESIGN = """\
version: 1
defaults: {false_alarms: 1 per 4 weeks, languages: [pl, en]}
brands:
  - id: orzel-air
    name: Orzeł Air
    match: {any: ["Orzeł Air", "@orzelair"], stems: ["orzeł*air*"], none: ["orzeł bielik"]}
    owner: {team: social-media, escalate: [{after: 15m, to: duty-manager}, {after: 60m, to: board}]}
    events: [{name: "Black Friday", from: 2026-11-27T00:00+01:00, to: 2026-11-30T00:00+01:00}]
"""


def with_brand(*lines: str, defaults: str = "{}") -> str:
    head = ["version: 1", f"defaults: {defaults}", "brands:", "  - id: a", "    name: A"]
    if not any(line.startswith("match:") for line in lines):
        head.append("    match: {any: [aa]}")
    return "\n".join([*head, *(f"    {line}" for line in lines)]) + "\n"


def problems(text: str) -> list[str]:
    with pytest.raises(WatchlistError) as caught:
        parse_watchlist(text, "w.yaml")
    return str(caught.value).splitlines()


class TestMeaning:
    def test_of_a_whole_watchlist(self) -> None:
        watchlist = parse_watchlist(DESIGN)
        (brand,) = watchlist.brands
        assert brand.languages == ("pl", "en")
        assert brand.match.none == ("orzeł bielik",)
        assert brand.events[0].from_ == datetime(2026, 11, 26, 23, tzinfo=UTC)
        assert watchlist.row_settings() == [
            RowSettings(
                false_alarms=1,
                period_min=4 * 7 * 24 * 60,
                events=(PlannedEvent(1_795_734_000_000, 1_795_993_200_000, "Black Friday"),),
            )
        ]

    def test_of_the_detectors_that_vote(self) -> None:
        named = ("two-null", "river.anomaly.GaussianScorer", "river.anomaly.OneClassSVM")
        watchlist = parse_watchlist(f"detectors: [{', '.join(named)}]\n" + DESIGN)
        assert watchlist.detection_settings() == DetectionSettings(detectors=named)
        assert parse_watchlist(DESIGN).detection_settings() == DetectionSettings()

    def test_a_brand_takes_what_it_leaves_out_from_the_defaults(self) -> None:
        text = with_brand(
            "languages: [de]",
            defaults="{languages: [pl], false_alarms: eager, owner: {team: t}, "
            "public_figures: [{handle: '@ceo', accounts: {x: '17'}}]}",
        )
        brand = parse_watchlist(text).brands[0]
        assert brand.languages == ("de",)
        assert brand.false_alarms.period_min == 7 * 24 * 60
        assert brand.owner is not None
        assert brand.owner.team == "t"
        assert brand.public_figures == (PublicFigure(handle="@ceo", accounts={"x": "17"}),)

    @pytest.mark.parametrize(
        ("written", "count", "period_min"),
        [
            ("1 per 4 weeks", 1, 40_320),
            ("2 per week", 2, 10_080),
            ("0.5 PER DAY", 0.5, 1_440),
            ("3 per 2 days", 3, 2_880),
            ("12 per 24 hours", 12, 1_440),
            ("calm", 1, 120_960),
            ("balanced", 1, 40_320),
            ("eager", 1, 10_080),
        ],
    )
    def test_of_a_budget(self, written: str, count: float, period_min: float) -> None:
        (row,) = parse_watchlist(with_brand(f"false_alarms: {written}")).row_settings()
        assert (row.false_alarms, row.period_min) == (count, period_min)

    @pytest.mark.parametrize(
        ("written", "minutes"),
        [("15m", 15), ("90 min", 90), ("1h 30m", 90), ("2 days", 2_880), ("1.5 hours", 90)],
    )
    def test_of_a_duration(self, written: str, minutes: float) -> None:
        text = with_brand(f"owner: {{team: t, escalate: [{{after: {written}, to: b}}]}}")
        owner = parse_watchlist(text).brands[0].owner
        assert owner is not None
        assert owner.escalate[0].after_min == minutes

    def test_a_time_without_a_zone_is_in_the_zone_of_the_defaults(self) -> None:
        event = "events: [{name: e, from: '2026-07-01T00:00', to: '2026-12-01 00:00'}]"
        text = with_brand(event, defaults="{timezone: Europe/Warsaw}")
        (planned,) = parse_watchlist(text).brands[0].events
        assert planned.from_ == datetime(2026, 6, 30, 22, tzinfo=UTC)
        assert planned.to == datetime(2026, 11, 30, 23, tzinfo=UTC)

    def test_words_that_yaml_once_took_for_something_else_are_words(self) -> None:
        text = (
            "version: 1\nbrands:\n  - id: on\n    name: 12:30\n    languages: [no, en]\n"
            "    match: {any: [yes, off, 010, 1_000, 2026-11-27, 1e3, .5, =]}\n"
        ).replace(", =", "")
        brand = parse_watchlist(text).brands[0]
        assert brand.id == "on"
        assert brand.name == "12:30"
        assert brand.languages == ("no", "en")
        assert brand.match.any == ("yes", "off", "010", "1_000", "2026-11-27", "1e3", ".5")

    def test_an_anchor_may_be_used_again(self) -> None:
        text = with_brand("owner: &o {team: t}", "playbooks: {any: {any: &p {runbook: r}}}")
        text += (
            "  - {id: b, name: B, match: {any: [bb]}, owner: *o, playbooks: {surge: {any: *p}}}\n"
        )
        watchlist = parse_watchlist(text)
        assert watchlist.brands[0].owner == watchlist.brands[1].owner

    def test_the_keys_of_playbooks_are_the_kinds_and_severities_of_alerts(self) -> None:
        assert KindKey.__args__ == (*(kind.value for kind in Kind), "any")  # type: ignore[attr-defined]
        assert SeverityKey.__args__ == (*(one.value for one in Severity), "any")  # type: ignore[attr-defined]


class TestConfigHash:
    def test_does_not_depend_on_how_it_is_written(self) -> None:
        same = (
            "# a comment\nversion: '1'\nbrands:\n"
            "- events: [{to: 2026-11-29T23:00Z, from: 2026-11-26T23:00Z, name: Black Friday}]\n"
            "  match:\n    none: [orzeł bielik]\n    stems: ['orzeł*air*']\n"
            "    any: ['Orzeł Air', '@orzelair']\n"
            "  owner: {team: social-media, escalate: [{after: 0.25h, to: duty-manager},"
            " {after: 1 hour, to: board}]}\n"
            "  name: Orzeł Air\n  id: orzel-air\n"
            "defaults: {languages: [pl, en], false_alarms: balanced}\n"
        )
        assert parse_watchlist(same).config_hash == parse_watchlist(DESIGN).config_hash

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("brands:", "detectors: [two-null]\nbrands:"),
            ("1 per 4", "2 per 4"),
            ("bielik", "bieliki"),
            ("15m", "16m"),
            ("[pl, en]", "[en, pl]"),
        ],
    )
    def test_changes_with_every_setting(self, old: str, new: str) -> None:
        changed = parse_watchlist(DESIGN.replace(old, new)).config_hash
        assert changed != parse_watchlist(DESIGN).config_hash
        assert len(changed) == 12
        assert int(changed, 16) >= 0

    def test_survives_a_round_trip_through_json(self) -> None:
        watchlist = parse_watchlist(DESIGN)
        again = Watchlist.model_validate_json(watchlist.model_dump_json(by_alias=True))
        assert again == watchlist
        assert again.config_hash == watchlist.config_hash


class TestStep:
    TEXT = with_brand(
        "owner: {team: social, escalate: [{after: 15m, to: boss}]}",
        "playbooks:",
        "  surge-negative:",
        "    critical: {first_steps: [call], deadline: 1h}",
        "    any: {first_steps: [look], runbook: brand-any}",
        defaults="{playbooks: {surge-negative: {critical: {runbook: default-critical, "
        "holding_statement: {pl: Pracujemy nad tym.}}}, any: {any: {deadline: 1 day}}}}",
    )

    def test_takes_each_field_from_the_most_specific_playbook_that_has_it(self) -> None:
        step = parse_watchlist(self.TEXT).step("a", Kind.SURGE_NEGATIVE, Severity.CRITICAL)
        assert step is not None
        assert step.first_steps == ("call",)
        assert step.deadline_minutes == 60
        assert step.runbook == "brand-any"
        assert step.holding_statement == {"pl": "Pracujemy nad tym."}
        assert step.owner == "social"
        assert step.escalate == (EscalationStep(after_minutes=15, to="boss"),)

    def test_of_another_severity_or_kind_is_less_specific(self) -> None:
        watchlist = parse_watchlist(self.TEXT)
        warning = watchlist.step("a", Kind.SURGE_NEGATIVE, Severity.WARNING)
        mood = watchlist.step("a", Kind.MOOD, Severity.CRITICAL)
        assert warning is not None
        assert mood is not None
        assert (warning.first_steps, warning.deadline_minutes) == (("look",), 24 * 60)
        assert (mood.first_steps, mood.deadline_minutes) == ((), 24 * 60)

    def test_without_playbook_names_the_owner(self) -> None:
        step = parse_watchlist(DESIGN).step("orzel-air", Kind.SURGE, Severity.INFO)
        assert step is not None
        assert step.owner == "social-media"

    def test_is_none_where_the_plan_says_nothing(self) -> None:
        assert parse_watchlist(with_brand()).step("a", Kind.SURGE, Severity.INFO) is None

    def test_of_an_unknown_brand_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            parse_watchlist(with_brand()).step("b", Kind.SURGE, Severity.INFO)


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "line", "field", "problem"),
        [
            ("", 1, "the file", "is empty: it needs `version` and `brands`"),
            ("- a", 1, "the file", "must be a block of `key: value`"),
            ("version: 1\n", 1, "brands", "is missing"),
            ("version: 1\nbrands: []\n", 2, "brands", "names no brand"),
            ("version: 1\nbrands:\n", 2, "brands", "must be a list, as in [a, b] (it is empty)"),
            (with_brand().replace("1", "2", 1), 1, "version", "is newer than this release"),
            (
                "detectors: [two-null, river.anomaly.Gaussian]\n" + with_brand(),
                1,
                "detectors",
                "'river.anomaly.Gaussian' cannot be imported; name \"two-null\" or a path such as",
            ),
            (
                "detectors: [two-null, river.stats.Mean]\n" + with_brand(),
                1,
                "detectors",
                "'river.stats.Mean' is not one of River's anomaly detectors",
            ),
            ("detectors: river\n" + with_brand(), 1, "detectors", "must be a list, as in [a, b]"),
            (
                with_brand("langages: [pl]"),
                7,
                "brands[0].langages",
                "is unknown; did you mean 'languages'?",
            ),
            (with_brand("colour: red"), 7, "brands[0].colour", "is unknown; known are id, name"),
            (
                with_brand("match: {any: [aa], stem: ['b*']}"),
                6,
                "brands[0].match.stem",
                "is unknown; did you mean 'stems'?",
            ),
            (
                with_brand("public_figures: ['@ceo']"),
                7,
                "brands[0].public_figures[0]",
                "must be a block of `key: value`",
            ),
            (
                with_brand("public_figures: [{handle: '@ceo', account: {x: '1'}}]"),
                7,
                "brands[0].public_figures[0].account",
                "is unknown; did you mean 'accounts'?",
            ),
            (
                with_brand("public_figures: [{handle: '@ceo', accounts: {}}]"),
                7,
                "brands[0].public_figures[0].accounts",
                "",
            ),
            (with_brand("match: {}"), 6, "brands[0].match", "matches nothing"),
            (with_brand("match: {none: [x]}"), 6, "brands[0].match", "matches nothing"),
            (
                with_brand("match:", "  any:", "    - aa", "    - #aa"),
                9,
                "brands[0].match.any[1]",
                "is empty; a value that begins with # needs quotes",
            ),
            (
                with_brand("match: {any: ['!!']}"),
                6,
                "brands[0].match.any[0]",
                "has neither letter nor digit",
            ),
            (
                with_brand("match: {any: ['aa*']}"),
                6,
                "brands[0].match.any[0]",
                "has a *, so it belongs under `stems`",
            ),
            (
                with_brand("match: {any: aa}"),
                6,
                "brands[0].match.any",
                "must be a list, as in [a, b]",
            ),
            (
                with_brand("match: {any: [@aa]}"),
                6,
                "the file",
                "YAML syntax: found character that cannot start any token; put quotes around",
            ),
            (
                with_brand("false_alarms: seldom"),
                7,
                "brands[0].false_alarms",
                "is no budget: write for example 1 per 4 weeks",
            ),
            (with_brand("false_alarms: 5 per 0 weeks"), 7, "brands[0].false_alarms.period_min", ""),
            (
                with_brand("false_alarms: 60 per hour"),
                7,
                "brands[0].false_alarms",
                "allows more than one false alarm an hour",
            ),
            (
                with_brand("false_alarms: 1 per 4 fortnights"),
                7,
                "brands[0].false_alarms",
                "has an unknown unit 'fortnights'",
            ),
            (
                with_brand("languages: [polish]"),
                7,
                "brands[0].languages[0]",
                "'polish' must have the form",
            ),
            (
                with_brand("owner: {team: t, escalate: [{after: 15, to: b}]}"),
                7,
                "brands[0].owner.escalate[0].after",
                "is no duration",
            ),
            (
                with_brand("owner: {team: t, escalate: [{after: 2h, to: b}, {after: 1h, to: c}]}"),
                7,
                "brands[0].owner.escalate",
                "must be in the order of `after`",
            ),
            (
                with_brand("owner: {teem: t}"),
                7,
                "brands[0].owner.teem",
                "is unknown; did you mean 'team'?",
            ),
            (
                with_brand("events: [{name: e, from: 2026-01-02T00:00Z, to: 2026-01-01T00:00Z}]"),
                7,
                "brands[0].events[0].to",
                "is not after the beginning",
            ),
            (
                with_brand("events: [{name: e, from: '2026-01-02T00:00', to: 2026-01-03T00:00Z}]"),
                7,
                "brands[0].events[0].from",
                "has no time zone",
            ),
            (
                with_brand("events: [{name: e, from: 2026-01-02, to: 2026-01-03T00:00Z}]"),
                7,
                "brands[0].events[0].from",
                "is no time",
            ),
            (
                with_brand("events: [{name: e, form: x, to: 2026-01-03T00:00Z}]"),
                7,
                "brands[0].events[0].form",
                "is unknown; did you mean 'from'?",
            ),
            (
                with_brand(defaults="{timezone: Europe/Warszawa}"),
                2,
                "defaults.timezone",
                "is no time zone",
            ),
            (
                with_brand("playbooks: {surge-negativ: {any: {}}}"),
                7,
                "brands[0].playbooks.surge-negativ",
                "is unknown: use",
            ),
            (
                with_brand("playbooks: {surge: {fatal: {}}}"),
                7,
                "brands[0].playbooks.surge.fatal",
                "is unknown: use",
            ),
            (
                with_brand("playbooks: {surge: {any: {runbok: r}}}"),
                7,
                "brands[0].playbooks.surge.any.runbok",
                "is unknown; did you mean 'runbook'?",
            ),
            (with_brand("name: B"), 7, "brands[0].name", "stands twice, first in line 5"),
            (with_brand("owner: &o {team: *o}"), 7, "brands[0].owner.team", "contains itself"),
            (with_brand("owner: !!python/name:os.system x"), 7, "brands[0].owner", "has the tag"),
            (with_brand("? [a]", ": b"), 7, "brands[0]", "has a key that is no word"),
            (
                with_brand() + "  - {id: a, name: B, match: {any: [b]}}\n",
                7,
                "brands[1].id",
                "'a' is also the id of brands[0]",
            ),
            (with_brand("name: 'B"), 8, "the file", "YAML syntax: found unexpected end of stream"),
            (with_brand() + "\x01", 7, "the file", "YAML syntax: "),
            (
                "version: 1\n---\nversion: 1\n",
                2,
                "the file",
                "YAML syntax: but found another document",
            ),
        ],
    )
    def test_name_file_line_and_field(self, text: str, line: int, field: str, problem: str) -> None:
        found = problems(text)
        assert any(one.startswith(f"w.yaml:{line}: {field}: {problem}") for one in found), found

    def test_are_all_told_at_once_in_the_order_of_lines(self) -> None:
        text = with_brand("langages: [pl]", "false_alarms: seldom", defaults="{timezon: UTC}")
        text += "  - {id: a, name: B, match: {}}\n  - {id: a}\n"
        assert [line.split(": ")[:2] for line in problems(text)] == [
            ["w.yaml:2", "defaults.timezon"],
            ["w.yaml:7", "brands[0].langages"],
            ["w.yaml:8", "brands[0].false_alarms"],
            ["w.yaml:9", "brands[1].id"],
            ["w.yaml:9", "brands[1].match"],
            ["w.yaml:10", "brands[2].id"],
            ["w.yaml:10", "brands[2].name"],
            ["w.yaml:10", "brands[2].match"],
        ]

    def test_of_thousands_are_counted_beyond_the_first(self) -> None:
        text = "version: 1\nbrands:\n" + "  - {id: A}\n" * 100
        assert problems(text)[-1].startswith("… and ")

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(
            WatchlistError, match=r"absent\.yaml:1: the file: cannot be read: No such"
        ):
            load_watchlist(tmp_path / "absent.yaml")

    def test_a_file_that_is_not_utf8_is_named_with_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "w.yaml"
        path.write_bytes(with_brand("# Orzeł").encode("iso8859-2"))
        with pytest.raises(WatchlistError, match=r"w\.yaml:7: the file: is not UTF-8"):
            load_watchlist(path)

    def test_a_small_file_cannot_unfold_to_a_large_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("models.marked_yaml.MAX_NODES", 10_000)
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
        )
        assert any("unfolds to more than" in line for line in problems(bomb))

    def test_deep_nesting_is_an_error_like_others(self) -> None:
        assert problems("a: " + "[" * 5_000)

    @settings(deadline=None, max_examples=200)
    @given(st.integers(0, len(DESIGN) - 1), st.integers(0, 20), st.text(max_size=5))
    @example(0, 0, "\ud800")
    @example(0, len(DESIGN), "-")
    def test_a_damaged_watchlist_is_read_or_refused_with_a_line(
        self, place: int, cut: int, inserted: str
    ) -> None:
        text = DESIGN[:place] + inserted + DESIGN[place + cut :]
        try:
            parse_watchlist(text, "w.yaml")
        except WatchlistError as error:
            last_line = text.count("\n") + 1
            assert error.faults
            assert all(1 <= fault.line <= last_line + 1 for fault in error.faults)


def test_the_examples_of_the_guide_are_read() -> None:
    guide = Path(__file__).parents[3] / "docs" / "watchlist.md"
    blocks = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    whole = [block for block in blocks if block.startswith("version:")]
    of_a_brand = [block for block in blocks if block.startswith("    ")]
    assert whole
    assert of_a_brand
    for block in whole:
        parse_watchlist(block)
    for block in of_a_brand:
        parse_watchlist(with_brand() + block)


def test_a_large_watchlist_is_read() -> None:
    def lines() -> Iterator[str]:
        yield "version: 1\nbrands:\n"
        for i in range(2_000):
            yield f"  - {{id: b{i}, name: B{i}, match: {{any: [b{i}], stems: ['b{i}x*']}}}}\n"

    assert len(parse_watchlist("".join(lines())).brands) == 2_000


def test_what_is_written_for_a_cause_goes_before_what_is_written_for_none() -> None:
    watchlist = parse_watchlist(
        """
        version: 1
        defaults:
          playbooks:
            any: {any: {deadline: 4h, causes: {data-breach: {deadline: 24h, runbook: law}}}}
        brands:
          - id: ash
            name: Ash
            match: {any: [ash]}
            playbooks:
              surge-negative:
                critical: {deadline: 15m}
                any: {first_steps: [Answer], causes: {outage: {first_steps: [Restart]}}}
        """
    )

    def step(cause: Cause | None) -> Step:
        found = watchlist.step("ash", Kind.SURGE_NEGATIVE, Severity.CRITICAL, cause)
        assert found is not None
        return found

    assert step(None).first_steps == step(Cause.PEOPLE).first_steps == ("Answer",)
    assert step(Cause.OUTAGE).first_steps == ("Restart",)
    assert step(Cause.OUTAGE).deadline_minutes == 15
    breach = step(Cause.DATA_BREACH)
    assert (breach.runbook, breach.deadline_minutes) == ("law", 15)  # the brand's before defaults'


def test_a_cause_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(WatchlistError, match=r":6: .*outtage"):
        parse_watchlist(
            "version: 1\nbrands:\n  - id: a\n    name: A\n    match: {any: [a]}\n"
            "    playbooks: {any: {any: {causes: {outtage: {deadline: 1h}}}}}\n"
        )


def test_every_cause_may_stand_in_a_playbook() -> None:
    assert set(get_args(CauseKey)) == {cause.value for cause in Cause}
