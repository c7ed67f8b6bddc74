"""`czujka score`: posts in, tallies out."""

from __future__ import annotations

import argparse

from models.sentiment import load_scorer
from pipeline.assembly import make_brands, read_watchlist
from pipeline.client import ensure_broker
from pipeline.metrics import REGISTRY, ScoreMetrics, serve_metrics
from pipeline.role import run_role
from pipeline.score import ScoreStage
from pipeline.settings import Settings

HELP = "score posts: match brands, judge sentiment, tally by minute"

EPILOG = """\
examples:
  czujka score --bootstrap-servers kafka:9092 --watchlist watchlist.yaml
  CZUJKA_METRICS_PORT=9101 czujka score      with /metrics for Prometheus

Run as many as `posts` has partitions; they share the work and keep no state."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds nothing: the settings say it all."""
    parser.epilog = EPILOG


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until told to stop."""
    watchlist = read_watchlist(settings)
    ensure_broker(settings)  # before the models are loaded, which takes seconds
    stage = ScoreStage(settings, make_brands(watchlist, settings), load_scorer(), ScoreMetrics())
    if settings.metrics_port:
        serve_metrics(settings.host, settings.metrics_port, registry=REGISTRY)
    return run_role(stage.run)
