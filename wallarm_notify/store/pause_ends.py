"""Which end of a disabling counts, in SQL (spec 1 and 3)."""

from typing import Final

NUMBERED_BY: Final = {
    "integrations": ("until_disablings", "disablings"),
    "triggers": ("until_version", "version"),
}
"""The column that says under which number an end was set, and that of the present number, by table.

What enables and disables again changes the number, in programs from before too.
"""


def end_of(table: str, row: str) -> str:
    """Return the time at which the disabling of ``row``, of this table, ends by itself; null: it does not."""
    set_under, number = NUMBERED_BY[table]
    return f"""CASE WHEN NOT {row}.enabled AND {row}.{set_under} = {row}.{number}
        THEN {row}.disabled_until END"""


def is_left_behind(table: str, row: str) -> str:
    """Return the condition that ``row``, of this table, has an end that counts for nothing."""
    return f"{row}.disabled_until IS NOT NULL AND ({end_of(table, row)}) IS NULL"
