"""``czujka exporter``: alerts and series as metrics for Prometheus."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "serve alerts and series as metrics for Prometheus"

EPILOG = """\
examples:
  czujka exporter                 metrics on CZUJKA_METRICS_PORT, or 9477 where that is not set
  czujka exporter --port 0        on a free port; the address is printed

It serves /metrics, /healthz and /readyz. It keeps nothing and may be started anew at any time."""

DEFAULT_PORT = 9477
DEFAULT_MAX_BRANDS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--host", help="interface to listen on (CZUJKA_HOST)")
    parser.add_argument("--port", type=int, help="0 picks a free one (CZUJKA_METRICS_PORT)")
    parser.add_argument(
        "--max-brands",
        type=int,
        default=DEFAULT_MAX_BRANDS,
        metavar="N",
        help=f"brands with series of their own; a crisis is shown past it ({DEFAULT_MAX_BRANDS})",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until a signal."""
    from pipeline.exporter import serve_exporter
    from pipeline.role import run_role

    host = args.host or settings.host
    port = args.port if args.port is not None else settings.metrics_port or DEFAULT_PORT
    return run_role(
        lambda stop: serve_exporter(settings, host, port, stop, max_brands=args.max_brands),
        settings.stop_timeout_s,
    )
