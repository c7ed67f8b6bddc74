from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Kind, Severity
from models.series import SeriesPoint
from pipeline.ledger import BrandView, Ledger, crisis_levels
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, series_point

Record = CrisisAlert | SeriesPoint


def fold(ledger: Ledger, records: Sequence[Record]) -> Ledger:
    for record in records:
        if isinstance(record, CrisisAlert):
            ledger.fold_alert(record)
        else:
            ledger.fold_point(record)
    return ledger


def view(ledger: Ledger) -> tuple[list[BrandView], list[CrisisAlert], object]:
    return ledger.brands(), ledger.alerts(), ledger.watermark


@st.composite
def lives(draw: st.DrawFn) -> list[Record]:
    """Whole lives of some alerts, and the series of some brands, in the order of the topics."""
    records: list[Record] = []
    for brand in ("orzel-air", "mewa-bank"):
        for onset in draw(st.lists(st.integers(0, 300), max_size=4, unique=True)):
            statuses = draw(
                st.sampled_from([["pending"], ["pending", "firing"], ["firing", "resolved"]])
            )
            records += [
                crisis_alert(revision, status, minute=onset, brand=brand)
                for revision, status in enumerate(statuses)
            ]
        records += [
            series_point(minute, brand, mentions=draw(st.integers(0, 50)))
            for minute in draw(st.lists(st.integers(0, 30), max_size=12, unique=True))
        ]
    return records


@given(lives(), st.data())
def test_neither_order_nor_repeats_change_the_view(
    records: list[Record], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(records), max_size=20)) if records else []
    shuffled = data.draw(st.permutations(records + again))
    once = fold(Ledger(history_buckets=5, resolved_kept=2), records)
    again_and_shuffled = fold(Ledger(history_buckets=5, resolved_kept=2), shuffled)
    assert view(again_and_shuffled) == view(once)


@given(lives())
def test_reading_everything_again_is_no_news(records: list[Record]) -> None:
    ledger = fold(Ledger(), records)
    version = ledger.version
    assert fold(ledger, records).version == version


def test_only_a_higher_revision_is_news() -> None:
    ledger = Ledger()
    assert ledger.fold_alert(crisis_alert(1, "firing"))
    assert not ledger.fold_alert(crisis_alert(1, "resolved"))
    assert not ledger.fold_alert(crisis_alert(0, "pending"))
    assert ledger.fold_alert(crisis_alert(2, "resolved"))
    assert [alert.revision for alert in ledger.alerts("resolved")] == [2]


def test_the_later_record_of_a_bucket_replaces_the_earlier() -> None:
    ledger = fold(Ledger(), [series_point(3, mentions=1), series_point(3, mentions=2)])
    brand = ledger.brand("orzel-air")
    assert brand is not None
    assert [point.mentions for point in brand.history] == [2]


def test_the_history_keeps_the_newest_buckets_in_order() -> None:
    ledger = fold(Ledger(history_buckets=3), [series_point(m) for m in (4, 1, 3, 0, 2)])
    brand = ledger.brand("orzel-air")
    assert brand is not None
    assert [(p.bucket_ms - NOON_MS) // BUCKET_MS for p in brand.history] == [2, 3, 4]


def test_the_watermark_is_the_end_of_the_newest_bucket() -> None:
    assert Ledger().watermark is None
    ledger = fold(Ledger(), [series_point(5), series_point(2)])
    assert ledger.watermark == from_ms(NOON_MS + 6 * BUCKET_MS)


def test_open_alerts_are_never_dropped_and_a_dropped_one_never_comes_back() -> None:
    ledger = Ledger(resolved_kept=1)
    for minute in range(5):
        ledger.fold_alert(crisis_alert(1, "resolved", minute=minute))
        ledger.fold_alert(crisis_alert(0, "firing", minute=minute, brand="mewa-bank"))
    assert len(ledger.alerts("resolved")) == 1
    assert len(ledger.alerts("firing")) == 5
    assert not ledger.fold_alert(crisis_alert(0, "firing", minute=0))


def test_an_erased_alert_is_gone_from_its_brand() -> None:
    ledger = fold(Ledger(), [crisis_alert()])
    alert_id = ledger.alerts()[0].alert_id
    assert ledger.forget_alert(alert_id)
    assert not ledger.forget_alert(alert_id)
    brand = ledger.brand("orzel-air")
    assert brand is not None
    assert brand.open_alerts == ()


def test_brands_stand_in_order_of_urgency() -> None:
    ledger = Ledger(names={"silent": "Silent"})
    fold(
        ledger,
        [
            series_point(brand="calm"),
            series_point(brand="near", statistic=8),
            series_point(brand="blind", coverage=0.5),
            crisis_alert(0, "pending", brand="pending"),
            crisis_alert(0, "firing", brand="loud", severity=Severity.WARNING),
            crisis_alert(0, "firing", brand="burning", severity=Severity.CRITICAL),
        ],
    )
    assert [(b.brand, b.state) for b in ledger.brands()] == [
        ("burning", "firing"),
        ("loud", "firing"),
        ("pending", "pending"),
        ("blind", "blind"),
        ("near", "calm"),
        ("calm", "calm"),
        ("silent", "unknown"),
    ]


def test_the_crisis_level_of_a_kind_is_that_of_its_worst_firing_alert() -> None:
    ledger = fold(
        Ledger(),
        [
            crisis_alert(0, "firing", minute=1, severity=Severity.WARNING),
            crisis_alert(0, "firing", minute=2, severity=Severity.CRITICAL),
            crisis_alert(0, "pending", minute=3, kind=Kind.MOOD, severity=Severity.CRITICAL),
        ],
    )
    brand = ledger.brand("orzel-air")
    assert brand is not None
    levels = crisis_levels(brand)
    assert (levels[Kind.SURGE_NEGATIVE], levels[Kind.MOOD], levels[Kind.SURGE]) == (4, 0, 0)


def test_the_name_in_the_watchlist_gives_way_to_the_name_in_the_records() -> None:
    ledger = Ledger(names={"orzel-air": "Orzeł"})
    brand = ledger.brand("orzel-air")
    assert brand is not None
    assert (brand.name, brand.latest, brand.state) == ("Orzeł", None, "unknown")
    ledger.fold_point(series_point())
    assert ledger.brands()[0].name == "Orzeł"
    ledger.fold_point(series_point(1, brand_name="Orzeł Air"))
    assert ledger.brands()[0].name == "Orzeł Air"
    assert ledger.brand("nobody") is None
