"""How fast the overview of many brands opens, in a real browser: `python -m bench.console`.

500 brands with six hours of minutes and 10 000 open alerts. Prints, over some rounds with a change
of the ledger before each: the server's time to render, and the browser's from the request until the
page has loaded; then how long a change takes until an open page shows it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import threading
import time

import uvicorn
from playwright.sync_api import sync_playwright

from models.alert import CrisisAlert, alert_id, from_ms
from models.detection.base import BUCKET_MS, Kind, Phase, Severity
from models.series import SeriesPoint
from pipeline.console.app import create_app
from pipeline.console.changes import Changes
from pipeline.ledger import Ledger
from pipeline.listening import listen, port_of

NOON_MS = 1_795_780_800_000


class _Source:
    connected = True
    caught_up = True


def point(brand: int, minute: int, mentions: int) -> SeriesPoint:
    """A closed minute of a brand."""
    return SeriesPoint(
        brand=f"brand-{brand}",
        brand_name=f"Brand {brand}",
        bucket_ms=NOON_MS + minute * BUCKET_MS,
        mentions=mentions,
        negative=1,
        sentiment=0.1,
        rolling_sentiment=0.1,
        weighted_sentiment=0.05,
        platforms={"bluesky": 3, "x": 1},
        expected=5.0,
        low=0.0,
        high=11.0,
        expected_negative_share=0.25,
        statistic=1.0,
        threshold=9.0,
    )


def alert(number: int) -> CrisisAlert:
    """An open alert."""
    onset_ms = NOON_MS - number * BUCKET_MS
    figures = dict.fromkeys(("mentions", "negative", "authors", "negative_authors", "reach"), 9.0)
    return CrisisAlert.model_validate(
        {
            "alert_id": alert_id(f"open-{number}", Kind.SURGE_NEGATIVE, onset_ms),
            "revision": 0,
            "brand": f"brand-{number % 500}",
            "brand_name": f"Brand {number % 500}",
            "kind": Kind.SURGE_NEGATIVE,
            "status": "firing",
            "phase": Phase.FIRING,
            "severity": Severity.ERROR,
            "summary": "negative posts surge",
            "onset": from_ms(onset_ms),
            "onset_low": from_ms(onset_ms),
            "onset_high": from_ms(onset_ms),
            "decided_at": from_ms(NOON_MS),
            "fired_at": from_ms(NOON_MS),
            "observed": {"minutes": 9, **figures},
            "expected": {
                "mentions": 5,
                "low": 1,
                "high": 9,
                "negative": 1,
                "negative_share": 0.2,
            },
            "evidence": {"statistic": 20, "threshold": 9, "p_chance": 0.001},
        }
    )


def spread(values: list[float]) -> str:
    """Median and extremes, seconds."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"median {middle:.3f} s, {low:.3f} to {high:.3f} s"


def main() -> None:
    """Prints the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, default=500)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    ledger = Ledger()
    for brand in range(args.brands):
        for minute in range(360):
            ledger.fold_point(point(brand, minute, (brand * 7 + minute * 13) % 11))
    for number in range(args.alerts):
        ledger.fold_alert(alert(number))
    changes = Changes(ledger)
    listener = listen("127.0.0.1", 0, "--port")
    app = create_app(ledger, changes, _Source())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    address = f"http://127.0.0.1:{port_of(listener)}/"
    rendered, loaded, followed = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for number in range(args.rounds):
            page = browser.new_page()
            ledger.fold_point(point(0, 360 + number, 5))
            page.goto(address)
            timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
            rendered.append((timing["responseStart"] - timing["requestStart"]) / 1000)
            loaded.append(timing["loadEventEnd"] / 1000)
            page.close()
        page = browser.new_page()
        page.goto(address)
        page.wait_for_timeout(2000)
        for number in range(args.rounds):
            mark = f"Brand {number} changed"
            begun = time.perf_counter()
            changed = point(number, 400 + number, 5).model_copy(update={"brand_name": mark})
            ledger.fold_point(changed)
            changes.announce()
            page.get_by_text(mark).first.wait_for(timeout=30_000)
            followed.append(time.perf_counter() - begun)
        browser.close()
    server.should_exit = True
    print(f"{args.brands} brands, {args.alerts} open alerts, {args.rounds} rounds")
    print("server, request to first byte:", spread(rendered))
    print("browser, request to loaded:   ", spread(loaded))
    print("open page shows a change after:", spread(followed))


if __name__ == "__main__":
    main()
