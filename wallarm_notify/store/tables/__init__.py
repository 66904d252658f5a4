"""The tables: what each column means, and the one place that says its type.

Queries take their parameters' types from here (``queries.types_of``). Migrations make the same tables step by step:
tests/store/test_migrations.py compares the two in both directions.

Times are ``timestamptz`` by the database's clock. Notifications and attempts have no foreign keys: they are inserted by
the hundred, a check for each row costs as much as the row, and the ledger finds an orphan (docs/decisions/0003).
"""

from wallarm_notify.store.tables import (
    activity,
    health,
    incoming,
    installation,
    integrations,
    notifications,
    triggers,
)
from wallarm_notify.store.tables.columns import metadata

__all__ = [
    "activity",
    "health",
    "incoming",
    "installation",
    "integrations",
    "metadata",
    "notifications",
    "triggers",
]
