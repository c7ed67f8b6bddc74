"""The users of components/strimzi on a Kafka that lets nobody do more than they are allowed.

They sign in with SCRAM-SHA-512 as in the cluster; the roles run with their rights and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from models.errors import EXIT_CONFIGURATION
from pipeline.client import connection_arguments
from pipeline.embedded import free_port
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.deploy.manifests import render
from tests.e2e.desk import answer
from tests.support.kafka import JarKafka, KafkaUnavailableError
from tests.support.lacking import lack
from tests.support.roles import DEMO_WATCHLIST, run_command, start_role, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROLES = ("connect", "score", "watch", "exporter", "console")


def credentials(name: str) -> dict[str, str]:
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": name,
        "sasl_password": f"password-of-{name}",
    }


class Cluster:
    """A Kafka with the users of the manifests."""

    def __init__(self, kafka: JarKafka, folder: Path) -> None:
        self._kafka, self._folder = kafka, folder
        admin = self.settings("admin")
        create_topics(admin)
        self.admin = KafkaAdminClient(**connection_arguments(admin))
        for user in users():
            self._allow(user)

    def settings(self, user: str, **overrides: object) -> Settings:
        """What a role is told that signs in as a user."""
        given = {
            "bootstrap_servers": self._kafka.bootstrap_servers,
            "watchlist": DEMO_WATCHLIST,
            "state_dir": self._folder / "state",
            "metrics_port": free_port(),
            "console_port": free_port(),
            "flush_interval_s": 0.25,
            **credentials(user),
        }
        return Settings(**(given | overrides))  # type: ignore[arg-type]

    def set_password(self, user: str, password: str) -> None:
        """As the operator does when a Secret is made anew."""
        wish = UserScramCredentialUpsertion(
            user, ScramMechanism.SCRAM_SHA_512, password.encode(), iterations=4096
        )
        answers = self.admin.alter_user_scram_credentials([wish])
        assert not any(answers.values()), answers

    def _allow(self, user: dict) -> None:  # type: ignore[type-arg]
        name = user["metadata"]["name"]
        self.set_password(name, f"password-of-{name}")
        acls = [
            ACL(
                f"User:{name}",
                "*",
                ACLOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()],
                ACLPermissionType.ALLOW,
                ResourcePattern(
                    ResourceType[rule["resource"]["type"].upper()], rule["resource"]["name"]
                ),
            )
            for rule in user["spec"]["authorization"]["acls"]
            for operation in rule["operations"]
        ]
        assert self.admin.create_acls(acls)["failed"] == []


def users() -> list[dict]:  # type: ignore[type-arg]
    return [manifest for manifest in render("prod") if manifest["kind"] == "KafkaUser"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("secured")
    try:
        kafka = JarKafka(folder / "kafka.log", Settings(**credentials("admin")))  # type: ignore[arg-type]
    except KafkaUnavailableError as error:
        lack(str(error))
    with kafka:
        yield Cluster(kafka, folder)


def total(settings: Settings, metric: str) -> float:
    page = answer(settings.metrics_port, "/metrics")
    return sum(map(float, re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)))


def test_every_role_does_its_work_with_the_rights_that_the_manifests_give_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    told = {role: cluster.settings(f"czujka-{role}") for role in ROLES}
    with ExitStack() as stack:
        children = [
            stack.enter_context(start_role(told[role], role, tmp_path / f"{role}.log"))
            for role in ("score", "watch", "exporter", "console")
        ]
        simulator = ("simulator", "--speed", "3600")
        log = tmp_path / "connect.log"
        children.append(
            stack.enter_context(start_role(told["connect"], "connect", log, *simulator))
        )

        def worked() -> bool:
            return (
                total(told["exporter"], 'czujka_feed_records_total{topic="series"}') > 0
                and total(told["watch"], "czujka_watch_checkpoint_seconds_count") > 0
                and total(told["score"], "czujka_score_blocks_total") > 0
            )

        until(worked, children)
        assert total(told["exporter"], "czujka_exporter_caught_up") == 1
        assert "HTTP Error" not in answer(told["console"].console_port, "/")
    for role in ROLES:
        said = (tmp_path / f"{role}.log").read_text()
        assert "uthorization" not in said, said[-2000:]


@pytest.mark.parametrize("role", ["score", "watch", "connect simulator", "exporter", "console"])
def test_a_user_without_the_rights_of_a_role_is_told_so_in_one_line(
    cluster: Cluster, role: str
) -> None:
    user = "czujka-connect" if role in ("exporter", "console") else "czujka-exporter"
    done = run_command(cluster.settings(user), *role.split())
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    *warnings, line = done.stderr.strip().splitlines()
    assert all("WARNING" in warning for warning in warnings), done.stderr
    assert line.startswith("czujka: ") and user in line


def test_a_rotated_password_is_refused_in_the_old_form_and_taken_in_the_new(
    cluster: Cluster,
) -> None:
    cluster.set_password("czujka-console", "a new one, from the Secret")
    old = run_command(cluster.settings("czujka-console"), "console")
    assert old.returncode == EXIT_CONFIGURATION
    line = old.stderr.strip().splitlines()[-1]
    assert "CZUJKA_SASL_PASSWORD" in line
    new = cluster.settings("czujka-console", sasl_password="a new one, from the Secret")
    log = new.state_dir.parent / "console.log"
    with start_role(new, "console", log) as console:
        until(
            lambda: (
                "Sign" in answer(new.console_port, "/") or "Czujka" in answer(new.console_port, "/")
            ),
            [console],
        )
