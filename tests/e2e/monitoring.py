"""Debian's Prometheus and Alertmanager as child processes, with the shipped rules and routes.

Their configuration is the shipped one, but for what a test cannot wait for (intervals) or reach
(receivers). Everything listens on loopback and ends with its `with`.
"""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from pipeline.child import Child
from pipeline.embedded import HOST, free_port
from tests.deploy.monitoring import MONITORING, RULES

INTERVAL = "200ms"
"""Of scrapes, evaluations and notifications. For Alertmanager, no less than its own minimum."""


@dataclass(frozen=True)
class Notification:
    """What Alertmanager posted to one receiver: a group, with the alerts that it speaks of."""

    receiver: str
    status: str
    group: dict[str, str]
    alerts: list[dict[str, Any]]

    def labels(self, status: str) -> list[dict[str, str]]:
        """Labels of its alerts of a status."""
        return [alert["labels"] for alert in self.alerts if alert["status"] == status]


@dataclass
class Receiver:
    """A webhook receiver that keeps what it is told."""

    notifications: list[Notification] = field(default_factory=list)

    def __enter__(self) -> Self:
        kept = self.notifications

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.strip("/")
                kept.append(Notification(name, body["status"], body["groupLabels"], body["alerts"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_port}"

    def at(self, receiver: str) -> list[Notification]:
        """What one of the receivers was told, in order."""
        return [told for told in self.notifications if told.receiver == receiver]


class Monitoring:
    """Prometheus and Alertmanager over some targets.

    Args:
        targets: job to port of its metrics.
        receiver: the address of a `Receiver`.
        folder: for configuration, data and logs.
    """

    def __init__(self, targets: Mapping[str, int], receiver: str, folder: Path) -> None:
        self._targets = targets
        self._receiver = receiver
        self._folder = folder
        self._stack = ExitStack()
        self._ports = {"prometheus": free_port(), "alertmanager": free_port()}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack, "alertmanager", self._alertmanager())
            self._start(stack, "prometheus", self._prometheus())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def ready(self) -> bool:
        """Whether both answer."""
        return all(self._get(name, "/-/ready") is not None for name in self._ports)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to an instant query; nothing while it does not answer."""
        answer = self._get("prometheus", f"/api/v1/query?query={urllib.request.quote(expression)}")
        result: list[dict[str, Any]] = json.loads(answer)["data"]["result"] if answer else []
        return result

    def logs(self) -> str:
        """The ends of their logs, for the report of a failure."""
        return "\n".join(
            f"{name}: {(self._folder / f'{name}.log').read_text()[-2000:]}" for name in self._ports
        )

    def _get(self, name: str, path: str) -> str | None:
        try:
            address = f"http://{HOST}:{self._ports[name]}{path}"
            with urllib.request.urlopen(address, timeout=2) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, OSError):
            return None

    def _start(self, stack: ExitStack, name: str, arguments: list[str]) -> None:
        program = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}[name]
        address = f"--web.listen-address={HOST}:{self._ports[name]}"
        argv = [program, *arguments, address, "--log.level=warn"]
        stack.enter_context(Child(argv, self._folder / f"{name}.log"))

    def _prometheus(self) -> list[str]:
        configuration = {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}
            | {"evaluation_interval": INTERVAL},
            "rule_files": [str(RULES / "*.yaml")],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [f"{HOST}:{self._ports['alertmanager']}"]}]}
                ]
            },
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}"]}]}
                for job, port in self._targets.items()
            ],
        }
        file = self._folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(configuration))
        return [f"--config.file={file}", f"--storage.tsdb.path={self._folder / 'prometheus'}"]

    def _alertmanager(self) -> list[str]:
        shipped = yaml.safe_load((MONITORING / "alertmanager/alertmanager.yaml").read_text())
        _hurry(shipped["route"])
        for receiver in shipped["receivers"]:
            for webhook in receiver.get("webhook_configs", []):
                webhook["url"] = f"{self._receiver}/{receiver['name']}"
        file = self._folder / "alertmanager.yaml"
        file.write_text(yaml.safe_dump(shipped))
        shutil.copy(MONITORING / "alertmanager/czujka.tmpl", self._folder)
        return [
            f"--config.file={file}",
            f"--storage.path={self._folder / 'alertmanager'}",
            "--cluster.listen-address=",
        ]


def _hurry(route: dict[str, Any]) -> None:
    """Shortens the waits of a route and of those below; what repeats, still does not in a test."""
    for key in ("group_wait", "group_interval"):
        if key in route:
            route[key] = INTERVAL
    for child in route.get("routes", []):
        _hurry(child)
