"""A real Apache Kafka for tests and benchmarks: found, or started for the time of the run.

`open_kafka` takes the first that is to be had:

1. ``CZUJKA_TEST_KAFKA``, an address, host:port;
2. testcontainers, where a Docker engine answers and the image is already there (no pulling);
3. the jars that ``pom.xml`` beside this file names, resolved by Maven into ``.cache/`` and started
   with Java 17 or later: one node, KRaft, loopback, a small heap, data in a temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.child import Child
from pipeline.client import BrokerError, ensure_broker
from pipeline.embedded import HOST, free_port
from pipeline.settings import Settings
from tests.support.certificates import CLIENT, Certificates

ADDRESS_VARIABLE = "CZUJKA_TEST_KAFKA"
IMAGE_VARIABLE = "CZUJKA_TEST_KAFKA_IMAGE"
DEFAULT_IMAGE = "apache/kafka:4.1.1"
REAPER_IMAGE = "testcontainers/ryuk"

_POM = Path(__file__).with_name("pom.xml")
_ROOT = _POM.parents[2]
_MIN_JAVA = 17
_MAVEN_LIMIT_S = 600
_READY_LIMIT_S = 60
_HEAP = "512m"


class KafkaUnavailableError(Exception):
    """No Kafka is to be had in this way, and why."""


class Kafka:
    """A running Kafka. Those that we started can be killed and restarted."""

    origin = "given"
    """Where it comes from, for reports."""

    restartable = False
    """Whether `kill`, `start` and `restart` work."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Takes the address of a broker that already runs."""
        self.bootstrap_servers = bootstrap_servers

    def wait_until_ready(self) -> None:
        """Blocks until a metadata request is answered with a broker.

        Raises:
            KafkaUnavailableError: it was not within the limit.
        """
        settings = self._settings()
        deadline = time.monotonic() + _READY_LIMIT_S
        while True:
            self._check_alive()
            try:
                if ensure_broker(settings):
                    return
                reason = "it knows of no broker yet"
            except BrokerError as error:
                reason = str(error)
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"{self.bootstrap_servers}: {reason}")

    def _settings(self) -> Settings:
        return Settings(bootstrap_servers=self.bootstrap_servers, connect_timeout_s=2.0)

    def _check_alive(self) -> None:
        """Raises if it can no longer become ready."""

    @property
    def running(self) -> bool:
        """Whether it runs, as far as we know."""
        return True

    def kill(self) -> None:
        """Ends it without warning."""
        raise NotImplementedError("this Kafka is not ours to kill")

    def start(self) -> None:
        """Starts it again, with its address and its data."""
        raise NotImplementedError("this Kafka is not ours to start")

    def restart(self) -> None:
        """Ends it in order and starts it again."""
        raise NotImplementedError("this Kafka is not ours to restart")

    def close(self) -> None:
        """Ends it for good, if we started it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ContainerKafka(Kafka):
    """Kafka in a container of Apache's image, or of one that takes its variables."""

    origin = "testcontainers"
    restartable = True

    def __init__(self) -> None:
        """Starts the container, on loopback by the network of this machine.

        Raises:
            KafkaUnavailableError: no engine answers, the image is not there, or it did not start.
        """
        image = os.environ.get(IMAGE_VARIABLE, DEFAULT_IMAGE)
        port, controller_port = _free_ports()
        self._container = _start_container(image, _variables(port, controller_port))
        super().__init__(f"{HOST}:{port}")
        self.origin = f"testcontainers, {image}"
        try:
            self.wait_until_ready()
        except KafkaUnavailableError:
            self.close()
            raise

    @property
    def running(self) -> bool:
        self._engines.reload()
        return bool(self._engines.status == "running")

    def start(self) -> None:
        self._engines.start()
        self.wait_until_ready()

    def kill(self) -> None:
        self._engines.kill()
        self._engines.wait()

    def restart(self) -> None:
        self._engines.stop(timeout=30)
        self.start()

    def close(self) -> None:
        self._container.stop()

    def _check_alive(self) -> None:
        if not self.running:
            raise KafkaUnavailableError(
                f"the container ended: {self._engines.logs(tail=3).decode().strip()}"
            )

    @property
    def _engines(self) -> Any:
        """The container as the engine's own client has it."""
        return self._container.get_wrapped_container()


