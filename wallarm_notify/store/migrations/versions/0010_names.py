"""The names that the field has for what is stored: docs/glossary.md has the old ones."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = (
    ("notifications", "claim", "fence"),
    ("notifications", "rings", "rechecks"),
    ("notifications", "ring_at", "recheck_at"),
    ("notifications", "last", "closing"),
    ("attempts", "claim", "fence"),
    ("integrations", "lane_until", "bulkhead_until"),
    ("integrations", "lane_token", "bulkhead_token"),
    ("pace", "turns", "grants"),
    ("trigger_things", "thing", "endpoint"),
)
TABLES = (("pace", "rate_limits"), ("trigger_things", "rogue_endpoints"))


def upgrade() -> None:
    """Nothing is rewritten: the catalogue changes, which takes a moment however many rows there are."""
    for table, before, after in COLUMNS:
        op.alter_column(table, before, new_column_name=after)
    for before, after in TABLES:
        op.rename_table(before, after)
        op.execute(f"ALTER INDEX pk_{before} RENAME TO pk_{after}")
    _rename_not_null()
    op.execute("UPDATE upkeep_runs SET name = 'forget_grants' WHERE name = 'forget_turns'")
    # A program from before asks for columns that are no more there.
    op.execute("UPDATE compatibility SET serves_from = '0010'")


def _rename_not_null() -> None:
    """From PostgreSQL 18 on NOT NULL has a name, which is made of those of the table and the column."""
    found = op.get_bind().execute(
        sa.text(
            """SELECT c.conname AS name, r.relname AS of, a.attname AS col
               FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
                   JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = c.conkey[1]
               WHERE c.contype = 'n' AND r.relnamespace = current_schema()::regnamespace
                 AND c.conname <> r.relname || '_' || a.attname || '_not_null'"""
        )
    )
    for row in found.mappings().all():
        op.execute(
            f"ALTER TABLE {row['of']} RENAME CONSTRAINT {row['name']} "
            f"TO {row['of']}_{row['col']}_not_null"
        )
