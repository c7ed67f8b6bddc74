from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kafka import Kafka

pytestmark = pytest.mark.integration


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux alone")
def test_a_kafka_of_ours_dies_with_a_test_run_that_is_killed(
    restartable_kafka: Kafka, tmp_path: Path
) -> None:
    # The fixture shows that jars are to be had; this one is another.
    program = (
        "import signal\n"
        "from tests.support.kafka import JarKafka\n"
        "kafka = JarKafka()\n"
        "print(kafka.pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # what the killed one leaves behind
    ) as parent:
        assert parent.stdout is not None
        watch = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([watch], [], [], 10)
        os.close(watch)
    assert ended, "the broker outlived its parent"
