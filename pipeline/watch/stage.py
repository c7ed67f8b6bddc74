"""What the watch agent does with a frame, without Faust.

One `PartitionStage` serves one partition of `tallies`: it folds frames, decides closed buckets,
hands out what is to be published, and says when the state may be saved and frames acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from models.alert import CrisisAlert
from models.buckets import Folder, HeldFrames
from models.recall import Recall
from models.series import SeriesPoint
from models.tally import Close, Frame
from models.watching import BrandWatch
from pipeline.watch.checkpoint import Checkpoint

log = logging.getLogger(__name__)

Token = TypeVar("Token")


@dataclass(slots=True)
class Output:
    """What a frame led to."""

    series: list[SeriesPoint] = field(default_factory=list)
    alerts: list[CrisisAlert] = field(default_factory=list)
    recalls: list[Recall] = field(default_factory=list)
    buckets: int = 0
    stale: bool = False


class PartitionStage(Generic[Token]):
    """Folds and watches one partition of `tallies`.

    Args:
        make_watch: builds the brands' watch, empty.
        checkpoint: the saved state, None at the very start.
    """

    def __init__(
        self, make_watch: Callable[[], BrandWatch], checkpoint: Checkpoint | None = None
    ) -> None:
        self._watch = make_watch()
        declared = None
        if checkpoint is not None:
            self._watch.load(checkpoint.state)
            declared = checkpoint.manifest.declared
        self._folder = Folder(self._watch.folded, declared)
        self._held: HeldFrames[Token] = HeldFrames(declared)
        self._saved_at = self._watch.folded

    @property
    def folded(self) -> int | None:
        """Last folded bucket, minutes since the epoch."""
        return self._folder.folded

    @property
    def unknown_brands(self) -> set[str]:
        """Brands in frames that the watchlist here does not have."""
        return self._watch.unknown_brands

    def __len__(self) -> int:
        """Frames held back."""
        return len(self._held)

    def take(self, token: Token, frame: Frame) -> Output:
        """Takes a frame and decides whatever buckets it completes."""
        output = Output(stale=not self._folder.add(frame))
        self._held.add(token, frame)
        for closed in self._folder.close():
            decision = self._watch.decide(closed)
            output.series += decision.series
            output.alerts += decision.alerts
            output.recalls += decision.recalls
            output.buckets += 1
        return output

    def skip(self, token: Token) -> None:
        """Takes what is no frame.

        It is acknowledged in its turn: Faust takes the acknowledgement of a record for one of all
        records before it.
        """
        self._held.add(token, None)

    @property
    def worth_saving(self) -> bool:
        """Whether there was progress since the last save."""
        return self._folder.settled != self._saved_at

    def set_halvings(self, halvings: Mapping[str, int]) -> None:
        """Narrows budgets, just before `settle`; see `BrandWatch.set_halvings`."""
        self._watch.set_halvings(halvings)

    def settle(self) -> tuple[bytes, list[Token]]:
        """The state to be saved now, and what may be acknowledged once it is saved.

        Together with the state, `declared` must be saved.
        """
        tokens = self._held.settle(self._folder.settled)
        self._saved_at = self._folder.settled
        return self._watch.save(), tokens

    def forget_held(self) -> None:
        """Lets go of settled frames where nothing is ever replayed."""
        self._held.settle(self._folder.settled)
        self._saved_at = self._folder.settled

    @property
    def declared(self) -> dict[int, list[Close]]:
        """What the settled frames declared complete."""
        return self._held.declared
