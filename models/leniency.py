"""What people's verdicts do to a brand's budget of false alarms: each halves it, for a while.

Bounded: never below an eighth, which raises the threshold by 2.1 nats, while a crisis that matters
stands tens of nats above it. Reversible: a verdict that is taken back, or replaced by "right
alert", counts no longer. It fades: after twelve weeks (event time) a verdict is spent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from models.feedback import Answer, Feedback

MOST_HALVINGS = 3
SPENT_AFTER_MS = 12 * 7 * 24 * 3600_000


def halvings(answers: Iterable[Feedback], at_ms: int) -> dict[str, int]:
    """How often each brand's budget is halved at a time; brands without a halving are left out.

    Args:
        answers: the last word on each question.
        at_ms: event time.
    """
    counts = Counter(
        answer.brand
        for answer in answers
        if answer.answer is Answer.FALSE_ALARM and spent_ms(answer) > at_ms
    )
    return {brand: min(MOST_HALVINGS, count) for brand, count in sorted(counts.items())}


def spent_ms(answer: Feedback) -> int:
    """When a verdict stops counting, event time."""
    return int(answer.moment.timestamp() * 1000) + SPENT_AFTER_MS


def budget_factor(times_halved: int) -> float:
    """What is left of the budget.

    Example:
        >>> [budget_factor(n) for n in (0, 1, 2, 3)]
        [1.0, 0.5, 0.25, 0.125]
    """
    return 0.5 ** min(MOST_HALVINGS, max(0, times_halved))
