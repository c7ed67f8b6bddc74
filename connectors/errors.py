"""Errors of connectors, named by what is to be done next.

| error | what the runner does |
|---|---|
| `MalformedError` | this record goes to the dead letters, the rest flows |
| `RetryError` | waits (longer each time), opens the source again at the last cursor |
| `RateLimitedError` | waits until the time that the platform names, then the same |
| `ConfigurationError` | stops with exit code 2: a person must mend a setting |
| `FatalError` | stops with exit code 1: going on would lose or corrupt something |
"""

from __future__ import annotations

from models.errors import UserError


class ConnectorError(Exception):
    """Base of all of them; the message says what is wrong, where, and how to mend it."""


class MalformedError(ConnectorError):
    """One native record cannot become a post."""


class RetryError(ConnectorError):
    """A passing trouble: the connection broke, the platform is down for the moment.

    Attributes:
        after_s: the least wait that the platform asks for, seconds, or None.
    """

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


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


class FatalError(ConnectorError, UserError):
    """The connector must not go on; after a restart it begins at its last cursor."""


class PublishError(FatalError):
    """The broker did not take what it was given; nothing behind it was sent."""
