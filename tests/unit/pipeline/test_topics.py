from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Settings
from pipeline.topics import Fault, FoundTopic, Topic, changelog_topics, compare, expected_topics


def as_wanted(topics: tuple[Topic, ...]) -> dict[str, FoundTopic]:
    return {topic.name: FoundTopic(topic.partitions, 1, topic.cleanup) for topic in topics}


def test_every_topic_carries_the_prefix() -> None:
    assert all(
        topic.name.startswith("dev.") for topic in expected_topics(Settings(topic_prefix="dev."))
    )


def test_the_partition_counts_come_from_the_settings() -> None:
    counts = {
        topic.name: topic.partitions
        for topic in expected_topics(Settings(posts_partitions=7, tallies_partitions=3))
    }
    assert counts["posts"] == 7
    assert counts["tallies"] == counts["series"] == 3
    assert counts["alerts"] == 1


def test_alerts_and_feedback_are_compacted_and_the_streams_are_not() -> None:
    cleanup = {topic.name: topic.cleanup for topic in expected_topics(Settings())}
    assert cleanup["alerts"] == "compact,delete"
    assert cleanup["feedback"] == "compact"
    assert {cleanup[name] for name in ("posts", "tallies", "series", "dead-letters")} == {"delete"}


def test_records_age_from_their_arrival_so_that_a_replay_of_last_year_stays() -> None:
    for topic in expected_topics(Settings()):
        assert topic.all_configs(1)["message.timestamp.type"] == "LogAppendTime"


def test_with_three_replicas_two_must_have_a_record_before_it_counts() -> None:
    posts = expected_topics(Settings())[0]
    assert "min.insync.replicas" not in posts.all_configs(1)
    assert posts.all_configs(3)["min.insync.replicas"] == "2"


def test_changelogs_are_named_as_faust_names_them_and_compacted() -> None:
    (pages,) = changelog_topics("czujka-watch-v2", ["pages"], 5)
    assert pages.name == "czujka-watch-v2-pages-changelog"
    assert pages.partitions == 5
    assert pages.all_configs(1)["cleanup.policy"] == "compact"
    assert pages.all_configs(1)["retention.ms"] == "-1"


def test_topics_as_wanted_are_no_problem_whatever_else_the_broker_holds() -> None:
    wanted = expected_topics(Settings())
    found = as_wanted(wanted) | {"somebody-elses": FoundTopic(99, 1, "delete")}
    assert compare(wanted, found, 1) == []


def test_a_missing_topic_is_told_with_the_command_that_makes_it() -> None:
    wanted = expected_topics(Settings())
    found = as_wanted(wanted)
    del found["alerts"]
    (problem,) = compare(wanted, found, 1)
    assert problem.fault is Fault.MISSING
    assert str(problem) == "topic alerts is missing: run `czujka topics create`"


def test_a_wrong_partition_count_is_told_with_both_numbers_and_both_ways_out() -> None:
    wanted = expected_topics(Settings(posts_partitions=4))
    found = as_wanted(wanted)
    found["posts"] = replace(found["posts"], partitions=6)
    (problem,) = compare(wanted, found, 1)
    assert (problem.topic, problem.found, problem.expected) == ("posts", "6", "4")
    assert "set CZUJKA_POSTS_PARTITIONS=6" in problem.mend
    assert "`czujka topics create --recreate posts`" in problem.mend


def test_a_topic_of_fixed_size_names_no_setting() -> None:
    wanted = expected_topics(Settings())
    found = as_wanted(wanted)
    found["alerts"] = replace(found["alerts"], partitions=6)
    (problem,) = compare(wanted, found, 1)
    assert "CZUJKA_" not in problem.mend
    assert "--recreate alerts" in problem.mend


def test_too_few_replicas_are_a_problem_and_more_are_not() -> None:
    wanted = expected_topics(Settings())[:1]
    few = {"posts": FoundTopic(wanted[0].partitions, 1, "delete")}
    assert [problem.fault for problem in compare(wanted, few, 3)] == [Fault.REPLICATION]
    many = {"posts": FoundTopic(wanted[0].partitions, 5, "delete")}
    assert compare(wanted, many, 3) == []


def test_a_stream_that_would_be_compacted_is_a_problem() -> None:
    wanted = expected_topics(Settings())[:1]
    found = {"posts": FoundTopic(wanted[0].partitions, 1, "compact")}
    (problem,) = compare(wanted, found, 1)
    assert problem.fault is Fault.CLEANUP


def test_the_order_of_cleanup_policies_and_silence_about_them_are_no_problem() -> None:
    alerts = next(topic for topic in expected_topics(Settings()) if topic.name == "alerts")
    for cleanup in ("delete,compact", None):
        assert compare([alerts], {"alerts": FoundTopic(1, 1, cleanup)}, 1) == []


@given(found=st.integers(0, 64), wanted=st.integers(1, 64))
def test_partitions_are_a_problem_exactly_when_they_differ(found: int, wanted: int) -> None:
    topics = expected_topics(Settings(posts_partitions=wanted))[:1]
    problems = compare(topics, {"posts": FoundTopic(found, 1, "delete")}, 1)
    assert bool(problems) == (found != wanted)
