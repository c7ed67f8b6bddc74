"""What surrounds a source of a platform: its name, queries, clock, metrics and HTTP settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.clock import Clock, WallClock
from connectors.http import Api, HttpClient, HttpSettings
from connectors.metrics import ConnectorMetrics
from connectors.native import Sight
from connectors.queries import FixedQueries, QuerySource


@dataclass(frozen=True, slots=True)
class Context:
    """Given to each source when it is made.

    Attributes:
        name: of the instance.
        queries: what the watchlist asks for.
        http: how to speak HTTP.
        clock: tells the time.
        metrics: to count with.
    """

    name: str
    queries: QuerySource = field(default_factory=FixedQueries)
    http: HttpSettings = field(default_factory=HttpSettings)
    clock: Clock = field(default_factory=WallClock)
    metrics: ConnectorMetrics = field(default_factory=ConnectorMetrics)

    def client(self, api: Api) -> HttpClient:
        """A client for a platform; open it with ``async with``."""
        return HttpClient(api, self.http, self.clock)

    def sight(self) -> Sight:
        """Seen by this instance, now."""
        return Sight(self.name, self.clock.now_ms())
