"""Settings of every role, from environment variables with the prefix ``CZUJKA_``.

Frozen once resolved. Command-line options override variables; variables override defaults.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import UserError

PREFIX = "CZUJKA_"

_ADDRESS = re.compile(r"^(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})$")


class Settings(BaseSettings):
    """What all roles share. Each field is the variable ``CZUJKA_<FIELD IN CAPITALS>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Kafka, host:port,…")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = Field(default=None, description="Who signed the broker, PEM.")
    ssl_certfile: Path | None = Field(default=None, description="Our certificate, PEM.")
    ssl_keyfile: Path | None = Field(default=None, description="Its key, PEM, not encrypted.")
    connect_timeout_s: float = Field(default=6.0, gt=0, description="Give up on a silent broker.")
    embedded: bool = Field(default=False, description="The broker is the embedded one (Tansu).")

    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    posts_partitions: int = Field(default=4, ge=1, le=1024)
    tallies_partitions: int = Field(default=4, ge=1, le=1024)
    replication_factor: int = Field(default=1, ge=1, description="3 in production.")

    watchlist: Path = Path("watchlist.yaml")
    state_dir: Path = Field(default=Path(".czujka"), description="Cursors and tables on disk.")
    cursors: Literal["file", "topic"] = Field(
        default="file", description="Where connectors keep how far they came."
    )
    app_id: str = Field(
        default="czujka", pattern=r"^[A-Za-z0-9._-]+$", description="Groups' prefix."
    )

    session_timeout_s: int = Field(
        default=45, ge=2, description="After so long the work of a dead worker goes to another."
    )
    block_records: int = Field(default=4096, ge=16, description="Offsets in a block of `posts`.")
    duplicate_window_blocks: int = Field(default=16, ge=1)
    flush_interval_s: float = Field(default=1.0, gt=0, description="Score sends open blocks.")
    lateness_s: int = Field(default=30, ge=0, description="Allowed lateness, event time.")
    blind_after_s: int = Field(
        default=120, ge=1, description="A connector this far behind the others has gone blind."
    )
    feedback: bool = Field(
        default=True, description="Score learns from what people say of sentiment."
    )
    checkpoint_interval_s: float = Field(default=5.0, gt=0, description="Watch writes its state.")

    stop_timeout_s: float = Field(
        default=8.0, gt=0, description="A role told to stop ends in order within this, or at once."
    )

    host: str = Field(default="127.0.0.1", description="Where metrics and console listen.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="0: no metrics server.")
    console_port: int = Field(default=8000, ge=0, le=65535)
    console_token: SecretStr | None = Field(
        default=None, min_length=16, description="Signs in to the console; none: read-only."
    )
    console_user_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
        description="Who asks, as a reverse proxy says; whoever can reach the port can forge it.",
    )
    reports_dir: Path | None = Field(
        default=None, description="The console writes the report of each alert that is over."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OpenTelemetry collector, http://host:4318; none: no traces.",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        addresses = [part.strip() for part in value.split(",")]
        for address in addresses:
            match = _ADDRESS.match(address)
            if match is None or not 0 < int(match["port"]) < 65536:
                raise ValueError(f"`{address}` is not host:port; several are parted by commas")
        return ",".join(addresses)

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.security_protocol.startswith("SASL_"):
            wanted = {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_username": self.sasl_username,
                "sasl_password": self.sasl_password,
            }
            missing = [variable(name) for name, value in wanted.items() if value is None]
            if missing:
                raise ValueError(
                    f"{variable('security_protocol')}={self.security_protocol} "
                    f"needs {', '.join(missing)} too"
                )
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError(
                f"{variable('ssl_certfile')} and {variable('ssl_keyfile')} go together"
            )
        return self

    def topic(self, name: str) -> str:
        """Full name of a topic.

        Example:
            >>> Settings(topic_prefix="dev.").topic("posts")
            'dev.posts'
        """
        return f"{self.topic_prefix}{name}"

    def group(self, role: str) -> str:
        """Consumer group of a role, and the id of its Faust app where it has one.

        Example:
            >>> Settings(topic_prefix="dev.").group("score")
            'dev.czujka-score'
        """
        return f"{self.topic_prefix}{self.app_id}-{role}"


def variable(field: str) -> str:
    """Environment variable of a field.

    Example:
        >>> variable("app_id")
        'CZUJKA_APP_ID'
    """
    return PREFIX + field.upper()


def option(field: str) -> str:
    """Command-line option of a field.

    Example:
        >>> option("app_id")
        '--app-id'
    """
    return "--" + field.replace("_", "-")


def load_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """Settings from command-line options, environment variables and defaults, in this order.

    Args:
        options: Fields that the command line gave, by name.

    Raises:
        UserError: a value does not fit; the message names option or variable.
    """
    given = dict(options or {})
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UserError("; ".join(_problems(error, given))) from error


def _problems(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    problems = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            problems.append(message)
            continue
        field = str(detail["loc"][0])
        where = option(field) if field in given else variable(field)
        shown = "…" if "password" in field or "token" in field else detail["input"]
        problems.append(f"{where}={shown}: {message}")
    return problems


def environment_of(settings: Settings) -> dict[str, str]:
    """Variables that give a child process these settings, passwords in clear.

    Example:
        >>> environment_of(Settings(app_id="sentry"))["CZUJKA_APP_ID"]
        'sentry'
    """
    variables = {}
    for field in settings.model_fields_set:
        value = getattr(settings, field)
        if value is not None:
            shown = value.get_secret_value() if isinstance(value, SecretStr) else value
            variables[variable(field)] = str(shown)
    return variables


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like a misspelt setting, with the setting that was likely meant.

    Example:
        >>> unknown_variables({"CZUJKA_WATCHLISTS": "w.yaml"})
        {'CZUJKA_WATCHLISTS': 'CZUJKA_WATCHLIST'}
    """
    known = [variable(field) for field in Settings.model_fields]
    found = {}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                found[name] = close[0]
    return found
