"""Errors of connectors, named by what is to be done next.

| error | what the runner does |
|---|---|
| `MalformedError` | this record goes to the dead letters, the rest flows |
| `RetryError` | waits (longer each time), opens the source again at the last cursor |
| `RateLimitedError` | waits until the time that the platform names, then the same |
| `ConfigurationError` | stops with exit code 2: a person must mend a setting |
| `SpendCapError` | asks for nothing more until there is money again, and says so to on-call |
| `FatalError` | stops with exit code 1: going on would lose or corrupt something |
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from models.errors import UserError


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt, by the number of failures in a row.

    Attributes:
        first_s: longest wait after the first failure.
        longest_s: longest wait at all.
        linear: waits grow by `first_s` each time; else they double.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    linear: bool = False

    def wait_s(self, failures: int, rng: Random) -> float:
        """A wait with full jitter: anything between nothing and what the failures call for.

        Many connectors that lost the same platform at once come back spread over the whole time
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

        Args:
            failures: before this one, without a success in between.
            rng: draws the jitter.
        """
        grown_s = self.first_s * (failures + 1 if self.linear else 2.0 ** min(failures, 32))
        return min(self.longest_s, grown_s) * rng.random()


class ConnectorError(Exception):
    """Base of all of them; the message says what is wrong, where, and how to mend it."""


class MalformedError(ConnectorError):
    """One native record cannot become a post."""


class RetryError(ConnectorError):
    """A passing trouble: the connection broke, the platform is down for the moment.

    Attributes:
        after_s: the least wait that the platform asks for, seconds, or None.
        backoff: how the platform wants attempts spread, None for the usual way.
    """

    def __init__(
        self, message: str, after_s: float | None = None, backoff: Backoff | None = None
    ) -> None:
        super().__init__(message)
        self.after_s = after_s
        self.backoff = backoff


class RateLimitedError(ConnectorError):
    """The platform told us to be quiet for a while.

    Attributes:
        until_ms: when to ask again, milliseconds since the Unix epoch.
    """

    def __init__(self, message: str, until_ms: int) -> None:
        super().__init__(message)
        self.until_ms = until_ms


class ConfigurationError(ConnectorError, UserError):
    """A setting is wrong, or what it names is not there."""


class SpendCapError(ConfigurationError):
    """The next request might cost more than a person has allowed.

    Attributes:
        until_ms: when there is money again, milliseconds since the Unix epoch.
    """

    def __init__(self, message: str, until_ms: int) -> None:
        super().__init__(message)
        self.until_ms = until_ms


class FatalError(ConnectorError, UserError):
    """The connector must not go on; after a restart it begins at its last cursor."""


class PublishError(FatalError):
    """The broker did not take what it was given; nothing behind it was sent."""
