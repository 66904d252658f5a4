"""Forms from elsewhere: what tells whether a page of ours, or another site's, has sent a request."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_OURS: Final = ("same-origin", "none")


def is_ours(request: HTTPConnection, public_url: str | None) -> bool:
    """Return whether a page of the console has sent a request, as the browser says.

    What is sent by no browser, which says neither, is not ours. ``public_url`` is where people reach the console, and
    may differ from the host that a proxy asks for.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in _OURS
    origin = request.headers.get("origin")
    if origin is None:
        return False
    if public_url is not None and origin == _origin_of(public_url):
        return True
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # no origin at all, such as http://[
        return False


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def local_path(text: str | None) -> str | None:
    """Return a path of this site, to go on to; None where ``text`` leads elsewhere."""
    if text is None or not text.startswith("/") or text.startswith("//"):
        return None
    if "\\" in text or not text.isascii() or not text.isprintable():
        return None
    return text
