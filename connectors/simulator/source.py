"""The simulator as a source."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from connectors.base import Page, Pages
from connectors.errors import ConfigurationError
from connectors.ordering import paginate
from connectors.simulator.arrivals import posts_of
from connectors.simulator.story import Story


def simulate(story: Story, source: str = "simulator", cursor: str | None = None) -> Iterator[Page]:
    """All pages of a story behind a cursor, with no broker and no event loop.

    Pages follow the time of observation. A post that is delivered late stands in a later page
    than the word that its time was seen, as with real platforms.

    Raises:
        ConfigurationError: the cursor is of another story.
    """
    prefix = f"{story.seed}/{story.from_ms}/{story.to_ms}"
    skip = 0
    if cursor is not None:
        told, _, number = cursor.rpartition("/")
        if told != prefix or not number.isdecimal():
            raise ConfigurationError(
                f"the saved cursor '{cursor}' is of another story: repeat with the old seed and "
                "days, or begin again with --from-start"
            )
        skip = int(number)
    return paginate(posts_of(story, source), lambda page: f"{prefix}/{page}", skip)


class SimulatorSource:
    """Believable posts about invented brands over some days, with one crisis."""

    def __init__(self, story: Story, name: str = "simulator") -> None:
        self.story = story
        self._name = name

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._name

    async def pages(self, cursor: str | None) -> Pages:
        """All pages after the cursor."""
        pages = simulate(self.story, self._name, cursor)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page
