"""`czujka exporter`: alerts and series as metrics for Prometheus."""

from __future__ import annotations

import argparse

from pipeline.exporter import DEFAULT_PORT, export
from pipeline.role import run_role
from pipeline.settings import Settings

SUMMARY = "serve alerts and series as metrics for Prometheus"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--host", help="interface to listen on (default: CZUJKA_HOST)")
    parser.add_argument(
        "--port",
        type=int,
        help=f"0 picks a free one (default: CZUJKA_METRICS_PORT if set, else {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--max-brands",
        type=int,
        default=1000,
        help="brands with series of their own; a crisis is shown past it (default: 1000)",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until a signal; returns the exit code."""
    host = args.host or settings.host
    port = args.port if args.port is not None else settings.metrics_port or DEFAULT_PORT
    return run_role("exporter", lambda stop: export(settings, host, port, args.max_brands, stop))
