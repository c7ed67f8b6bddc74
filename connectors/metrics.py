"""Every metric of connectors: what it counts, by which labels, and what to do about it.

``source`` is the name of the connector instance; there are as many as one has set up.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server


class ConnectorMetrics:
    """Metrics of one process, in a registry of their own.

    Attributes:
        registry: to serve or to look into.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.posts = Counter(
            "czujka_connector_posts",
            # Counted when handed to the producer, by operation. Flat while a platform is busy:
            # look at the retries and at the log.
            "Posts handed to the broker.",
            ["source", "op"],
            registry=self.registry,
        )
        self.rejects = Counter(
            "czujka_connector_rejects",
            # A platform changed its format, or a file has other columns than the map says. The
            # records themselves, with reasons, are in the topic dead-letters.
            "Native records that could not become posts.",
            ["source"],
            registry=self.registry,
        )
        self.heartbeats = Counter(
            "czujka_connector_heartbeats",
            # One for each page that closes a stretch of time, not one a partition. Stands still:
            # the source is blind or the broker slow, and coverage will fall.
            "Heartbeats handed to the broker.",
            ["source"],
            registry=self.registry,
        )
        self.until = Gauge(
            "czujka_connector_until_timestamp_seconds",
            # `time() - metric` is how far a live source is behind.
            "Everything created before this time was seen.",
            ["source"],
            registry=self.registry,
        )
        self.cursor_saved = Gauge(
            "czujka_connector_cursor_saved_timestamp_seconds",
            # `time() - metric` is how much a restart would publish again.
            "When the cursor was last saved.",
            ["source"],
            registry=self.registry,
        )
        self.retries = Counter(
            "czujka_connector_retries",
            # `reason` is `broken` (the connection or the platform failed) or `rate-limited`. Many
            # of the second kind: ask for less, or buy a larger quota.
            "Times a source was opened again after an error.",
            ["source", "reason"],
            registry=self.registry,
        )

    def serve(self, port: int, host: str) -> None:
        """Serves the metrics on a thread of its own until the process ends.

        Raises:
            OSError: the port is taken.
        """
        start_http_server(port, addr=host, registry=self.registry)
