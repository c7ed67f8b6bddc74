"""Puts the models together as settings and watchlist say; the same for every role."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from functools import partial

from models.detection import make_bank
from models.errors import UserError
from models.figures import Pseudonyms, handles_of
from models.matching import Matcher
from models.scoring import Brands, ScoreSettings
from models.watching import BrandWatch, WatchedBrand
from models.watchlist import Watchlist, WatchlistError, load_watchlist
from pipeline.settings import Settings


def read_watchlist(settings: Settings) -> Watchlist:
    """The watchlist that the settings name.

    Raises:
        UserError: it cannot be read or is wrong; the message names file, line and field.
    """
    try:
        return load_watchlist(settings.watchlist)
    except WatchlistError as error:
        raise UserError(str(error)) from error


def partition_of_brand(brand: str, partitions: int) -> int:
    """Partition of `tallies` that a brand's tallies go to; the same in every process."""
    return zlib.crc32(brand.encode()) % partitions


def score_settings(settings: Settings) -> ScoreSettings:
    """The part of the settings that score's decisions depend on."""
    return ScoreSettings(
        block_records=settings.block_records,
        duplicate_window_blocks=settings.duplicate_window_blocks,
        lateness_ms=settings.lateness_s * 1000,
        blind_after_ms=settings.blind_after_s * 1000,
    )


def make_brands(watchlist: Watchlist, settings: Settings) -> Brands:
    """What score looks for."""
    partitions = settings.tallies_partitions
    return Brands(
        ids=tuple(brand.id for brand in watchlist.brands),
        outputs=tuple(partition_of_brand(brand.id, partitions) for brand in watchlist.brands),
        n_outputs=partitions,
        matcher=Matcher(watchlist.brands),
    )


def watch_factory(
    watchlist: Watchlist,
    settings: Settings,
    sentiment_model: str,
    pseudonyms: Pseudonyms | None = None,
) -> Callable[[int], BrandWatch]:
    """Builds the empty watch of the brands of one partition of `tallies`.

    Args:
        watchlist: with the public figures whose handles are shown.
        settings: of the deployment.
        sentiment_model: version of the weights, for the alerts.
        pseudonyms: of accounts, by the key of the connectors; see `models.figures`.
    """
    rows = list(zip(watchlist.brands, watchlist.row_settings(), strict=True))
    decisive = f"{watchlist.config_hash} {score_settings(settings)} {sentiment_model}"
    bank_factory = partial(make_bank, settings=watchlist.detection_settings())
    config_hash = hashlib.sha256(decisive.encode()).hexdigest()[:12]

    def make(partition: int) -> BrandWatch:
        brands = [
            WatchedBrand(
                brand.id,
                brand.name,
                row,
                handles_of(brand.public_figures, pseudonyms),
                tuple(term for term in brand.match.any if term.startswith("@")),
            )
            for brand, row in rows
            if partition_of_brand(brand.id, settings.tallies_partitions) == partition
        ]
        return BrandWatch(brands, bank_factory, watchlist, sentiment_model, config_hash)

    return make
