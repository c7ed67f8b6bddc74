"""Settings of one connector, from environment variables or ``--set FIELD=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.errors import ConfigurationError

PREFIX = "CZUJKA_"


def _split(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several texts, parted by commas in a variable."""


def settings_config(platform: str) -> SettingsConfigDict:
    """The configuration of a settings class: variables are ``CZUJKA_<PLATFORM>_<FIELD>``."""
    return SettingsConfigDict(
        env_prefix=f"{PREFIX}{platform}_", frozen=True, extra="forbid", env_ignore_empty=True
    )


class ConnectorSettings(BaseSettings):
    """Base of them all. A field without a default must be set."""

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def load(cls, given: Mapping[str, Any] | None = None) -> Self:
        """From what was given, the environment, and defaults, in this order.

        Raises:
            ConfigurationError: a value is missing or does not fit; names each variable.
        """
        try:
            return cls(**(given or {}))
        except ValidationError as error:
            raise ConfigurationError("; ".join(map(cls._problem, error.errors()))) from error

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        """Variables that have no default."""
        return tuple(
            cls.variable(name) for name, field in cls.model_fields.items() if field.is_required()
        )

    @classmethod
    def _problem(cls, detail: Any) -> str:
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if detail["type"] == "missing":
            said = cls.model_fields[name].description or "it has no default"
            return f"{cls.variable(name)} is not set: {said}"
        if detail["type"] == "extra_forbidden":
            return f"--set {name}: unknown; known are {', '.join(cls.model_fields)}"
        field = cls.model_fields.get(name)
        secret = field is None or SecretStr in (
            field.annotation,
            *getattr(field.annotation, "__args__", ()),
        )
        shown = "…" if secret else detail["input"]
        return f"{cls.variable(name)}={shown}: {detail['msg'].removeprefix('Value error, ')}"
