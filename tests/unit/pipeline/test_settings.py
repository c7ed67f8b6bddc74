from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from models.errors import UserError
from pipeline.settings import (
    Settings,
    environment_of,
    load_settings,
    option,
    unknown_variables,
    variable,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def test_options_override_variables_and_variables_override_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().watchlist == Path("watchlist.yaml")
    monkeypatch.setenv("CZUJKA_WATCHLIST", "from-variable.yaml")
    monkeypatch.setenv("CZUJKA_TOPIC_PREFIX", "dev.")
    settings = load_settings({"watchlist": "from-option.yaml"})
    assert settings.watchlist == Path("from-option.yaml")
    assert settings.topic_prefix == "dev."


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().topic_prefix = "other."


def test_topics_and_groups_carry_the_prefix() -> None:
    settings = Settings(topic_prefix="dev.", app_id="sentry")
    assert settings.topic("posts") == "dev.posts"
    assert settings.group("score") == "dev.sentry-score"


def test_a_bad_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZUJKA_POSTS_PARTITIONS", "many")
    with pytest.raises(UserError, match=r"^CZUJKA_POSTS_PARTITIONS=many: .*integer"):
        load_settings()


def test_a_bad_option_is_named_as_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^--topic-prefix=a b: "):
        load_settings({"topic_prefix": "a b"})


def test_all_bad_values_are_told_at_once_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZUJKA_POSTS_PARTITIONS", "0")
    monkeypatch.setenv("CZUJKA_LOG_LEVEL", "LOUD")
    with pytest.raises(UserError) as error:
        load_settings()
    message = str(error.value)
    assert "CZUJKA_POSTS_PARTITIONS" in message
    assert "CZUJKA_LOG_LEVEL" in message
    assert "\n" not in message


def test_a_password_never_stands_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZUJKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("CZUJKA_POSTS_PARTITIONS", "0")
    with pytest.raises(UserError) as error:
        load_settings()
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(Settings(sasl_password="hunter2", posts_partitions=1))


@pytest.mark.parametrize("address", ["kafka", "kafka:", "kafka:0", "kafka:99999", "a:1,,b:2", ""])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="is not host:port"):
        load_settings({"bootstrap_servers": address})


@pytest.mark.parametrize("address", ["kafka:9092", "[::1]:9092", "a:1, b:2"])
def test_addresses_may_be_several_and_of_either_family(address: str) -> None:
    assert load_settings({"bootstrap_servers": address}).bootstrap_servers == address.replace(
        " ", ""
    )


def test_half_of_the_credentials_is_refused_and_the_rest_named() -> None:
    with pytest.raises(UserError, match="needs CZUJKA_SASL_MECHANISM, CZUJKA_SASL_PASSWORD too"):
        load_settings({"security_protocol": "SASL_SSL", "sasl_username": "czujka"})


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {
        "CZUJKA_BOOTSTRAP_SERVER": "kafka:9092",
        "CZUJKA_APP_ID": "czujka",
        "CZUJKA_TEST_KAFKA": "another matter",
        "PATH": "/bin",
    }
    assert unknown_variables(environment) == {"CZUJKA_BOOTSTRAP_SERVER": "CZUJKA_BOOTSTRAP_SERVERS"}


def test_each_field_has_a_variable_and_an_option() -> None:
    assert variable("posts_partitions") == "CZUJKA_POSTS_PARTITIONS"
    assert option("posts_partitions") == "--posts-partitions"


def test_giving_up_on_a_broker_leaves_time_to_start_within_the_promised_ten_seconds() -> None:
    assert Settings().connect_timeout_s <= 6


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        {
            "bootstrap_servers": "kafka:9092",
            "embedded": True,
            "watchlist": "w.yaml",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "czujka",
            "sasl_password": "hunter2",
        }
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings
