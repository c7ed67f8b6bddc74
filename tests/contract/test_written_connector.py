"""The connector of docs/write-a-connector.md, as it stands there, keeps the contract."""

import re
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.testing import LiveContract, ManualClock, PlatformServer
from tests.servers.http import HttpServer, Reply, Request, refusal

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-connector.md"
START_MS = 1_700_000_000_000
MESSAGES: list[dict[str, Any]] = [
    {"id": 1, "when": "2023-11-14T22:13:20Z", "by": "ola", "text": "Zażółć gęślą jaźń 😡"},
    {"id": 2, "when": "wczoraj", "by": "ola", "text": "bez daty"},
    {"id": 3, "when": "2023-11-14T23:14:20+01:00", "by": "jan_k", "text": "drugi"},
]


def the_example() -> ModuleType:
    """The first program of the guide, as a module."""
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    module = ModuleType("forum_of_the_guide")
    sys.modules[module.__name__] = module  # where msgspec looks for the types of its fields
    exec(compile(found[1], str(GUIDE), "exec"), module.__dict__)
    return module


FORUM = the_example()


class Forum(HttpServer):
    """The imaginary forum; it gives one message at a time."""

    async def reply(self, request: Request) -> Reply:
        if request.headers.get("authorization") != "Bearer t":
            return refusal(401)
        after = int(request.one("after", "0"))
        return Reply.json({"messages": [m for m in MESSAGES if m["id"] > after][:1]})


class TestForum(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": START_MS,
        "drugi": START_MS + 60_000,
    }
    names = ("ola", "jan_k")
    url_setting = "CZUJKA_FORUM_URL"
    credential_setting = "CZUJKA_FORUM_TOKEN"
    now_ms = START_MS + 600_000

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return Forum()

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Forum)
        settings = FORUM.Settings.load({"url": server.url, "token": "t"})
        source: Source = FORUM.open_source(settings, Context("instance", clock=clock))
        return source


def test_the_example_is_about_as_long_as_the_guide_says() -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    lines = [
        line for line in found[1].splitlines() if line and not line.startswith(("from", "import"))
    ]
    assert len(lines) <= 50


@pytest.mark.parametrize("name", ["LiveContract", "Entry", "opaque_id", "deletion", "Gap"])
def test_what_the_guide_names_exists(name: str) -> None:
    import connectors.base
    import connectors.catalog
    import connectors.native
    import connectors.testing

    modules = (connectors.base, connectors.catalog, connectors.native, connectors.testing)
    assert name in GUIDE.read_text("utf-8")
    assert any(hasattr(module, name) for module in modules)
