"""A bounded sample of the posts behind a tally, the same in whatever order tallies are added.

The sample holds the posts with the smallest hashes of their keys (bottom-k sampling, Cohen and
Kaplan, 2007): every post is as likely as any other, a post that comes twice is one, and the sample
of a union is the union of the samples, cut. Terms, copies and authors of a story are estimated from
it, so no counter of words has to be kept, sent and merged.
"""

from __future__ import annotations

import msgspec

MAX_SAMPLED = 12
"""Posts sampled of a tally."""
MAX_STORY = 240
"""Posts sampled of a story, from the tallies of its buckets."""
MAX_SAMPLED_CHARS = 280


class SampleRow(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A sampled mention; rows are ordered by hash, then by all the rest."""

    hash: int  # of the post's key, 64 bits
    post: str
    created_ms: int
    author: str
    reach: int
    tone_milli: int  # P(positive) - P(negative), x 1000
    text: str


def smallest(rows: list[SampleRow], most: int = MAX_SAMPLED) -> list[SampleRow]:
    """The rows with the smallest hashes, one a post, ascending."""
    unique: dict[str, SampleRow] = {}
    for row in sorted(rows):
        unique.setdefault(row.post, row)
    return sorted(unique.values())[:most]
