"""JSON Schemas of the contracts, with examples: `python -m models.schemas docs/schemas`.

The schemas are made from the pydantic models, so they cannot say anything else than the code does;
a test holds the files current.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from models.alert import (
    ALERT_VERSION,
    CrisisAlert,
    EscalationStep,
    Evidence,
    Exhibit,
    Expected,
    Observed,
    Step,
    TakeOff,
    Voice,
    alert_id,
    from_ms,
)
from models.causes import Cause
from models.detection.base import Kind, Phase, Severity
from models.feedback import FEEDBACK_VERSION, Answer, Feedback, Lesson
from models.post import POSTS_VERSION, Engagement, Heartbeat, Op, Post
from models.series import SERIES_VERSION, SeriesPoint
from models.watchlist import WATCHLIST_VERSION, Watchlist

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ONSET_MS = 1_795_853_520_000  # 2026-11-28T08:12Z


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that is published.

    Attributes:
        name: of the file, without its ending.
        version: of the contract.
        model: where the schema comes from.
        examples: records as they stand on the topic, or in the file.
    """

    name: str
    version: int
    model: type[BaseModel]
    examples: tuple[Json, ...]

    def schema(self) -> Json:
        """The JSON Schema, draft 2020-12."""
        return {
            "$schema": DIALECT,
            "$id": f"urn:czujka:schema:{self.name}:{self.version}",
            **self.model.model_json_schema(by_alias=True),
            "examples": list(self.examples),
        }


def contracts() -> tuple[Contract, ...]:
    """All contracts that others may rely on."""
    return (
        Contract("post", POSTS_VERSION, Post, tuple(map(_dumped, _posts()))),
        Contract("heartbeat", POSTS_VERSION, Heartbeat, tuple(map(_dumped, _heartbeats()))),
        Contract("crisis-alert", ALERT_VERSION, CrisisAlert, tuple(map(_dumped, _alerts()))),
        Contract("series-point", SERIES_VERSION, SeriesPoint, tuple(map(_dumped, _points()))),
        Contract("feedback", FEEDBACK_VERSION, Feedback, tuple(map(_dumped, _feedback()))),
        Contract("watchlist", WATCHLIST_VERSION, Watchlist, (_WATCHLIST,)),
    )


def files() -> dict[str, str]:
    """Content of each schema file by its name."""
    return {
        f"{contract.name}.schema.json": json.dumps(contract.schema(), indent=2, ensure_ascii=False)
        + "\n"
        for contract in contracts()
    }


