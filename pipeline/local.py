"""The whole way from records to decisions in one process, without a broker.

The same code as in score and watch, over logs that are lists: the backtest runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from aiokafka.partitioner import murmur2

from models.post import Heartbeat, Op, Post, encode
from models.scoring import Brands, DeadLetter, PartitionScorer, ScoreSettings
from models.sentiment.base import Scorer
from models.tally import decode_frame, encode_frame
from models.watching import BrandWatch
from pipeline.watch.stage import Output, PartitionStage

CUT_RECORDS = 2_000
"""Frames are cut after so many records: often enough to show progress, seldom enough to be fast."""


class LocalRun:
    """Records in, decisions out.

    Args:
        partitions: of `posts`.
        brands: with the partitions of `tallies` they go to.
        sentiment: the model.
        settings: of score.
        make_watch: builds the empty watch of one partition of `tallies`.
    """

    def __init__(
        self,
        partitions: int,
        brands: Brands,
        sentiment: Scorer,
        settings: ScoreSettings,
        make_watch: Callable[[int], BrandWatch],
    ) -> None:
        self._scorers = [
            PartitionScorer(p, partitions, brands, sentiment, settings) for p in range(partitions)
        ]
        self._stages: list[PartitionStage[None]] = [
            PartitionStage(partial(make_watch, t)) for t in range(brands.n_outputs)
        ]
        self._next_offset = [0] * partitions
        self._since_cut = 0
        self.counts = [scorer.counts for scorer in self._scorers]

    def publish(
        self, posts: Sequence[Post], heartbeat: Heartbeat | None = None
    ) -> Iterator[Output]:
        """Appends posts, then a heartbeat to every partition; yields what was decided."""
        logs: list[list[tuple[bytes, bytes]]] = [[] for _ in self._scorers]
        for post in posts:
            key = post.key.encode()
            chosen = (
                logs if post.op is Op.AUTHOR_DELETE else [logs[partition_of_key(key, len(logs))]]
            )
            for log in chosen:
                log.append((key, encode(post)))
        if heartbeat is not None:
            value = encode(heartbeat)
            for log in logs:
                log.append((heartbeat.source.encode(), value))
        for partition, log in enumerate(logs):
            yield from self.append(partition, log)
        if self._since_cut >= CUT_RECORDS or (heartbeat is not None and heartbeat.final):
            yield from self.flush()

    def flush(self) -> Iterator[Output]:
        """Passes on what score has tallied so far; yields what was decided."""
        self._since_cut = 0
        for scorer in self._scorers:
            yield from self._pass_on(scorer)

    def take_dead_letters(self) -> list[DeadLetter]:
        """Records refused since the last call."""
        return [letter for scorer in self._scorers for letter in scorer.take_dead_letters()]

    def append(self, partition: int, log: Sequence[tuple[bytes, bytes]]) -> Iterator[Output]:
        """Appends records, keys and values, to one partition; yields what was decided."""
        scorer = self._scorers[partition]
        first = self._next_offset[partition]
        self._next_offset[partition] += len(log)
        self._since_cut += len(log)
        offsets = list(range(first, first + len(log)))
        keys, values = [key for key, _ in log], [value for _, value in log]
        while offsets:
            taken = scorer.feed(offsets, keys, values)
            if taken < len(offsets):
                yield from self._pass_on(scorer)
                scorer.next_block(offsets[taken])
            offsets, keys, values = offsets[taken:], keys[taken:], values[taken:]

    def _pass_on(self, scorer: PartitionScorer) -> Iterator[Output]:
        for output, frame in scorer.cut().items():
            stage = self._stages[output]
            yield stage.take(None, decode_frame(encode_frame(frame)))
            if stage.worth_saving:
                stage.forget_held()


def partition_of_key(key: bytes, partitions: int) -> int:
    """Kafka's default partitioner, which the connectors' producer uses too."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions
