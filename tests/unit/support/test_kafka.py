from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from pipeline.embedded import EmbeddedBroker, free_port
from tests.support import kafka as support
from tests.support.kafka import Kafka, KafkaUnavailableError, open_kafka
from tests.support.lacking import lack


def unavailable(reason: str):
    def opens(*_: object) -> NoReturn:
        raise KafkaUnavailableError(reason)

    return opens


def available(name: str):
    return lambda *_: SimpleNamespace(origin=name)


def program(path: Path, lines: str) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_an_address_that_is_given_comes_first(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "ContainerKafka", available("container"))
    kafka = open_kafka({"CZUJKA_TEST_KAFKA": embedded.bootstrap_servers})
    assert kafka.bootstrap_servers == embedded.bootstrap_servers
    assert kafka.origin == "given"
    assert not kafka.restartable


def test_no_other_kafka_stands_in_for_a_given_one_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(support, "_READY_LIMIT_S", 0)
    monkeypatch.setattr(support, "ContainerKafka", available("container"))
    with pytest.raises(KafkaUnavailableError, match="connection refused"):
        open_kafka({"CZUJKA_TEST_KAFKA": f"127.0.0.1:{free_port()}"})


def test_a_container_comes_before_the_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "ContainerKafka", available("container"))
    monkeypatch.setattr(support, "JarKafka", available("jars"))
    assert open_kafka({}).origin == "container"


def test_the_jars_come_where_no_container_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "ContainerKafka", unavailable("no Docker engine answers"))
    monkeypatch.setattr(support, "JarKafka", available("jars"))
    assert open_kafka({}).origin == "jars"


def test_where_none_is_possible_the_reason_tells_what_each_way_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(support, "ContainerKafka", unavailable("no Docker engine answers"))
    monkeypatch.setattr(support, "JarKafka", unavailable("no `java` on this machine"))
    with pytest.raises(KafkaUnavailableError) as error:
        open_kafka({})
    assert "CZUJKA_TEST_KAFKA: not set" in str(error.value)
    assert "no Docker engine answers" in str(error.value)
    assert "no `java` on this machine" in str(error.value)


def test_without_an_engine_no_container_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(KafkaUnavailableError, match="no Docker engine answers"):
        support.ContainerKafka()


def test_an_image_that_is_not_there_is_not_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    class Engine:
        images = SimpleNamespace(list=lambda: [SimpleNamespace(tags=["other:1"])])

        def close(self) -> None:
            pass

    monkeypatch.setattr(docker, "from_env", lambda **_: Engine())
    monkeypatch.setenv("CZUJKA_TEST_KAFKA_IMAGE", "wanted:2")
    with pytest.raises(KafkaUnavailableError, match="image wanted:2 is not on this machine"):
        support.ContainerKafka()


def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "java", """echo 'openjdk version "11.0.2"' >&2""")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(KafkaUnavailableError, match="is Java 11; 17 or later is needed"):
        support.find_java()


def test_without_java_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(KafkaUnavailableError, match="no `java`"):
        support.find_java()


def test_a_failure_of_maven_leaves_no_half_filled_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "mvn", "echo '[ERROR] the repository is away'; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(support, "_ROOT", tmp_path)
    with pytest.raises(KafkaUnavailableError, match="the repository is away"):
        support.resolve_jars()
    assert list((tmp_path / ".cache").iterdir()) == []


def test_what_is_not_ours_is_neither_killed_nor_restarted() -> None:
    given = Kafka("127.0.0.1:9092")
    for act in (given.kill, given.start, given.restart):
        with pytest.raises(NotImplementedError, match="not ours"):
            act()


def test_what_lacks_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Kafka"):
        lack("no Kafka")


def test_in_ci_what_lacks_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Kafka"):
        lack("no Kafka")
