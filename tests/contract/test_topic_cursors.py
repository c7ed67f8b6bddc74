"""Cursors in a compacted topic, on a real Kafka."""

from collections.abc import Callable
from contextlib import closing

import pytest

from connectors.errors import ConfigurationError, FatalError
from connectors.topic_cursors import CursorTopic, TopicCursors
from pipeline import cli
from pipeline.client import connection_arguments
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.roles import send

MakeSettings = Callable[..., Settings]


@pytest.fixture
def topic(kafka_settings: MakeSettings) -> CursorTopic:
    settings = kafka_settings()
    create_topics(settings)
    return CursorTopic(connection_arguments(settings), settings.topic("cursors"))


@pytest.mark.integration
def test_the_last_cursor_of_each_source_is_found_again_from_anywhere(topic: CursorTopic) -> None:
    large = "x" * (2 << 20)
    with closing(TopicCursors(topic)) as cursors:
        assert cursors.load("bluesky") is None
        for number in range(200):
            cursors.save("bluesky", f"zażółć {number}")
        cursors.save("rss/press", large)
    elsewhere = TopicCursors(topic)
    assert elsewhere.load("bluesky") == "zażółć 199"
    assert elsewhere.load("rss/press") == large
    assert elsewhere.load("rss") is None


@pytest.mark.integration
def test_a_cursor_too_large_or_damaged_is_told(
    topic: CursorTopic, kafka_settings: MakeSettings
) -> None:
    with closing(TopicCursors(topic)) as cursors:
        with pytest.raises(FatalError, match="CZUJKA_CURSORS=file"):
            cursors.save("bluesky", "x" * (9 << 20))
        send(kafka_settings(), "cursors", [(b"bluesky", b"{")], partition=0)
        with pytest.raises(ConfigurationError, match="--from-start"):
            cursors.load("bluesky")


@pytest.mark.integration
def test_a_topic_that_is_missing_is_a_setting_to_mend(kafka_settings: MakeSettings) -> None:
    settings = kafka_settings(cursors="topic")
    topic = CursorTopic(connection_arguments(settings), settings.topic("cursors"), timeout_s=2)
    with pytest.raises(ConfigurationError, match="czujka topics create"):
        TopicCursors(topic).load("bluesky")


def test_a_broker_that_is_not_there_is_a_setting_to_mend() -> None:
    topic = CursorTopic({"bootstrap_servers": "127.0.0.1:1"}, "cursors", timeout_s=0.5)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1.*CZUJKA_CURSORS=file"):
        TopicCursors(topic).load("bluesky")
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        TopicCursors(topic).save("bluesky", "a")


def test_the_embedded_broker_which_forgets_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CZUJKA_CURSORS", "topic")
    monkeypatch.setenv("CZUJKA_EMBEDDED", "true")
    assert cli.main(["connect", "simulator"]) == 2
    assert "CZUJKA_CURSORS=file" in capsys.readouterr().err
