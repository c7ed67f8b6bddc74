from __future__ import annotations

import argparse
import subprocess
import sys
from types import SimpleNamespace

import pytest

from models.errors import UserError
from pipeline import cli
from pipeline.settings import Settings

HEAVY = {
    "aiokafka",
    "faust",
    "kafka",
    "numba",
    "numpy",
    "pydantic",
    "river",
    "sklearn",
    "starlette",
}


def probe(run) -> SimpleNamespace:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--answer", type=int, default=0)

    return SimpleNamespace(HELP="a command for tests", add_arguments=add_arguments, run=run)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Puts a command named `probe` in the place of all others."""

    def install(run) -> None:
        monkeypatch.setattr(cli, "available", lambda: {"probe": "nowhere"})
        monkeypatch.setattr(cli, "help_of", lambda module: "a command for tests")
        monkeypatch.setattr(cli, "load", lambda module: probe(run))

    return install


def test_a_commands_answer_is_the_exit_code(install) -> None:
    install(lambda args, settings: args.answer)
    assert cli.main(["probe", "--answer", "1"]) == 1
    assert cli.main(["probe"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--topic-prefix", "x.", "--embedded", "probe"],
        ["probe", "--topic-prefix", "x.", "--embedded"],
    ],
)
def test_settings_may_stand_before_or_after_the_command(install, arguments: list[str]) -> None:
    seen: list[Settings] = []

    def run(args: argparse.Namespace, settings: Settings) -> int:
        seen.append(settings)
        return 0

    install(run)
    assert cli.main(arguments) == 0
    assert seen[0].topic_prefix == "x."
    assert seen[0].embedded


def test_settings_not_given_come_from_the_environment(
    install, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []
    install(lambda args, settings: seen.append(settings) or 0)
    monkeypatch.setenv("CZUJKA_TOPIC_PREFIX", "env.")
    assert cli.main(["probe"]) == 0
    assert seen[0].topic_prefix == "env."


def test_a_users_error_is_one_line_on_standard_error_and_exit_code_2(
    install, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace, settings: Settings) -> int:
        raise UserError("the cellar is flooded: open the drain")

    install(run)
    assert cli.main(["probe"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "czujka: the cellar is flooded: open the drain\n"


def test_a_bug_is_not_hidden_behind_a_message(install) -> None:
    def run(args: argparse.Namespace, settings: Settings) -> int:
        raise ZeroDivisionError

    install(run)
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_an_interrupt_ends_without_a_traceback(install) -> None:
    def run(args: argparse.Namespace, settings: Settings) -> int:
        raise KeyboardInterrupt

    install(run)
    assert cli.main(["probe"]) == 130


def test_a_bad_setting_ends_with_exit_code_2(install, capsys: pytest.CaptureFixture[str]) -> None:
    install(lambda args, settings: 0)
    assert cli.main(["probe", "--bootstrap-servers", "nonsense"]) == 2
    assert "--bootstrap-servers=nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["probe", "--no-such-option"]])
def test_a_wrong_call_ends_with_exit_code_2(install, arguments: list[str]) -> None:
    install(lambda args, settings: 0)
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2


def test_only_commands_that_exist_are_offered(capsys: pytest.CaptureFixture[str]) -> None:
    offered = cli.available()
    assert {"topics", "check"} <= set(offered) <= set(cli.COMMANDS)
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert (f"\n    {name} " in shown) == (name in offered), name


def test_every_command_has_a_line_of_help_that_is_read_without_importing_it() -> None:
    for name, module in cli.available().items():
        assert cli.help_of(module), name


def test_help_tells_the_exit_codes_and_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert "exit codes:" in shown
    assert "examples:" in shown


def test_the_list_of_commands_imports_nothing_heavy() -> None:
    # So that the list comes at once, whatever the commands need.
    program = (
        "import sys\n"
        "from pipeline import cli\n"
        "try:\n"
        "    cli.main(['--help'])\n"
        "except SystemExit:\n"
        "    print('IMPORTED', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.rpartition("IMPORTED")[2].split())
    assert "argparse" in imported
    assert imported & HEAVY == set()


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("czujka ")
