"""`czujka watch`: tallies in, series and alerts out."""

from __future__ import annotations

import argparse
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.figures import Pseudonyms
    from models.watchlist import Watchlist
    from pipeline.settings import Settings

log = logging.getLogger(__name__)

STALLED_AFTER_S = 60.0
"""Without a turn of the event loop for so long, ``/healthz`` says that the process is stuck."""

HELP = "watch brands: close minutes, run the detectors, raise alerts (Faust)"

EPILOG = """\
examples:
  czujka watch --bootstrap-servers kafka:9092 --watchlist watchlist.yaml
  CZUJKA_METRICS_PORT=9102 czujka watch      with /metrics for Prometheus

CZUJKA_PSEUDONYM_KEY, as the connectors have it, is needed only where the watchlist names public
figures by their accounts: it finds their pseudonyms. Without it they stay pseudonyms too.

Run as many as `tallies` has partitions; Faust moves the brands between them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds nothing: the settings say it all."""
    parser.epilog = EPILOG


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until told to stop."""
    from pipeline.client import ensure_broker

    ensure_broker(settings)  # before the models are loaded: a broker that is away is told at once

    from models.sentiment import load_scorer
    from pipeline.assembly import read_watchlist, watch_factory
    from pipeline.metrics import REGISTRY, WatchMetrics, serve_metrics
    from pipeline.role import Pulse
    from pipeline.topics import refuse_unfit_topics
    from pipeline.watch.app import make_app
    from pipeline.watch.engine import is_ready, run_app

    watchlist = read_watchlist(settings)
    refuse_unfit_topics(settings, ("tallies", "series", "alerts", "feedback", "dead-letters"))
    factory = watch_factory(watchlist, settings, load_scorer().version, _pseudonyms(watchlist))
    app = make_app(settings, factory, WatchMetrics())
    pulse = Pulse(STALLED_AFTER_S)
    app.task(pulse.run)  # begins when the tables are recovered; until then nobody asks for life
    if settings.metrics_port:
        serve_metrics(
            settings.host,
            settings.metrics_port,
            registry=REGISTRY,
            healthy=pulse.beats,
            ready=lambda: is_ready(app),
        )
    return run_app(app, settings)


def _pseudonyms(watchlist: Watchlist) -> Pseudonyms | None:
    """Pseudonyms of accounts by the connectors' key; None where nobody needs it or it is not set.

    Raises:
        ConfigurationError: the key is too short.
    """
    from connectors.privacy import KEY_VARIABLE, Privacy
    from models.figures import unknowable

    if not any(unknowable(brand.public_figures) for brand in watchlist.brands):
        return None
    if not os.environ.get(KEY_VARIABLE, "").strip():
        log.warning(
            "the watchlist names public figures by their accounts, and %s is not set: they stay "
            "pseudonyms; set it as the connectors have it, or write the pseudonyms alerts show",
            KEY_VARIABLE,
        )
        return None
    return Privacy.from_environment().pseudonyms