class JarKafka(Kafka):
    """Kafka from jars, started with the Java of this machine."""

    restartable = True

    def __init__(
        self,
        log: Path | None = None,
        administrator: Settings | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """Resolves the jars if need be, and starts a broker.

        Args:
            log: Where the broker's log goes; into its temporary folder if none is given.
            administrator: Credentials (SCRAM-SHA-512) of the one who may do everything; nobody else
                may do anything until allowed. Without them everybody may.
            certificates: With them it speaks TLS alone; the administrator's protocol must be
                SASL_SSL. A second listener, `by_certificate`, is for clients that have one.

        Raises:
            KafkaUnavailableError: no Java or Maven, jars not to be had, or it did not start.
        """
        self._java = find_java()
        self._jars = resolve_jars()
        self.origin = f"{kafka_version(self._jars)}, Java {java_version(self._java)}"
        self._folder = Path(tempfile.mkdtemp(prefix="czujka-kafka-"))
        self._log = log or self._folder / "server.log"
        port, controller_port = _free_ports()
        super().__init__(f"{HOST}:{port}")
        self._properties = self._folder / "server.properties"
        properties = _properties(port, controller_port, self._folder / "data")
        if administrator is not None:
            properties |= _security(port, controller_port, administrator)
        if certificates is not None:
            self.by_certificate = f"{HOST}:{free_port()}"
            properties = _encryption(properties, self.by_certificate, certificates)
        self._properties.write_text(
            "".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8"
        )
        self._administrator = administrator
        self._child: Child | None = None
        try:
            self._format()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        self._child = Child(
            [
                self._java,
                f"-Xmx{_HEAP}",
                "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-cp",
                f"{self._jars}/*",
                "kafka.Kafka",
                str(self._properties),
            ],
            self._log,
        )
        self.wait_until_ready()

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()

    def restart(self) -> None:
        assert self._child is not None
        self._child.stop(grace_s=30.0)
        self.start()

    def close(self) -> None:
        if self._child is not None:
            # Nobody needs its data any more; an orderly end would take seconds.
            self._child.stop(grace_s=0.0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _check_alive(self) -> None:
        assert self._child is not None
        if not self._child.running:
            raise KafkaUnavailableError(
                f"Kafka ended with exit code {self._child.exit_code}: {self._child.tail()}"
            )

    def _settings(self) -> Settings:
        plain = super()._settings()
        return (
            self._administrator.model_copy(update=plain.model_dump(exclude_unset=True))
            if self._administrator
            else plain
        )

    def _format(self) -> None:
        done = subprocess.run(
            [
                self._java,
                "-XX:TieredStopAtLevel=1",
                "-cp",
                f"{self._jars}/*",
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id=Y3p1amthLXRlc3RzLTAwMQ",
                f"--config={self._properties}",
                *_first_user(self._administrator),
            ],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise KafkaUnavailableError(f"formatting its storage failed: {_last_line(done)}")


def open_kafka(environment: Mapping[str, str] = os.environ, log: Path | None = None) -> Kafka:
    """The first Kafka that is to be had; close it after use.

    Raises:
        KafkaUnavailableError: none is; the message says what each way lacks. An address that was
            given and does not answer is an error too: no other Kafka stands in for it.
    """
    address = environment.get(ADDRESS_VARIABLE)
    if address:
        kafka = Kafka(address)
        kafka.wait_until_ready()
        return kafka
    try:
        return ContainerKafka()
    except KafkaUnavailableError as error:
        no_container = error
    try:
        return JarKafka(log)
    except KafkaUnavailableError as error:
        raise KafkaUnavailableError(
            f"no Kafka to test on. {ADDRESS_VARIABLE}: not set. testcontainers: {no_container}. "
            f"Jars: {error}"
        ) from error


def find_java() -> str:
    """Java's program, of JAVA_HOME or the PATH, 17 or later.

    Raises:
        KafkaUnavailableError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise KafkaUnavailableError(f"no `java` on this machine; {_MIN_JAVA} or later is needed")
    version = java_version(java)
    if version < _MIN_JAVA:
        raise KafkaUnavailableError(f"{java} is Java {version}; {_MIN_JAVA} or later is needed")
    return java


def java_version(java: str) -> int:
    """Major version of a Java."""
    done = subprocess.run(
        [java, "-version"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    match = re.search(r'version "(\d+)', done.stderr)
    if match is None:
        raise KafkaUnavailableError(f"`{java} -version` says nothing of use: {_last_line(done)}")
    return int(match[1])


def resolve_jars() -> Path:
    """Folder with the jars that `pom.xml` names; asks Maven once for each state of that file.

    Raises:
        KafkaUnavailableError: no Maven, or it cannot get them.
    """
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    jars = _ROOT / ".cache" / f"kafka-{digest}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError("no `mvn` on this machine to get the jars with")
    jars.parent.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="kafka-", dir=jars.parent))
    try:
        _copy_jars(maven, partial)
        partial.chmod(0o755)
        try:
            partial.rename(jars)
        except OSError:
            # Another run was faster; its folder is as good as ours.
            if not jars.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return jars


def kafka_version(jars: Path) -> str:
    """For reports: the Kafka that a folder of jars holds."""
    name = next(jars.glob("kafka-clients-*.jar")).stem
    return f"Apache Kafka {name.removeprefix('kafka-clients-')}"


def _copy_jars(maven: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            [
                maven,
                "--batch-mode",
                "--quiet",
                f"--file={_POM}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={folder}",
            ],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_MAVEN_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise KafkaUnavailableError(f"Maven took longer than {_MAVEN_LIMIT_S} s") from error
    if done.returncode != 0:
        raise KafkaUnavailableError(f"Maven could not get the jars: {_last_line(done)}")


def _start_container(image: str, variables: dict[str, str]) -> Any:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise KafkaUnavailableError("the package is not installed") from error
    try:
        client = docker.from_env(timeout=5)
    except DockerException as error:
        raise KafkaUnavailableError("no Docker engine answers") from error
    try:
        tags = [tag for found in client.images.list() for tag in found.tags]
    finally:
        client.close()
    if image not in tags:
        raise KafkaUnavailableError(f"the image {image} is not on this machine")
    if not any(tag.startswith(REAPER_IMAGE) for tag in tags):
        # Without its image the reaper would have to be pulled; we stop the container ourselves.
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

    from testcontainers.core.container import DockerContainer

    # The network of the machine: the broker advertises the address that we know it by, keeps it
    # when it is restarted, and an engine without a network of its own will do.
    container = DockerContainer(image, network_mode="host").with_envs(**variables)
    try:
        return container.start()
    except Exception as error:
        # Whatever the engine has against it, the next way to a Kafka is tried, and it is reported.
        container.stop()
        raise KafkaUnavailableError(f"the container did not start: {error}") from error


def _variables(port: int, controller_port: int) -> dict[str, str]:
    """The properties of a broker as Apache's image takes them."""
    properties = _properties(port, controller_port, Path("/tmp/kafka"))
    variables = {
        f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in properties.items()
    }
    return variables | {"KAFKA_HEAP_OPTS": f"-Xmx{_HEAP}"}


def _free_ports() -> tuple[int, int]:
    first = free_port()
    while (second := free_port()) == first:
        pass
    return first, second


def _properties(port: int, controller_port: int, data: Path) -> dict[str, Any]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        # One node holds everything.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Tests wait for nothing: groups form at once, and notice a killed member soon.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A killed broker may come back only when its old session is over.
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 500,
        # Small.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4 << 20,
        "log.retention.check.interval.ms": 3_600_000,
    }


def _security(port: int, controller_port: int, administrator: Settings) -> dict[str, Any]:
    """Properties of a broker where users sign in with SCRAM and may do what they are allowed."""
    assert administrator.sasl_password is not None
    name, password = administrator.sasl_username, administrator.sasl_password.get_secret_value()
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listeners": f"CLIENTS://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{HOST}:{port}",
        "listener.security.protocol.map": (
            f"CLIENTS:{administrator.security_protocol},CONTROLLER:PLAINTEXT"
        ),
        "inter.broker.listener.name": "CLIENTS",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.clients.scram-sha-512.sasl.jaas.config": (
            f'{module} required username="{name}" password="{password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The controller's own listener knows no users; it is on loopback.
        "super.users": f"User:{name};User:ANONYMOUS",
    }


def _encryption(
    properties: dict[str, Any], by_certificate: str, certificates: Certificates
) -> dict[str, Any]:
    """Properties of a broker that speaks TLS, and on one more listener asks for a certificate."""
    listener = f",CERTIFIED://{by_certificate}"
    return properties | {
        "listeners": properties["listeners"] + listener,
        "advertised.listeners": properties["advertised.listeners"] + listener,
        "listener.security.protocol.map": (
            properties["listener.security.protocol.map"] + ",CERTIFIED:SSL"
        ),
        "listener.name.certified.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": certificates.broker,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": certificates.authority,
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        "super.users": f"{properties.get('super.users', '')};User:{CLIENT}",
    }


def _first_user(administrator: Settings | None) -> list[str]:
    """What formatting the storage is told of the administrator."""
    if administrator is None or administrator.sasl_password is None:
        return []
    password = administrator.sasl_password.get_secret_value()
    user = f"name={administrator.sasl_username},password={password}"
    return ["--add-scram", f"SCRAM-SHA-512=[{user}]"]


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}, no output"
