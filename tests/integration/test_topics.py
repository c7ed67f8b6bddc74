from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from models.errors import UserError
from pipeline import cli
from pipeline.client import BrokerError, ensure_broker
from pipeline.settings import Settings
from pipeline.topics import (
    Fault,
    changelog_topics,
    check_topics,
    create_topics,
    expected_topics,
    refuse_unfit_topics,
)
from tests.support.kafka import Kafka

MakeSettings = Callable[..., Settings]

pytestmark = pytest.mark.integration


def arguments(settings: Settings) -> list[str]:
    return [
        "--bootstrap-servers",
        settings.bootstrap_servers,
        "--topic-prefix",
        settings.topic_prefix,
    ]


def test_topics_are_missing_then_made_then_as_they_should_be(kafka_settings: MakeSettings) -> None:
    settings = kafka_settings()
    wanted = [topic.name for topic in expected_topics(settings)]
    assert [problem.topic for problem in check_topics(settings)] == wanted
    assert create_topics(settings) == wanted
    assert check_topics(settings) == []


def test_making_them_again_changes_nothing(kafka_settings: MakeSettings) -> None:
    settings = kafka_settings()
    create_topics(settings)
    assert create_topics(settings) == []


def test_another_partition_count_is_found_and_never_changed_by_itself(
    kafka_settings: MakeSettings,
) -> None:
    create_topics(kafka_settings(posts_partitions=4))
    bigger = kafka_settings(posts_partitions=6)
    (problem,) = check_topics(bigger)
    assert (problem.fault, problem.found, problem.expected) == (Fault.PARTITIONS, "4", "6")
    with pytest.raises(UserError, match="expected 6: set CZUJKA_POSTS_PARTITIONS=4"):
        create_topics(bigger)
    assert check_topics(kafka_settings(posts_partitions=4)) == []


def test_a_named_topic_can_be_made_anew(kafka_settings: MakeSettings) -> None:
    create_topics(kafka_settings(posts_partitions=4))
    bigger = kafka_settings(posts_partitions=6)
    assert create_topics(bigger, recreate=[bigger.topic("posts")]) == [bigger.topic("posts")]
    assert check_topics(bigger) == []


def test_a_foreign_topic_is_never_deleted(kafka_settings: MakeSettings) -> None:
    with pytest.raises(UserError, match="not a topic of this product"):
        create_topics(kafka_settings(), recreate=["__consumer_offsets"])


def test_a_wrong_cleanup_policy_is_found_and_put_right(kafka_settings: MakeSettings) -> None:
    settings = kafka_settings()
    # The same name, compacted: what somebody may have made by hand.
    (by_hand,) = changelog_topics("x", ["y"], settings.posts_partitions)
    create_topics(settings)
    wrong = type(by_hand)(**{**vars(by_hand), "name": f"{settings.topic_prefix}extra"})
    create_topics(settings, extra=[wrong])
    right = type(by_hand)(**{**vars(wrong), "cleanup": "delete"})
    (problem,) = check_topics(settings, extra=[right])
    assert (problem.fault, problem.found, problem.expected) == (Fault.CLEANUP, "compact", "delete")
    create_topics(settings, extra=[right])
    assert check_topics(settings, extra=[right]) == []


def test_more_replicas_than_brokers_are_refused_with_the_setting(
    kafka_settings: MakeSettings,
) -> None:
    settings = kafka_settings(replication_factor=3)
    if len(ensure_broker(settings)) >= 3:
        pytest.skip("this cluster has brokers enough")
    with pytest.raises(BrokerError, match="set CZUJKA_REPLICATION_FACTOR lower"):
        create_topics(settings)


def test_the_command_makes_and_checks_for_people_and_programs(
    kafka_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    where = arguments(kafka_settings())
    assert cli.main(["topics", "check", *where]) == 1
    assert "is missing: run `czujka topics create`" in capsys.readouterr().out
    assert cli.main(["topics", "create", "--json", *where]) == 0
    assert all(row["made"] for row in json.loads(capsys.readouterr().out))
    assert cli.main(["topics", "create", *where]) == 0
    assert capsys.readouterr().out.count("was there") == len(expected_topics(Settings()))
    assert cli.main(["topics", "check", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": []}


def test_a_wrong_partition_count_fails_the_commands_check(
    kafka_settings: MakeSettings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_topics(kafka_settings(posts_partitions=4))
    monkeypatch.setenv("CZUJKA_POSTS_PARTITIONS", "8")
    assert cli.main(["topics", "check", "--json", *arguments(kafka_settings())]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["found"] == "4"
    assert problem["expected"] == "8"


def test_a_role_refuses_to_start_on_topics_that_do_not_fit(kafka_settings: MakeSettings) -> None:
    settings = kafka_settings(tallies_partitions=2)
    with pytest.raises(UserError, match=r"posts is missing: run `czujka topics create`"):
        refuse_unfit_topics(settings, ["posts"])
    create_topics(settings)
    refuse_unfit_topics(settings, ["posts", "tallies"])
    other = kafka_settings(tallies_partitions=3)
    refuse_unfit_topics(other, ["posts"])
    with pytest.raises(UserError, match="partitions 2, expected 3"):
        refuse_unfit_topics(other, ["posts", "tallies"])


def test_topics_survive_a_killed_broker(
    restartable_kafka: Kafka, kafka_settings: MakeSettings
) -> None:
    settings = kafka_settings()
    create_topics(settings)
    restartable_kafka.kill()
    restartable_kafka.start()
    assert check_topics(settings) == []


def test_the_embedded_broker_takes_the_topics_too(
    embedded_settings: MakeSettings,
) -> None:
    settings = embedded_settings(replication_factor=3)
    assert len(create_topics(settings)) == len(expected_topics(settings))
    assert check_topics(settings) == []
    assert create_topics(settings) == []


def run_check(address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "topics", "check", "--bootstrap-servers", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_broker_that_is_not_there_is_one_line_and_exit_code_2() -> None:
    done = run_check("127.0.0.1:1")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "127.0.0.1:1: connection refused" in line
    assert "CZUJKA_BOOTSTRAP_SERVERS" in line


def test_a_broker_that_says_nothing_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run_check(f"127.0.0.1:{silent.getsockname()[1]}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no answer" in line
