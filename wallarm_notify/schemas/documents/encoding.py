"""How documents write the values that JSON has no type for."""

from datetime import UTC, datetime


def json_value(value: object) -> str:
    """Return a time as ISO 8601 in UTC, anything else (a UUID) as its text: the ``default`` of ``json.dumps``."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)
