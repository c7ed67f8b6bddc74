"""A simulator of days on Polish and English platforms, for demonstrations and tests.

The same story gives the same posts, byte for byte. `Story.truth` says what is to be found.
"""

from connectors.simulator.source import SimulatorSource, simulate
from connectors.simulator.story import Episode, Story

__all__ = ["Episode", "SimulatorSource", "Story", "simulate"]
