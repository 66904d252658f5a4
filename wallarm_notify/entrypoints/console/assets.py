"""Assets: the files that pages load, at addresses that change with their contents, so that browsers keep them."""

import gzip
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icons.svg": "image/svg+xml",
    "inter-latin-wght-normal.woff2": "font/woff2",
}
"""The files that are served, and what each is."""

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@lru_cache(maxsize=1)
def contents() -> dict[str, bytes]:
    """Return the contents of each file."""
    folder = files(__package__) / "static"
    return {name: (folder / name).read_bytes() for name in TYPES}


@lru_cache(maxsize=1)
def compressed() -> dict[str, bytes]:
    """Return the contents of each file that is a text, in gzip; a font is compressed already."""
    return {
        name: gzip.compress(content, mtime=0)
        for name, content in contents().items()
        if not TYPES[name].startswith("font/")
    }


@lru_cache(maxsize=1)
def version() -> str:
    """Return what changes with any of the files."""
    whole = sha256()
    for name, content in contents().items():
        whole.update(name.encode() + b"\0" + content)
    return whole.hexdigest()[:16]


def asset_url(name: str) -> str:
    """Return the address of a file. Raise KeyError where there is none of that name."""
    _ = TYPES[name]
    return f"/assets/{version()}/{name}"


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    if request.path_params["version"] != version() or name not in TYPES:
        raise HTTPException(404)
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding"}
    content = contents()[name]
    if name in compressed() and "gzip" in request.headers.get("accept-encoding", ""):
        content = compressed()[name]
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers, media_type=TYPES[name])


ROUTE: Final = Route("/assets/{version}/{name}", _serve, methods=["GET"])
"""What serves the files, to anybody: they are the program's own."""
