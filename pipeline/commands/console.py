"""``czujka console``: pages that show brands and alerts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "serve the pages that show brands and alerts"

EPILOG = """\
examples:
  czujka console                          pages on http://127.0.0.1:8000/
  czujka console --port 0                 on a free port; the address is printed
  czujka console --host 0.0.0.0           for other machines too
  CZUJKA_CONSOLE_TOKEN=… czujka console   let those who know the token answer; else it is read-only

  CZUJKA_REPORTS_DIR=reports czujka console
                                          and write the report of each alert that is over
  CZUJKA_CONSOLE_USER_HEADER=X-Forwarded-User czujka console
                                          a reverse proxy signs people in and names them there

The header is believed. Set it only where nobody but the proxy reaches the port, and where the
proxy removes it from what it forwards: else anybody can write under any name.

Whoever reaches the port can read: put a proxy with sign-in and TLS before it.

JSON for programs: /api/brands, /api/alerts, /api/alerts/ID. Probes: /healthz, /readyz."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--host", help="interface to listen on (CZUJKA_HOST)")
    parser.add_argument("--port", type=int, help="0 picks a free one (CZUJKA_CONSOLE_PORT)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until a signal."""
    from pipeline.console.server import serve_console
    from pipeline.role import run_role

    host = args.host or settings.host
    port = settings.console_port if args.port is None else args.port
    return run_role(lambda stop: serve_console(settings, host, port, stop), settings.stop_timeout_s)
