"""Makes the dashboards: what on-call sees first, one brand in depth, and the pipeline's health.

python deploy/monitoring/grafana/make_dashboards.py writes dashboards/*.json. Plain dictionaries in
Grafana's own format: three dashboards need no library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATASOURCE = {"type": "prometheus", "uid": "czujka-prometheus"}
CONSOLE = "http://127.0.0.1:8000"
RUNBOOKS = "https://runbooks.example.com/czujka/"
WIDTH = 24

Json = dict[str, Any]


def panel(
    title: str,
    unit: str,
    description: str,
    *queries: tuple[str, str],
    kind: str = "timeseries",
    width: int = 12,
    height: int = 8,
    thresholds: tuple[tuple[str, float | None], ...] = (("green", None),),
    mappings: dict[str, str] | None = None,
) -> Json:
    """A panel; `queries` are pairs of expression and legend."""
    options: Json = {"type": "value", "options": {}}
    for value, text in (mappings or {}).items():
        options["options"][value] = {"text": text}
    return {
        "title": title,
        "type": kind,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": kind in ("stat", "table"),
                "range": kind not in ("stat", "table"),
                **({"format": "table"} if kind == "table" else {}),
            }
            for number, (expression, legend) in enumerate(queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "mappings": [options] if mappings else [],
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": color, "value": value} for color, value in thresholds],
                },
            },
            "overrides": [],
        },
    }


def dashboard(uid: str, title: str, panels: list[Json], variables: list[Json]) -> Json:
    """A dashboard; panels are laid out in rows, in their order."""
    x = y = row = 0
    for number, one in enumerate(panels, 1):
        place = one["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, row = 0, y + row, 0
        one["id"] = number
        one["gridPos"] = place | {"x": x, "y": y}
        x, row = x + place["w"], max(row, place["h"])
    alerts = 'ALERTS{alertname=~"Czujka.+", alertname!="CzujkaWatchdog", alertstate="firing"}'
    return {
        "uid": uid,
        "title": title,
        "tags": ["czujka"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables},
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "enable": True,
                    "datasource": DATASOURCE,
                    "expr": alerts,
                    "titleFormat": "{{alertname}} {{brand}}",
                    "textFormat": "{{severity}}",
                    "iconColor": "red",
                }
            ]
        },
        "links": [
            {"title": "Console", "type": "link", "url": CONSOLE, "targetBlank": True},
            {"title": "Runbooks", "type": "link", "url": RUNBOOKS, "targetBlank": True},
            {"title": "Czujka", "type": "dashboards", "tags": ["czujka"], "asDropdown": True},
        ],
        "panels": panels,
    }


def variable(name: str, query: str) -> Json:
    """A variable with the values of a label."""
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "includeAll": False,
    }


LEVELS = {"0": "calm", "1": "info", "2": "warning", "3": "error", "4": "critical"}
BY_LEVEL = (("green", None), ("blue", 1.0), ("yellow", 2.0), ("orange", 3.0), ("red", 4.0))
LEVEL = "namespace_brand_kind:czujka_crisis_severity:max"
OBJECTIVE = (("green", None), ("yellow", 60.0), ("red", 120.0))


def on_call() -> Json:
    """What somebody who was woken sees first."""
    return dashboard(
        "czujka-on-call",
        "Czujka: on call",
        [
            panel(
                "Brands in crisis",
                "none",
                "Brands whose negative surge fires now. The console says what to do.",
                (f'count({LEVEL}{{kind="surge-negative"}} > 0) or vector(0)', "brands"),
                kind="stat",
                width=6,
                height=5,
                thresholds=(("green", None), ("red", 1.0)),
            ),
            panel(
                "Age of the newest decision",
                "s",
                "Time since the end of the newest decided minute. Above 300 s nobody is watched.",
                ("namespace:czujka_watermark_age_seconds:min", "age"),
                kind="stat",
                width=6,
                height=5,
                thresholds=(("green", None), ("yellow", 180.0), ("red", 300.0)),
            ),
            panel(
                "Least coverage",
                "percentunit",
                "Share of what should be seen that is seen, of the brand that is worst off.",
                ("min(czujka_brand_coverage_ratio)", "coverage"),
                kind="stat",
                width=6,
                height=5,
                thresholds=(("red", None), ("yellow", 0.5), ("green", 0.99)),
            ),
            panel(
                "Decided late",
                "percentunit",
                "Share of the minutes of the last hour decided after more than 120 s; budget 1 %.",
                ("namespace:czujka_decided_late:ratio_rate1h", "late"),
                kind="stat",
                width=6,
                height=5,
                thresholds=(("green", None), ("yellow", 0.01), ("red", 0.144)),
            ),
            panel(
                "What fires",
                "none",
                "Every signal that fires, by brand and kind, with its severity.",
                (f"{LEVEL} > 0", "{{brand}} {{kind}}"),
                kind="table",
                thresholds=BY_LEVEL,
                mappings=LEVELS,
            ),
            panel(
                "How near to firing",
                "percentunit",
                "Statistic of the crisis test over its threshold; at 100 % it fires. Ten nearest.",
                (
                    "topk(10, max by (brand) (czujka_brand_statistic) "
                    "/ max by (brand) (czujka_brand_threshold))",
                    "{{brand}}",
                ),
            ),
            panel(
                "Severity over time",
                "none",
                "Level of each signal: 1 info, 2 warning, 3 error, 4 critical.",
                (f"{LEVEL} > 0", "{{brand}} {{kind}}"),
                thresholds=BY_LEVEL,
                mappings=LEVELS,
                width=24,
            ),
        ],
        [],
    )


def brand() -> Json:
    """One brand in depth."""
    chosen = '{brand="$brand"}'
    return dashboard(
        "czujka-brand",
        "Czujka: a brand",
        [
            panel(
                "Mentions a minute",
                "short",
                "What was seen beside what the baseline expected, with its 95 % interval.",
                (f"max(czujka_brand_mentions{chosen})", "seen"),
                (f"max(czujka_brand_expected_mentions{chosen})", "expected"),
                (f"max(czujka_brand_expected_low_mentions{chosen})", "low"),
                (f"max(czujka_brand_expected_high_mentions{chosen})", "high"),
                width=24,
            ),
            panel(
                "Rolling sentiment",
                "short",
                "Mean of P(positive) - P(negative), from -1 to 1.",
                (f"max(czujka_brand_sentiment{chosen})", "sentiment"),
            ),
            panel(
                "Crisis test",
                "short",
                "The statistic (natural log units) and the threshold at which it fires.",
                (f"max(czujka_brand_statistic{chosen})", "statistic"),
                (f"max(czujka_brand_threshold{chosen})", "threshold"),
            ),
            panel(
                "Signals",
                "none",
                "Level of each kind of signal: 1 info, 2 warning, 3 error, 4 critical.",
                (f"{LEVEL}{chosen}", "{{kind}}"),
                thresholds=BY_LEVEL,
                mappings=LEVELS,
            ),
            panel(
                "Coverage",
                "percentunit",
                "Share of what should be seen that is seen. Below 100 % quiet may be blindness.",
                (f"min(czujka_brand_coverage_ratio{chosen})", "coverage"),
            ),
        ],
        [variable("brand", "label_values(czujka_brand_mentions, brand)")],
    )


def pipeline() -> Json:
    """The health of the pipeline."""
    bucket = 'sum by (le) (rate(czujka_delay_seconds_bucket{topic="series"}[5m]))'
    return dashboard(
        "czujka-pipeline",
        "Czujka: pipeline",
        [
            panel(
                "Delay of decisions",
                "s",
                "From the heartbeat that closed a minute to its arrival; the objective is 120 s.",
                (f"histogram_quantile(0.5, {bucket})", "half"),
                (f"histogram_quantile(0.99, {bucket})", "99 %"),
                thresholds=OBJECTIVE,
            ),
            panel(
                "Decided late",
                "percentunit",
                "Share of minutes over 120 s by window; these burn the budget of 1 % in 30 days.",
                ("namespace:czujka_decided_late:ratio_rate1h", "1 h"),
                ("namespace:czujka_decided_late:ratio_rate6h", "6 h"),
                ("namespace:czujka_decided_late:ratio_rate3d", "3 d"),
            ),
            panel(
                "Records and posts a second",
                "cps",
                "What score reads: records with heartbeats, posts by operation, mentions.",
                ("sum(rate(czujka_score_records_total[5m]))", "records"),
                ("sum by (op) (rate(czujka_score_posts_total[5m]))", "{{op}}"),
                ("sum(rate(czujka_score_mentions_total[5m]))", "mentions"),
            ),
            panel(
                "Lag of score",
                "s",
                "Seconds that score needs for what lies before it, at its pace.",
                ("namespace:czujka_score_lag_seconds:sum", "lag"),
                thresholds=OBJECTIVE,
            ),
            panel(
                "Set aside",
                "cps",
                "Records that could not be used, by reason; they lie in dead-letters.",
                ("sum by (reason) (rate(czujka_score_dead_letters_total[5m]))", "score {{reason}}"),
                ("sum by (reason) (rate(czujka_watch_dead_letters_total[5m]))", "watch {{reason}}"),
                (
                    "sum by (source, reason) (rate(czujka_connector_rejects_total[5m]))",
                    "{{source}} {{reason}}",
                ),
            ),
            panel(
                "Duplicates and late posts",
                "percentunit",
                "Share of posts seen before, and of mentions after their minute was closed.",
                (
                    "sum(rate(czujka_score_duplicates_total[15m])) "
                    "/ sum(rate(czujka_score_posts_total[15m]))",
                    "duplicates",
                ),
                (
                    "sum(rate(czujka_score_late_total[15m])) "
                    "/ sum(rate(czujka_score_mentions_total[15m]))",
                    "late",
                ),
            ),
            panel(
                "Watermarks behind",
                "s",
                "How old each partition's newest decision and each connector's word is.",
                (
                    "time() - max by (partition) (czujka_watch_watermark_timestamp_seconds)",
                    "partition {{partition}}",
                ),
                (
                    "time() - max by (source) (czujka_connector_until_timestamp_seconds)",
                    "{{source}}",
                ),
            ),
            panel(
                "Checkpoints",
                "s",
                "Age of the last saved state by worker, and the time to write one.",
                (
                    "time() - max by (instance) (czujka_watch_checkpoint_timestamp_seconds)",
                    "age {{instance}}",
                ),
                (
                    "histogram_quantile(0.99, sum by (le) "
                    "(rate(czujka_watch_checkpoint_seconds_bucket[5m])))",
                    "writing, 99 %",
                ),
            ),
            panel(
                "Rebalances",
                "short",
                "Assignments of partitions in an hour, by worker. Those of watch stop decisions.",
                ("increase(czujka_watch_rebalances_total[1h])", "{{instance}}"),
                ("increase(czujka_score_rebalances_total[1h])", "{{instance}}"),
            ),
            panel(
                "Memory",
                "bytes",
                "Resident memory by process.",
                ('process_resident_memory_bytes{job=~"(.*/)?czujka-.*"}', "{{job}} {{instance}}"),
            ),
        ],
        [],
    )


def render() -> dict[str, str]:
    """File name → content of each dashboard."""
    made = {"on-call": on_call(), "brand": brand(), "pipeline": pipeline()}
    return {
        f"{name}.json": json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        for name, content in made.items()
    }


if __name__ == "__main__":
    for name, content in render().items():
        (HERE / "dashboards" / name).write_text(content)
    sys.exit(0)
