"""Kafka over TLS, by password as the manifests do it and by certificate: all three clients of ours.

Faust is in watch, aiokafka in score, exporter and console, kafka-python in connectors and topics.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.errors import EXIT_CONFIGURATION
from pipeline.embedded import free_port
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.e2e.desk import answer
from tests.support.certificates import Certificates
from tests.support.kafka import JarKafka, KafkaUnavailableError
from tests.support.lacking import lack
from tests.support.roles import DEMO_WATCHLIST, run_command, start_role, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROLES = ("score", "watch", "exporter", "console")
SCRAM = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "admin",
    "sasl_password": "password-of-admin",
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JarKafka]:
    log = tmp_path_factory.mktemp("kafka") / "kafka.log"
    administrator = Settings(**SCRAM, ssl_cafile=certificates.authority)  # type: ignore[arg-type]
    try:
        kafka = JarKafka(log, administrator, certificates)
    except KafkaUnavailableError as error:
        lack(str(error))
    with kafka:
        yield kafka


Make = Callable[..., Settings]


@pytest.fixture
def make(broker: JarKafka, certificates: Certificates, topic_prefix: str, tmp_path: Path) -> Make:
    """Settings of a role that signs in in one of both ways."""

    def settings(way: str, **overrides: object) -> Settings:
        given: dict[str, object] = {
            "topic_prefix": topic_prefix,
            "watchlist": DEMO_WATCHLIST,
            "state_dir": tmp_path / "state",
            "flush_interval_s": 0.25,
            "connect_timeout_s": 3,
            "cursors": "topic",
            "ssl_cafile": certificates.authority,
            "metrics_port": free_port(),
            "console_port": free_port(),
        }
        if way == "password":
            given |= {"bootstrap_servers": broker.bootstrap_servers, **SCRAM}
        else:
            given |= {"bootstrap_servers": broker.by_certificate, "security_protocol": "SSL"}
            given |= {"ssl_certfile": certificates.client, "ssl_keyfile": certificates.client_key}
        return Settings(**(given | overrides))  # type: ignore[arg-type]

    return settings


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def total(settings: Settings, metric: str) -> float:
    page = answer(settings.metrics_port, "/metrics")
    return sum(map(float, re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)))


@pytest.mark.parametrize("way", ["password", "certificate"])
def test_every_role_does_its_work_over_tls(make: Make, way: str, tmp_path: Path) -> None:
    create_topics(make(way))
    told = {role: make(way) for role in (*ROLES, "connect")}
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                start_role(
                    told[role],
                    role,
                    tmp_path / f"{role}.log",
                    *(("simulator", "--speed", "3600") if role == "connect" else ()),
                )
            )
            for role in told
        ]
        until(
            lambda: (
                total(told["exporter"], 'czujka_feed_records_total{topic="series"}') > 0
                and total(told["watch"], "czujka_watch_checkpoint_seconds_count") > 0
            ),
            children,
        )
        assert "HTTP Error" not in answer(told["console"].console_port, "/")


@pytest.mark.parametrize("role", ["watch", "exporter", "connect simulator"])
def test_a_broker_whose_authority_is_another_is_told_with_the_variable(
    make: Make, certificates: Certificates, role: str
) -> None:
    line = line_of(run_command(make("password", ssl_cafile=certificates.stranger), *role.split()))
    assert "certificate of the broker" in line and "CZUJKA_SSL_CAFILE" in line


@pytest.mark.parametrize("role", ["score", "connect simulator"])
def test_a_missing_certificate_of_ours_is_told_with_the_variable(make: Make, role: str) -> None:
    settings = make("certificate", ssl_certfile=None, ssl_keyfile=None)
    line = line_of(run_command(settings, *role.split()))
    assert "CZUJKA_SSL_CERTFILE" in line


def test_a_certificate_without_its_key_and_a_file_that_is_none_are_told(
    make: Make, certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="CZUJKA_SSL_CERTFILE and CZUJKA_SSL_KEYFILE go together"):
        make("certificate", ssl_keyfile=None)
    wrong = make("certificate", ssl_keyfile=certificates.authority)
    assert "CZUJKA_SSL_KEYFILE=" in line_of(run_command(wrong, "score"))
    missing = make("password", ssl_cafile=tmp_path / "nothing.pem")
    assert "CZUJKA_SSL_CAFILE=" in line_of(run_command(missing, "score"))


def test_speaking_plainly_to_a_listener_of_tls_is_told(make: Make) -> None:
    settings = make("certificate", security_protocol="PLAINTEXT")
    line = line_of(run_command(settings, "score"))
    assert settings.bootstrap_servers in line and "CZUJKA_SECURITY_PROTOCOL" in line
