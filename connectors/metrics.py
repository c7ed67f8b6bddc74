"""Every metric of connectors: what it counts, by which labels, and what to do about it.

``source`` is the name of the connector instance; there are as many as one has set up.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


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
            # `reason` is the field of a post that was wrong, or `format`. A platform changed its
            # format, or a file has other columns than the map says. The records themselves, with
            # reasons in full, are in the topic dead-letters.
            "Native records that could not become posts, by reason.",
            ["source", "reason"],
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

        self.gaps = Counter(
            "czujka_connector_gaps",
            # Posts that the platform cannot give any more, after we were away for too long. Run
            # the connector without breaks; look at the log for what is missing.
            "Stretches of time whose posts are lost.",
            ["source"],
            registry=self.registry,
        )
        self.gap_seconds = Counter(
            "czujka_connector_gap_seconds",
            # Alerts within such a stretch rest on less than they seem to.
            "Length of the stretches whose posts are lost.",
            ["source"],
            registry=self.registry,
        )
        self.quota_used = Gauge(
            "czujka_connector_quota_used",
            # Together with the limit: the share of a day's or a month's allowance that is gone.
            "What was used of an allowance, in its unit (`usd`, `units`).",
            ["source", "unit"],
            registry=self.registry,
        )
        self.quota_limit = Gauge(
            "czujka_connector_quota_limit",
            # At the limit the connector waits. Alert at 80 %. Of money, less than the cap by what
            # may still be on its way.
            "The allowance.",
            ["source", "unit"],
            registry=self.registry,
        )
        self.quota_reset = Gauge(
            "czujka_connector_quota_reset_timestamp_seconds",
            # Some connectors spread an allowance over its whole period: nearly all of it is used
            # at the end, by design. Used up long before this time is what matters.
            "When the allowance is whole again.",
            ["source", "unit"],
            registry=self.registry,
        )
        self.capped = Gauge(
            "czujka_connector_capped",
            # 1: it brings nothing any more, until the next month or until a person raises the cap
            # and starts it anew. A platform is missing: page somebody.
            "Whether the spend cap has stopped the connector.",
            ["source"],
            registry=self.registry,
        )
        self.skipped = Counter(
            "czujka_connector_skipped",
            # Likes, follows and other things that are no posts; dropped before they are decoded.
            "Native records that are none of our business.",
            ["source"],
            registry=self.registry,
        )
