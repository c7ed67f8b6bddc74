"""YAML that remembers where everything stood.

Every scalar is text, as it was written, but for an empty one, ``~`` and ``null``: the traps of
YAML 1.1 (``no`` is false, ``on`` is true, ``12:30`` is 750) do not exist, and the one who reads
the data says what is a number. Only plain data can come out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

MAX_NODES = 5_000_000
"""With aliases written out; a small file that unfolds to more is an attack or an accident."""

Location = tuple[int | str, ...]
_TAG = "tag:yaml.org,2002:"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a YAML text.

    Attributes:
        line: from 1.
        location: keys and indexes that lead there.
        message: what is wrong.
    """

    line: int
    location: Location
    message: str


class MarkedYaml:
    """A YAML document as plain data, with the line of each part.

    Args:
        text: one document.

    Attributes:
        data: dicts, lists, strings and None.
        faults: what is wrong with it; `data` holds the rest.
    """

    def __init__(self, text: str) -> None:
        self.faults: list[Fault] = []
        self.data: Any = None
        self._root: yaml.Node | None = None
        self._nodes = 0
        self._open: set[int] = set()
        try:
            self._root = yaml.compose(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            self.faults.append(_syntax_fault(error, text))
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            self.faults.append(Fault(line, (), "has a lone surrogate, which is no character"))
        except RecursionError:
            self.faults.append(Fault(1, (), "is nested too deeply"))
        if self._root is not None:
            self.data = self._plain(self._root, ())

    def line(self, location: Location) -> int:
        """Line, from 1, of the part that a location leads to, or of the last one that exists."""
        node, line = self._root, 1
        if node is not None:
            line = node.start_mark.line + 1
        for step in location:
            if isinstance(node, yaml.MappingNode):
                pairs = [pair for pair in node.value if pair[0].value == step]
                if not pairs:
                    break
                line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
            elif (
                isinstance(node, yaml.SequenceNode)
                and isinstance(step, int)
                and 0 <= step < len(node.value)
            ):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def _fault(self, node: yaml.Node, location: Location, message: str) -> None:
        self.faults.append(Fault(node.start_mark.line + 1, location, message))

    def _plain(self, node: yaml.Node, location: Location) -> Any:
        self._nodes += 1
        if id(node) in self._open:
            return self._fault(node, location, "contains itself")
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self._fault(node, location, f"unfolds to more than {MAX_NODES} parts")
            return None
        if not node.tag.startswith(_TAG) or "/" in node.tag:
            self._fault(node, location, f"has the tag {node.tag}; tags are not used here")
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == _TAG + "null" else node.value
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._plain(part, (*location, i)) for i, part in enumerate(node.value)]
            assert isinstance(node, yaml.MappingNode)
            return self._mapping(node, location)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, location, "has a key that is no word")
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                message = f"stands twice, first in line {lines[key.value]}"
                self._fault(key, (*location, key.value), message)
                continue
            lines[key.value] = line
            plain[key.value] = self._plain(value, (*location, key.value))
        return plain


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "is no YAML"
        if mark is not None and "cannot start any token" in message:
            message += "; put quotes around the value"
        if error.context and error.context_mark and error.context_mark is not mark:
            message += f" ({error.context} in line {error.context_mark.line + 1})"
        return Fault(mark.line + 1 if mark else 1, (), f"YAML syntax: {message}")
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position) + 1
    return Fault(line, (), f"YAML syntax: {getattr(error, 'reason', error)}")
