"""What a connector lost for good lowers the coverage of those minutes, from posts to series."""

from models.post import Heartbeat, Missed, Post, encode
from models.watchlist import parse_watchlist
from pipeline.assembly import make_brands, score_settings, watch_factory
from pipeline.local import LocalRun
from pipeline.settings import Settings
from tests.support.plain import WordScorer

MINUTE_MS = 60_000
START_MS = 29_000_000 * MINUTE_MS
WATCHLIST = "{version: 1, brands: [{id: orzel, name: Orzeł, match: {any: [Orzeł Air]}}]}"


def minute(number: int) -> int:
    return START_MS + number * MINUTE_MS


def test_a_gap_in_a_heartbeat_lowers_coverage_of_its_minutes_and_of_no_others() -> None:
    settings = Settings(posts_partitions=2)
    watchlist = parse_watchlist(WATCHLIST)
    scorer = WordScorer()
    run = LocalRun(
        2,
        make_brands(watchlist, settings),
        scorer,
        score_settings(settings),
        watch_factory(watchlist, settings, scorer.version),
    )
    coverage: dict[int, float] = {}

    def tell(source: str, until: int, gap: Missed | None = None, final: bool = False) -> None:
        beat = Heartbeat(
            source=source, until_ms=minute(until), sent_ms=minute(until), gap=gap, final=final
        )
        post = Post(
            platform="x", native_id=f"{source}{until}", text="Orzeł Air lata", source=source,
            created_ms=minute(until) - 1, observed_ms=minute(until),
        )  # fmt: skip
        outputs = [*run.append(until % 2, [(post.key.encode(), encode(post))])]
        for partition in range(2):
            outputs += run.append(partition, [(source.encode(), encode(beat))])
        outputs += run.flush()
        for output in outputs:
            for point in output.series:
                coverage[(point.bucket_ms - START_MS) // MINUTE_MS] = point.coverage

    for until in range(1, 6):
        for source in ("bluesky", "wykop"):
            tell(source, until)
    for until in (6, 7):
        tell("wykop", until)
    lost = Missed(from_ms=minute(5) + 10_000, to_ms=minute(7) - 10_000)
    tell("bluesky", 9, lost)
    for until in range(8, 12):
        tell("wykop", until)
        tell("bluesky", until + 2)
    tell("wykop", 12, final=True)
    tell("bluesky", 14, final=True)
    low = {at for at, share in coverage.items() if share < 1}
    assert low == {5, 6}
    assert coverage[5] == coverage[6] == 0.5
    assert {0, 1, 2, 3, 4, 7, 8, 9, 10} <= coverage.keys()
