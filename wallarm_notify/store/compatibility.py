"""The rule by which a program works with a schema (docs/decisions/0012)."""

UPGRADE = "run: wallarm-notify db upgrade"


def fault_of(revision: str | None, serves_from: str | None, known: str) -> str | None:
    """Return why a program cannot work with a schema, and what to do; None: it can.

    ``revision`` is the schema's, or None where there are no tables. ``serves_from`` is the oldest program that
    it serves, or None where it does not say. ``known`` is the newest revision that the program knows. Revisions
    are numbers that grow from each to the next.
    """
    if revision == known:
        return None
    if revision is None:
        return f"The database is empty, this program needs version {known}; {UPGRADE}"
    number, own = _number(revision), int(known)
    if number is not None and number < own:
        return (
            f"The database is at version {revision}, this program needs version {known}; {UPGRADE}"
        )
    oldest = None if serves_from is None else _number(serves_from)
    if number is None or oldest is None:
        return (
            f"The database is at version {revision}, which this program, of version {known}, does not know; "
            "install the program that upgraded it."
        )
    if oldest > own:
        return (
            f"The database is at version {revision}, which serves programs from version {serves_from} on, and "
            f"this one is of version {known}; install the newer program."
        )
    return None


def _number(revision: str) -> int | None:
    return int(revision) if revision.isdecimal() else None
