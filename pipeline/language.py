"""The language in which people are spoken to: English, or Polish from ``locale/pl.po``.

Whoever answers somebody does so within `speaking`; words, dates and figures then come in that
language. The catalogue is read as the text file that translators edit: no step compiles it, so a
clone, an editable install and a wheel hold the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

FOLDER = Path(__file__).parent / "locale"
DEFAULT: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "pl": "Polski"}
"""By code, each under its own name."""

_spoken: ContextVar[str] = ContextVar("czujka_language", default=DEFAULT)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speaks a language within the block, in this task alone.

    Raises:
        KeyError: a code that is not in `LANGUAGES`.
    """
    token = _spoken.set(code if code in LANGUAGES else LANGUAGES[code])
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> str:
    """Code of the language spoken now."""
    return _spoken.get()


def gettext(message: str) -> str:
    """A message in the language spoken now."""
    return _catalogue(_spoken.get()).gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """A message whose form depends on a count."""
    return _catalogue(_spoken.get()).ngettext(one, many, count)


def _(message: str, /, **values: object) -> str:
    """A message with ``%(name)s`` filled in."""
    text = gettext(message)
    return text % values if values else text


def n_(one: str, many: str, count: int, /, **values: object) -> str:
    """The same for a count, which is filled in as ``%(count)s`` unless given otherwise."""
    return ngettext(one, many, count) % ({"count": count} | values)


def N_(message: str) -> str:
    """Marks a message for translation where it is not shown yet."""
    return message


def preferred(accept_language: str) -> str:
    """The language that a browser's ``Accept-Language`` asks for; English if it wants neither.

    Example:
        >>> [preferred(h) for h in ("pl-PL,pl;q=0.9,en;q=0.8", "de, en;q=0.5, pl;q=0.7", "")]
        ['pl', 'pl', 'en']
    """
    best, chosen = 0.0, DEFAULT
    for part in accept_language.split(",")[:20]:
        tag, _sep, parameter = part.strip().partition(";")
        code = tag.split("-")[0].strip().lower()
        weight = _weight(parameter)
        if code in LANGUAGES and weight > best:
            best, chosen = weight, code
    return chosen


def _weight(parameter: str) -> float:
    name, _sep, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


@cache
def _catalogue(code: str) -> NullTranslations:
    path = FOLDER / f"{code}.po"
    if not path.exists():
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)