def write(folder: Path) -> list[Path]:
    """Writes the schema files into a folder, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in files().items():
        path = folder / name
        path.write_text(content, encoding="utf-8")
        paths.append(path)
    return paths


def _dumped(record: BaseModel) -> Json:
    dumped: Json = record.model_dump(mode="json", exclude_none=True)
    return dumped


def _posts() -> tuple[Post, ...]:
    return (
        Post(
            platform="bluesky",
            native_id="at://did:plc:example/app.bsky.feed.post/3lbexample",
            author="u_5f1c9a0be2d84c17",
            reach=1840,
            text="Orzeł Air znowu odwołał mój lot. Trzecia godzina bez informacji. @orzelair",
            language="pl",
            created_ms=_ONSET_MS + 61_000,
            observed_ms=_ONSET_MS + 62_400,
            engagement=Engagement(likes=12, reposts=7, replies=3),
            url="https://bsky.app/profile/did:plc:example/post/3lbexample",
            source="bluesky-1",
        ),
        Post(
            platform="bluesky",
            native_id="at://did:plc:example/app.bsky.feed.post/3lbexample",
            op=Op.DELETE,
            created_ms=_ONSET_MS + 61_000,
            observed_ms=_ONSET_MS + 3_600_000,
            source="bluesky-1",
        ),
        Post(
            platform="mastodon",
            native_id="u_5f1c9a0be2d84c17",
            op=Op.AUTHOR_DELETE,
            author="u_5f1c9a0be2d84c17",
            created_ms=_ONSET_MS,
            observed_ms=_ONSET_MS,
            source="mastodon-1",
        ),
    )


def _heartbeats() -> tuple[Heartbeat, ...]:
    return (
        Heartbeat(source="bluesky-1", until_ms=_ONSET_MS, sent_ms=_ONSET_MS + 2_000),
        Heartbeat(source="file-1", until_ms=_ONSET_MS, sent_ms=_ONSET_MS, final=True),
    )


def _alerts() -> tuple[CrisisAlert, ...]:
    return (
        CrisisAlert(
            alert_id=alert_id("orzel-air", Kind.SURGE_NEGATIVE, _ONSET_MS),
            revision=2,
            brand="orzel-air",
            brand_name="Orzeł Air",
            kind=Kind.SURGE_NEGATIVE,
            status="firing",
            phase=Phase.FIRING,
            severity=Severity.ERROR,
            summary="Orzeł Air: 64 negative mentions in 18 min where 5 are usual.",
            reason="the statistic passed the threshold",
            onset=from_ms(_ONSET_MS),
            onset_low=from_ms(_ONSET_MS - 180_000),
            onset_high=from_ms(_ONSET_MS + 240_000),
            decided_at=from_ms(_ONSET_MS + 18 * 60_000),
            fired_at=from_ms(_ONSET_MS + 18 * 60_000),
            observed=Observed(
                minutes=18,
                mentions=92,
                negative=64,
                authors=81,
                negative_authors=58,
                reach=143_000,
                sentiment=-0.61,
            ),
            expected=Expected(mentions=21.5, low=9, high=37, negative=5.2, negative_share=0.24),
            evidence=Evidence(
                statistic=11.9,
                threshold=10.6,
                p_chance=0.27,
                votes={"adwin": 1.0},
                baseline={"mentions_per_min": 1.19},
                sentiment_model="czujka-1",
                config_hash="f8f7c0fa6982",
            ),
            coverage=1.0,
            platforms={"bluesky": 71, "mastodon": 21},
            languages={"pl": 84, "en": 8},
            exhibits=(
                Exhibit(
                    post="bluesky:at://did:plc:example/app.bsky.feed.post/3lbexample",
                    created_at=from_ms(_ONSET_MS + 61_000),
                    platform="bluesky",
                    author="u_5f1c9a0be2d84c17",
                    reach=1840,
                    text="Orzeł Air znowu odwołał mój lot. Trzecia godzina bez informacji.",
                    language="pl",
                    p_negative=0.94,
                ),
            ),
            take_off=TakeOff(
                exhibit=Exhibit(
                    post="x:1795853580000000001",
                    created_at=from_ms(_ONSET_MS + 60_000),
                    platform="x",
                    author="u_c07fd2a19b3e6648",
                    handle="@prezes_orzelair",
                    reach=48_200,
                    text="Przepraszamy, ale nikt z nas nie wie, kiedy samoloty polecą.",
                    language="pl",
                    p_negative=0.81,
                    alike=7,
                ),
                minutes=15,
                before_per_min=0.4,
                after_per_min=9.6,
            ),
            voices=(
                Voice(
                    author="u_c07fd2a19b3e6648",
                    handle="@prezes_orzelair",
                    platform="x",
                    role="turned",
                    reach=48_200,
                    tone=-0.74,
                ),
            ),
            step=Step(
                owner="social-media",
                severity=Severity.ERROR,
                runbook="https://example.org/runbooks/cancelled-flights",
                first_steps=("Call operations: what is cancelled?", "Pin the information page."),
                deadline_minutes=60,
                holding_statement={"pl": "Wiemy o odwołanych lotach i pracujemy nad tym."},
                escalate=(EscalationStep(after_minutes=15, to="duty-manager"),),
            ),
            pipeline_sent_ms=_ONSET_MS + 18 * 60_000 + 31_000,
        ),
    )


def _points() -> tuple[SeriesPoint, ...]:
    return (
        SeriesPoint(
            brand="orzel-air",
            brand_name="Orzeł Air",
            bucket_ms=_ONSET_MS,
            mentions=6,
            negative=4,
            sentiment=-0.4,
            reach=5_210,
            authors=6,
            expected=1.2,
            low=0,
            high=4,
            expected_negative_share=0.24,
            statistic=3.1,
            threshold=10.6,
            rolling_mentions_per_min=2.4,
            rolling_sentiment=-0.12,
        ),
    )


def _feedback() -> tuple[Feedback, ...]:
    alert = _alerts()[0]

    def answer(kind: Answer, minutes: int, **more: Any) -> Feedback:
        said_ms = _ONSET_MS + minutes * 60_000
        return Feedback(
            alert_id=alert.alert_id,
            brand=alert.brand,
            answer=kind,
            by="duty-manager",
            at=from_ms(said_ms + 31_000),
            as_of=from_ms(said_ms),
            **more,
        )

    return (
        answer(Answer.ACKNOWLEDGE, 24),
        answer(Answer.RIGHT_ALERT, 55, note="Ground handling is on strike."),
        answer(Answer.WRONG_CAUSE, 56, cause=Cause.EXTERNAL),
        answer(
            Answer.NOT_NEGATIVE,
            58,
            post=alert.exhibits[0].post,
            lesson=Lesson(terms=((1204, 0.71), (6033, 0.64)), score=(0.71, 0.22, 0.07)),
        ),
    )


_WATCHLIST: Json = {
    "version": 1,
    "detectors": ["two-null", "river.drift.ADWIN", "river.anomaly.GaussianScorer"],
    "defaults": {
        "false_alarms": "1 per 4 weeks",
        "languages": ["pl", "en"],
        "timezone": "Europe/Warsaw",
        "playbooks": {"any": {"critical": {"deadline": "30m"}}},
    },
    "brands": [
        {
            "id": "orzel-air",
            "name": "Orzeł Air",
            "match": {
                "any": ["Orzeł Air", "@orzelair", "#orzelair"],
                "stems": ["orzeł*air*", "orł* air*"],
                "none": ["orzeł* bielik*"],
            },
            "owner": {
                "team": "social-media",
                "escalate": [
                    {"after": "15m", "to": "duty-manager"},
                    {"after": "60m", "to": "board"},
                ],
            },
            "public_figures": [
                {"handle": "@prezes_orzelair", "accounts": {"x": "1234567", "wykop": "prezes"}}
            ],
            "events": [
                {
                    "name": "Black Friday",
                    "from": "2026-11-27T00:00+01:00",
                    "to": "2026-11-30T00:00+01:00",
                }
            ],
            "playbooks": {
                "surge-negative": {
                    "any": {
                        "runbook": "https://example.org/runbooks/cancelled-flights",
                        "first_steps": ["Call operations: what is cancelled?"],
                        "deadline": "1h",
                        "holding_statement": {
                            "pl": "Wiemy o odwołanych lotach i pracujemy nad tym.",
                            "en": "We know about the cancelled flights and are working on it.",
                        },
                    }
                }
            },
        }
    ],
}


def main() -> None:
    """Writes the schemas into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Writes the JSON Schemas of the contracts.")
    parser.add_argument("folder", type=Path)
    for path in write(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
