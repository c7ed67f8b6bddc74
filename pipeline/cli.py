"""The command ``czujka``: picks a subcommand, resolves the settings, maps errors to exit codes.

Subcommands live in `pipeline.commands` and are imported when needed; a name whose module does not
exist is not offered.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from models.errors import (
    EXIT_CONFIGURATION,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PIPE_CLOSED,
    UserError,
)

if TYPE_CHECKING:
    from pipeline.settings import Settings

# In the order in which somebody meets them.
COMMANDS = {
    name: f"pipeline.commands.{name}"
    for name in (
        "demo",
        "connect",
        "replay",
        "score",
        "watch",
        "console",
        "exporter",
        "backtest",
        "report",
        "digest",
        "topics",
        "check",
        "feedback",
        "forget",
        "train",
        "sentiment",
    )
}

_DESCRIPTION = """\
Watches what people post about brands and wakes the right person while a crisis is still small."""

_EPILOG = """\
examples:
  czujka demo                                    the whole product on an embedded broker
  czujka check                                   what is missing here, and how to mend it
  czujka topics create                           make the topics, once for each broker
  czujka score --bootstrap-servers kafka:9092    run one role against a real Kafka
  czujka backtest posts.csv.gz --watchlist w.yaml --alerts out.jsonl

Every setting is also an environment variable: --topic-prefix is CZUJKA_TOPIC_PREFIX.
Options override variables.

exit codes:
  0    done
  1    failed: the work was done and the answer is no (a check, a demo, a test)
  2    configuration or broker: the message on standard error says how to mend it
  130  interrupted with Ctrl-C"""


@runtime_checkable
class _WithSource(Protocol):
    def get_source(self, fullname: str) -> str | None: ...


class Command(Protocol):
    """What a module in `pipeline.commands` offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's own arguments."""

    def run(self, args: argparse.Namespace, settings: Settings) -> int:
        """Does the work and returns the exit code.

        Raises:
            UserError: something outside the program is wrong.
        """


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
        from pipeline.logs import configure_logging
        from pipeline.settings import load_settings

        settings = load_settings(dict(_given(args)))
        configure_logging(settings.log_level, settings.log_format)
        command: Command = args.command_module
        return command.run(args, settings)
    except UserError as error:
        print(f"czujka: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`czujka … | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED


def available() -> dict[str, str]:
    """The commands whose module exists: name → module."""
    return {name: module for name, module in COMMANDS.items() if importlib.util.find_spec(module)}


def load(module: str) -> Command:
    """Imports a command's module."""
    return cast("Command", importlib.import_module(module))


def help_of(module: str) -> str:
    """A command's `HELP`, read from its source: listing commands imports none of them."""
    spec = importlib.util.find_spec(module)
    source = spec.loader.get_source(module) if spec and isinstance(spec.loader, _WithSource) else ""
    for statement in ast.parse(source or "").body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="HELP")], value=ast.Constant(value=str(text))):
                return text
    return ""


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only modules of commands that the arguments name are imported."""
    parser = argparse.ArgumentParser(
        prog="czujka",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    _add_settings(parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    commands = available()
    # A name may stand as an option's value too; loading one module too many is harmless.
    named = set(commands) & set(arguments)
    for name, module in commands.items():
        if name in named:
            _add_command(subparsers.add_parser, name, load(module))
        else:
            subparsers.add_parser(name, help=help_of(module))
    return parser


def _add_command(
    add_parser: Callable[..., argparse.ArgumentParser], name: str, command: Command
) -> None:
    parser = add_parser(
        name,
        help=command.HELP,
        description=command.HELP,
        epilog=getattr(command, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    _add_settings(parser)
    parser.set_defaults(command_module=command)


_SETTINGS: dict[str, dict[str, Any]] = {
    "bootstrap_servers": {"metavar": "HOST:PORT,…", "help": "Kafka (127.0.0.1:9092)"},
    "topic_prefix": {"metavar": "PREFIX", "help": "put before every topic and group"},
    "watchlist": {"metavar": "FILE", "help": "brands and their plans (watchlist.yaml)"},
    "state_dir": {"metavar": "FOLDER", "help": "cursors and tables on disk (.czujka)"},
    "embedded": {"action": "store_true", "help": "the broker is the embedded one"},
    "log_level": {
        "choices": ["DEBUG", "INFO", "WARNING", "ERROR"],
        "help": "how much to tell on standard error (INFO)",
    },
    "log_format": {
        "choices": ["text", "json"],
        "help": "lines for people, or JSON objects (text)",
    },
}


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds the options that override settings; they stand before or after the command's name."""
    group = parser.add_argument_group("settings")
    for field, arguments in _SETTINGS.items():
        group.add_argument(
            "--" + field.replace("_", "-"), dest=field, default=argparse.SUPPRESS, **arguments
        )


def _given(args: argparse.Namespace) -> list[tuple[str, Any]]:
    return [(field, getattr(args, field)) for field in _SETTINGS if hasattr(args, field)]


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: the look-up is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("czujka")
        except PackageNotFoundError:
            found = "(not installed)"
        print(f"czujka {found}")
        parser.exit(EXIT_OK)


if __name__ == "__main__":
    sys.exit(main())
