"""Settings of every role, from environment variables with the prefix ``CZUJKA_``.

Frozen once resolved. Command-line options override variables; variables override defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What all roles share. Each field is the variable ``CZUJKA_<FIELD IN CAPITALS>``."""

    model_config = SettingsConfigDict(env_prefix="CZUJKA_", frozen=True, extra="ignore")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Kafka, host:port,…")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    connect_timeout_s: float = Field(default=8.0, gt=0, description="Give up on a silent broker.")
    embedded: bool = Field(default=False, description="The broker is the embedded one (Tansu).")

    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    posts_partitions: int = Field(default=4, ge=1, le=1024)
    tallies_partitions: int = Field(default=4, ge=1, le=1024)
    replication_factor: int = Field(default=1, ge=1, description="3 in production.")

    watchlist: Path = Path("watchlist.yaml")
    state_dir: Path = Field(default=Path(".czujka"), description="Cursors and tables on disk.")
    app_id: str = Field(
        default="czujka", pattern=r"^[A-Za-z0-9._-]+$", description="Groups' prefix."
    )

    block_records: int = Field(default=4096, ge=16, description="Offsets in a block of `posts`.")
    duplicate_window_blocks: int = Field(default=16, ge=1)
    flush_interval_s: float = Field(default=1.0, gt=0, description="Score sends open blocks.")
    lateness_s: int = Field(default=30, ge=0, description="Allowed lateness, event time.")
    blind_after_s: int = Field(
        default=120, ge=1, description="A connector this far behind the others has gone blind."
    )
    checkpoint_interval_s: float = Field(default=5.0, gt=0, description="Watch writes its state.")

    host: str = Field(default="127.0.0.1", description="Where metrics and console listen.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="0: no metrics server.")
    console_port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def topic(self, name: str) -> str:
        """Full name of a topic.

        Example:
            >>> Settings(topic_prefix="dev.").topic("posts")
            'dev.posts'
        """
        return f"{self.topic_prefix}{name}"
