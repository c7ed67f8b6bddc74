"""The engine of the run, and the image built on it once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.monitoring import ROOT
from tests.support.engine import Engine, EngineUnavailableError, open_engine

IMAGE = "czujka:test"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine; where none can be had the reason is said."""
    try:
        engine = open_engine()
    except EngineUnavailableError as error:
        pytest.skip(str(error))
    with engine:
        yield engine


@pytest.fixture
def no_engine(request: pytest.FixtureRequest) -> None:
    """Skips what the same run tells from containers of the image."""
    try:
        request.getfixturevalue("engine")
    except pytest.skip.Exception:
        return
    pytest.skip("an engine is here: told from containers in test_image.py")


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image, built from this tree."""
    try:
        base = engine.base()
    except EngineUnavailableError as error:
        pytest.skip(str(error))
    engine.build(IMAGE, ROOT, ROOT / "deploy/Dockerfile", f"--build-arg=BASE={base}")
    return IMAGE
