"""Sentences from templates: ``{rule}`` in a phrase is replaced by one phrase of that rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

Rules = Mapping[str, Sequence[str]]

_SLOT = re.compile(r"\{(\w+)\}")
_MAX_DEPTH = 8


class Grammar:
    """Rules, compiled so that a sentence costs some microseconds.

    Raises:
        ValueError: a phrase names a rule that is not there, a rule is empty, or rules go in a
            circle.

    Example:
        >>> Grammar({"greeting": ["Hello, {name}!"], "name": ["world"]}).say("greeting", Random(1))
        'Hello, world!'
    """

    def __init__(self, rules: Rules) -> None:
        self._rules: dict[str, list[list[str]]] = {}
        for name, phrases in rules.items():
            if not phrases:
                raise ValueError(f"rule '{name}' is empty")
            # re.split gives literal, slot, literal, slot, …, literal
            self._rules[name] = [_SLOT.split(phrase) for phrase in phrases]
        for name, compiled in self._rules.items():
            for parts in compiled:
                for slot in parts[1::2]:
                    if slot not in self._rules:
                        raise ValueError(f"rule '{name}' names '{slot}', which is not there")
        for name in self._rules:
            self._check_depth(name, 0)

    def say(self, rule: str, rng: Random) -> str:
        """One sentence of a rule; the same state of `rng` gives the same sentence."""
        phrases = self._rules[rule]
        parts = phrases[int(rng.random() * len(phrases))]
        if len(parts) == 1:
            return parts[0]
        return "".join(
            [part if i % 2 == 0 else self.say(part, rng) for i, part in enumerate(parts)]
        )

    def _check_depth(self, name: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError(f"rule '{name}' goes in a circle")
        for parts in self._rules[name]:
            for slot in parts[1::2]:
                self._check_depth(slot, depth + 1)
