"""`czujka score`: posts in, tallies out."""

from __future__ import annotations

import argparse
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.sentiment.base import Scorer
    from pipeline.settings import Settings

STALLED_AFTER_S = 60.0
"""Without a turn of the event loop for so long, ``/healthz`` says that the process is stuck."""

HELP = "score posts: match brands, judge sentiment, tally by minute"

EPILOG = """\
examples:
  czujka score --bootstrap-servers kafka:9092 --watchlist watchlist.yaml
  CZUJKA_METRICS_PORT=9101 czujka score      with /metrics for Prometheus

Run as many as `posts` has partitions; they share the work and keep no state."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments; the settings say the rest."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--no-feedback",
        dest="feedback",
        action="store_false",
        help="leave what people say of sentiment unlearned (CZUJKA_FEEDBACK=false)",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until told to stop."""
    from pipeline.client import ensure_broker

    ensure_broker(settings)  # before the models are loaded: a broker that is away is told at once

    from pipeline.assembly import make_brands, read_watchlist
    from pipeline.metrics import REGISTRY, ScoreMetrics, serve_metrics
    from pipeline.role import Pulse, run_role
    from pipeline.score import ScoreStage

    watchlist = read_watchlist(settings)
    sentiment = load_sentiment(learns=settings.feedback and args.feedback)
    stage = ScoreStage(settings, make_brands(watchlist, settings), sentiment, ScoreMetrics())
    # Records come and go by the thousand; what stands here now need not be looked through for each.
    gc.collect()
    gc.freeze()
    pulse = Pulse(STALLED_AFTER_S)
    if settings.metrics_port:
        serve_metrics(
            settings.host,
            settings.metrics_port,
            registry=REGISTRY,
            healthy=pulse.beats,
            ready=lambda: stage.ready,
        )
    return run_role(lambda stop: pulse.accompany(stage.run(stop)), settings.stop_timeout_s)


def load_sentiment(*, learns: bool) -> Scorer:
    """The shipped model, able to learn from the `feedback` topic or not."""
    from models.sentiment.feedback import AdaptiveScorer
    from models.sentiment.scorer import load_scorer

    shipped = load_scorer()
    return AdaptiveScorer(shipped) if learns else shipped
