"""Serves the script that draws the charts of a brand, from the package that brings it."""

from __future__ import annotations

import gzip
import importlib.util
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PLOTLY_ADDRESS = "/static/plotly.min.js"


async def plotly_script(request: Request) -> Response:
    """The script, packed where the browser can unpack it."""
    headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
    content = _script()
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = _packed(), "gzip"
    return Response(content, media_type="text/javascript", headers=headers)


@cache
def own_styles() -> tuple[str, ...]:
    """Ids of styles that the script would put into the page where nothing has that id.

    They belong to maps, which nobody draws here, and our policy would refuse them aloud.
    """
    guards = re.findall(rb'if\(!document\.getElementById\("([0-9a-f]{64})"\)\)', _script())
    return tuple(guard.decode() for guard in guards)


@cache
def _script() -> bytes:
    spec = importlib.util.find_spec("plotly")  # found, not imported: only its file is wanted
    assert spec is not None and spec.origin is not None, "plotly is a dependency of ours"
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


@cache
def _packed() -> bytes:
    return gzip.compress(_script(), compresslevel=6, mtime=0)
