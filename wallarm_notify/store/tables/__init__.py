"""The tables: what each column means, and its type.

Migrations make the same tables step by step: tests/store/test_migrations.py compares the two in both directions.
What statements need of it is written down in ``store.table_columns`` too, as SQLAlchemy takes long to import.

Times are ``timestamptz`` by the database's clock. Notifications and attempts have no foreign keys: they are inserted by
the hundred, a check for each row costs as much as the row, and the ledger finds an orphan (docs/decisions/0003).
"""

from wallarm_notify.store.tables import (
    activity,
    computations,
    health,
    incoming,
    installation,
    integrations,
    notifications,
    people,
    replays,
    triggers,
)
from wallarm_notify.store.tables.columns import metadata

__all__ = [
    "activity",
    "computations",
    "health",
    "incoming",
    "installation",
    "integrations",
    "metadata",
    "notifications",
    "people",
    "replays",
    "triggers",
]
