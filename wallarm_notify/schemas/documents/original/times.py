"""Times as Wallarm's own API writes them."""

from datetime import UTC, datetime


def seconds_of(moment: datetime | None) -> int:
    """Return a time in seconds since 1970, 0 for none."""
    return 0 if moment is None else int(moment.timestamp())


def text_of(moment: datetime) -> str:
    """Return ``2026-03-01T12:00:00Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
