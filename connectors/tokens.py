"""Tokens that a platform lends for a while, for credentials that stay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connectors.errors import ConfigurationError
from connectors.http import HttpClient, Params


class LentToken:
    """Asks with a token, and gets another one when it has run out.

    Args:
        log_in: gets a token.
    """

    def __init__(self, log_in: Callable[[HttpClient], Awaitable[str]]) -> None:
        self._log_in = log_in
        self._token = ""

    async def get_json(
        self,
        client: HttpClient,
        url: str,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """As `HttpClient.get_json`.

        Raises:
            ConfigurationError: a token is refused that was given a moment ago.
            ConnectorError: see `HttpClient.fetch`.
        """
        for _ in range(2):
            if not self._token:
                self._token = await self._log_in(client)
            sent = {"Authorization": f"Bearer {self._token}"} | dict(headers or {})
            answer = await client.fetch("GET", url, params=params, headers=sent, take=(401,))
            if answer.status != 401:
                return client.read_json(answer, url)
            self._token = ""
        raise ConfigurationError(
            f"{client.api.name} refuses the token that it has just given: "
            f"mend {client.api.credential_setting}"
        )
