"""Telegram: channels in which our bot is an administrator, by the Bot API's long poll.

A channel is its author here: ids are made opaque and there are no links, for both name it.
Telegram forgets an update once it was asked for the ones behind it. So the next ones are asked for
only when these are with the broker. It tells no deletes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from pydantic import Field, SecretStr

from connectors.base import Page, Pages, Reject, Source
from connectors.context import Context
from connectors.errors import ConfigurationError, ConnectorError, MalformedError, RetryError
from connectors.http import Action, Answer, Api, HttpClient
from connectors.native import Sight, convert, make_post, opaque_id, reject_of, tidy
from connectors.rates import limited
from connectors.settings import ConnectorSettings, settings_config
from models.post import Op, Post

PLATFORM = "telegram"
LIMIT = 100
DELAY_MS = 2_000
_KINDS = {"channel_post": Op.CREATE, "edited_channel_post": Op.UPDATE}


class Settings(ConnectorSettings):
    """Whose bot it is."""

    model_config = settings_config("TELEGRAM")

    url: str = "https://api.telegram.org"
    token: SecretStr = Field(description="of a bot, from @BotFather")
    wait_s: int = Field(default=10, ge=0, le=50, description="Longest wait for an update.")


SETTINGS = Settings


class _Chat(msgspec.Struct):
    id: int


class _Origin(msgspec.Struct):
    message_id: int


class _Message(msgspec.Struct):
    message_id: int
    date: int
    chat: _Chat
    text: str = ""
    caption: str = ""
    reply_to_message: _Origin | None = None


def parse(update: object, sight: Sight) -> list[Post]:
    """The post of an update; an update of another kind, or without words, makes none.

    Raises:
        MalformedError: a message without what every message has.
    """
    if not isinstance(update, dict):
        raise MalformedError("not an object")
    for kind, op in _KINDS.items():
        if kind not in update:
            continue
        message = convert(update[kind], _Message)
        text = tidy(message.text or message.caption)
        if not text:
            return []
        chat = message.chat
        replied = message.reply_to_message
        return [
            make_post(
                sight,
                platform=PLATFORM,
                native_id=opaque_id(str(chat.id), str(message.message_id)),
                op=op,
                author=str(chat.id),
                text=text,
                created_ms=message.date * 1000,
                reply_to=opaque_id(str(chat.id), str(replied.message_id)) if replied else None,
            )
        ]
    return []


class TelegramSource:
    """Asks for updates, and confirms them when they are kept."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        token = settings.token.get_secret_value()
        self._base = f"{settings.url.rstrip('/')}/bot{token}"
        self._kept = asyncio.Event()
        self._api = Api(
            "Telegram",
            Settings.variable("url"),
            Settings.variable("token"),
            actions={404: Action.CREDENTIALS, 409: Action.RETRY},
            refine=self._refine,
            secrets=(token,),
        )

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    def acknowledge(self, cursor: str) -> None:
        """The updates up to this one may be forgotten by Telegram."""
        self._kept.set()

    async def pages(self, cursor: str | None) -> Pages:
        """Updates behind the cursor, the id of the last one."""
        last = _read_cursor(cursor)
        clock = self._context.clock
        async with self._context.client(self._api) as client:
            while True:
                began_ms = clock.now_ms()
                updates = await self._updates(client, last)
                posts: list[Post] = []
                rejects: list[Reject] = []
                sight = self._context.sight()
                for update in updates:
                    try:
                        posts += parse(update, sight)
                    except MalformedError as error:
                        rejects.append(reject_of(update, error, "Telegram"))
                    number = update.get("update_id") if isinstance(update, dict) else None
                    last = max(last or 0, number) if isinstance(number, int) else last
                if not updates:
                    yield Page(until_ms=began_ms - DELAY_MS)
                    continue
                self._kept.clear()
                yield Page(tuple(posts), str(last), rejects=tuple(rejects))

    async def _updates(self, client: HttpClient, last: int | None) -> list[Any]:
        params: dict[str, str | int] = {
            "limit": LIMIT,
            "timeout": self._settings.wait_s,
            "allowed_updates": '["channel_post","edited_channel_post"]',
        }
        if last is not None:
            params["offset"] = last + 1
        found = await client.get_json(f"{self._base}/getUpdates", params)
        if not isinstance(found, dict) or not isinstance(found.get("result"), list):
            raise RetryError(f"Telegram gives no updates: is {Settings.variable('url')} right?")
        return list(found["result"])

    def _refine(self, answer: Answer) -> ConnectorError | None:
        """Telegram says in the body how long to wait."""
        if answer.status != 429:
            return None
        try:
            wait_s = int(msgspec.json.decode(answer.body)["parameters"]["retry_after"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return None
        return limited(
            "Telegram: too many requests", self._context.clock.now_ms() + max(1, wait_s) * 1000
        )


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Telegram as a source."""
    assert isinstance(settings, Settings)
    return TelegramSource(settings, context)


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isdecimal():
        raise ConfigurationError(f"the saved cursor '{cursor}' is no number: use --from-start")
    return int(cursor)
