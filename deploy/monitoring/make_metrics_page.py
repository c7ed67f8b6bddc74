"""Makes docs/metrics.md, every metric of the product on one page, from their definitions."""

from __future__ import annotations

import ast
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/metrics.md"
SOURCES = ("pipeline/metrics.py", "connectors/metrics.py")
UNITS = {
    "seconds": "seconds",
    "ratio": "0 to 1",
    "records": "records",
    "frames": "frames",
    "brands": "brands",
    "mentions": "mentions a minute",
}
_TYPES = ("Counter", "Gauge", "Histogram")

HEAD = """\
# Metrics

Made by `deploy/monitoring/make_metrics_page.py` from the comments in `pipeline/metrics.py` and
`connectors/metrics.py`: change those. Ages are `time() - metric` of a timestamp. Process metrics
(`process_resident_memory_bytes`, …) stand beside these.
"""


@dataclass(frozen=True)
class Metric:
    """One metric as its definition and the comment beside it tell."""

    role: str
    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    advice: str

    @property
    def unit(self) -> str:
        """Unit, by the suffix of the name as Prometheus recommends."""
        stem = self.name.removesuffix("_total")
        if self.name == "czujka_score_mentions_total":
            return "mentions"
        if stem.endswith("timestamp_seconds"):
            return "seconds since the epoch"
        return UNITS.get(stem.rpartition("_")[2], "events" if self.type == "counter" else "")


def read_metrics() -> Iterator[Metric]:
    """Every metric that the sources define, in their order."""
    for source in SOURCES:
        path = ROOT / source
        comments = _comments(path)
        for role in ast.parse(path.read_text()).body:
            if isinstance(role, ast.ClassDef):
                yield from _metrics_of(role, comments)


def _comments(path: Path) -> dict[int, str]:
    with path.open("rb") as lines:
        return {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.tokenize(lines.readline)
            if token.type == tokenize.COMMENT and "type: ignore" not in token.string
        }


def _metrics_of(role: ast.ClassDef, comments: dict[int, str]) -> Iterator[Metric]:
    statements = [node for node in ast.walk(role) if isinstance(node, ast.Assign | ast.AnnAssign)]
    for node in sorted(statements, key=lambda node: node.lineno):
        call = node.value
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in _TYPES
        ):
            continue
        first = node.lineno
        while first - 1 in comments:
            first -= 1
        last = node.end_lineno or first
        advice = " ".join(comments[n] for n in range(first, last + 1) if n in comments)
        name, text, *labels = (ast.literal_eval(argument) for argument in call.args)
        kind = call.func.id.lower()
        if kind == "counter":
            name = name.removesuffix("_total") + "_total"
        yield Metric(
            role.name.removesuffix("Metrics").lower(),
            name,
            kind,
            text,
            tuple(labels[0]) if labels else (),
            advice,
        )


def render() -> str:
    """The page."""
    lines, role = [HEAD], ""
    for metric in read_metrics():
        if metric.role != role:
            role = metric.role
            lines.append(f"\n## {role.capitalize()}\n")
            lines.append(
                "| metric | type, unit | labels | what it is, what to do |\n|---|---|---|---|"
            )
        kind = ", ".join(filter(None, (metric.type, metric.unit)))
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        text = f"{metric.help} {metric.advice}".strip().replace("|", "\\|")
        lines.append(f"| `{metric.name}` | {kind} | {labels} | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.exit(0)
