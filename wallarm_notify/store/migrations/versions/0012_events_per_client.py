"""Events are identified per client and numbered; their rows, and those made of them, take less space.

The four tables are written anew, in slices, as all their rows change. That needs disk space for both until it is done.
"""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SLICE = 50_000
"""So many rows are copied by one statement."""

TABLES = ("events", "notifications", "attempts", "firings")

EVENT_TYPES = (
    "api.changed", "application.created", "application.deleted", "application.renamed", "attack.detected",
    "hit.detected", "incident.detected", "integration.auto_disabled", "integration.deleted",
    "integration.disabled", "ip.denylisted", "rogue_api.detected", "rule.created", "rule.deleted",
    "rule.updated", "security_issue.detected", "specification.update_failed", "trigger.created",
    "trigger.deleted", "trigger.updated", "user.created", "user.deleted", "user.role_changed",
)  # fmt: skip
STATES = ("cancelled", "delivered", "failed", "pending", "retrying", "skipped")
REASONS = (
    "connect_timeout", "dns", "http_3xx", "http_429", "http_4xx", "http_5xx", "http_other", "network",
    "refused", "reset", "timeout", "tls",
)  # fmt: skip

VACUUMED_SOON = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "1",
}

# What a trigger may have counted: nobody noted down what it did count.
MAY_BE_COUNTED = """('attack.detected', 'hit.detected', 'incident.detected', 'api.changed', 'ip.denylisted',
    'rogue_api.detected', 'user.created')"""

HOUR = "date_trunc('hour'::text, (at AT TIME ZONE 'UTC'::text))"

# A field is left out where it is written just as the column is read.
BODY = """(e.body - array_remove(ARRAY[
    CASE WHEN e.body ->> 'id' = CAST(e.id AS text) THEN 'id' END,
    CASE WHEN e.body -> 'client_id' = to_jsonb(e.client_id) THEN 'client_id' END,
    CASE WHEN e.body ->> 'type' = e.type THEN 'type' END,
    CASE WHEN e.body ->> 'occurred_at' = to_char(e.occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS')
          || CASE WHEN date_part('second', e.occurred_at) <> floor(date_part('second', e.occurred_at))
             THEN to_char(e.occurred_at, '.US') ELSE '' END || '+00:00'
      THEN 'occurred_at' END], NULL))"""


def upgrade() -> None:
    """Copy what is stored into tables of the new shape, the oldest first, and drop the old ones."""
    op.execute("SET LOCAL timezone = 'UTC'")
    op.execute(f"LOCK TABLE {', '.join(TABLES)}, events_ahead IN ACCESS EXCLUSIVE MODE")
    for table in TABLES:
        _set_apart(table)
    for name, words in (
        ("event_type", EVENT_TYPES),
        ("notification_state", STATES),
        ("failure_reason", REASONS),
    ):
        op.execute(f"CREATE TYPE {name} AS ENUM ({', '.join(repr(w) for w in words)})")
    _copy_events()
    _copy_firings()
    _copy_notifications()
    _copy_attempts()
    for table in TABLES:
        _take_grants_over(table)
        op.execute(f"DROP TABLE {table}_before")
        op.execute(f"ANALYZE {table}")
    _rename_not_null()
    op.drop_constraint("pk_events_ahead", "events_ahead")
    op.create_primary_key(op.f("pk_events_ahead"), "events_ahead", ["client_id", "id"])
    _forget_by_ranges()
    # A program from before asks for columns that are no more there.
    op.execute("UPDATE compatibility SET serves_from = '0012'")


def _set_apart(table: str) -> None:
    """Free the table's name, and those of its indexes and its sequence, for the new one."""
    rows = _rows(
        """SELECT c.relname AS name, c.relkind AS kind FROM pg_class c
           WHERE c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(:table))
              OR c.oid IN (SELECT objid FROM pg_depend
                           WHERE classid = 'pg_class'::regclass AND deptype = 'i'
                             AND refclassid = 'pg_class'::regclass AND refobjid = to_regclass(:table)
                             AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S'))""",
        table=table,
    )
    for row in rows:
        kind = "SEQUENCE" if row["kind"] == "S" else "INDEX"
        op.execute(f"ALTER {kind} {row['name']} RENAME TO before_{row['name']}")
    op.rename_table(table, f"{table}_before")


def _forget_by_ranges() -> None:
    op.create_table(
        "prune_marks",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("after_no", sa.BigInteger(), nullable=False),
        sa.Column("reached_no", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_prune_marks")),
    )
    op.create_table(
        "ledger_check",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("after_no", sa.BigInteger(), nullable=True),
        sa.Column("last_no", sa.BigInteger(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "finding", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("one", name=op.f("ck_ledger_check_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_ledger_check")),
    )
    op.execute(
        """INSERT INTO counts (kind, shard, value)
           SELECT 'state:' || CASE WHEN trigger_id = 0 THEN 'card:' ELSE 'trigger:' END || state, 0, count(*)
           FROM notifications GROUP BY 1"""
    )
    # What is installed already keeps unmatched events as long as it did; its row has null here.
    op.add_column("installation", sa.Column("unmatched_retention", sa.Interval(), nullable=True))
    op.alter_column(
        "installation", "unmatched_retention", server_default=sa.text("'7 days'::interval")
    )


def _rename_not_null() -> None:
    """From PostgreSQL 18 on NOT NULL has a name, and another one where a second table has the same column."""
    for row in _rows(
        """SELECT c.conname AS name, r.relname AS of, a.attname AS col
           FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
               JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = c.conkey[1]
           WHERE c.contype = 'n' AND r.relname = ANY(:tables)
             AND r.relnamespace = CAST(current_schema() AS regnamespace)
             AND c.conname <> r.relname || '_' || a.attname || '_not_null'""",
        tables=list(TABLES),
    ):
        op.execute(
            f"ALTER TABLE {row['of']} RENAME CONSTRAINT {row['name']} "
            f"TO {row['of']}_{row['col']}_not_null"
        )


def _copy_events() -> None:
    op.create_table(
        "events",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        _moment_of_insert("received_at"),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("fan_out", sa.Integer(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=True),
        sa.Column("type", _enum("event_type", EVENT_TYPES), nullable=False),
        sa.Column("counted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_events")),
        postgresql_with=VACUUMED_SOON,
    )
    progress = _progress("events")
    after: Any = None
    while True:
        # Events of one transaction have one time: a slice ends between two.
        until = _value(
            """SELECT received_at FROM events_before
               WHERE CAST(:after AS timestamptz) IS NULL OR received_at > CAST(:after AS timestamptz)
               ORDER BY received_at OFFSET :size LIMIT 1""",
            after=after,
            size=_slice(),
        )
        progress(
            _do(
                f"""INSERT INTO events (client_id, occurred_at, received_at, id, fan_out, rules_version, type,
                        counted, body_hash, body)
                    SELECT client_id, occurred_at, received_at, id, fan_out, rules_version,
                        CAST(type AS event_type), type IN {MAY_BE_COUNTED}, body_hash, CAST({BODY} AS text)
                    FROM events_before e
                    WHERE (CAST(:after AS timestamptz) IS NULL OR received_at > CAST(:after AS timestamptz))
                      AND (CAST(:until AS timestamptz) IS NULL OR received_at <= CAST(:until AS timestamptz))
                    ORDER BY received_at, id""",  # noqa: S608 - constants
                after=after,
                until=until,
            )
        )
        if until is None:
            break
        after = until
    op.create_unique_constraint(op.f("uq_events_client_id_id"), "events", ["client_id", "id"])
    op.create_index("ix_events_received_at", "events", ["received_at"], unique=False)
    op.execute("ANALYZE events")


def _copy_firings() -> None:
    op.create_table(
        "firings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("event_no", sa.BigInteger(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trigger_name", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("filters", postgresql.JSONB(), nullable=False),
        sa.Column("threshold_count", sa.BigInteger(), nullable=True),
        sa.Column("threshold_period", sa.Integer(), nullable=True),
        sa.Column("integration_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firings")),
    )
    columns = """fired_at, trigger_name, condition, filters, threshold_count, threshold_period,
        integration_ids, count, window_start, window_end, event_ids"""
    _progress("firings")(
        _do(
            f"""INSERT INTO firings (id, trigger_id, client_id, event_no, {columns})
                SELECT f.id, f.trigger_id, f.client_id,
                    coalesce(e.no, -row_number() OVER (ORDER BY f.id)), {columns}
                FROM firings_before f LEFT JOIN events e ON e.client_id = f.client_id AND e.id = f.event_id"""  # noqa: S608 - constants
        )
    )
    op.create_unique_constraint(
        op.f("uq_firings_event_no_trigger_id"), "firings", ["event_no", "trigger_id"]
    )
    op.create_index(
        "ix_firings_trigger_id_fired_at", "firings", ["trigger_id", "fired_at"], unique=False
    )
    op.create_index(
        "ix_firings_event_ids",
        "firings",
        ["event_ids"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("threshold_count IS NOT NULL"),
    )


def _copy_notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("event_no", sa.BigInteger(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("dedup_start", sa.BigInteger(), nullable=False),
        _moment_of_insert("created_at"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recheck_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        _count("run", sa.Integer(), 1),
        _count("attempts_made", sa.Integer()),
        _count("fence", sa.Integer()),
        _count("link", sa.Integer()),
        sa.Column("disablings", sa.Integer(), nullable=False),
        sa.Column("state", _enum("notification_state", STATES), nullable=False),
        _count("lost_claims", sa.SmallInteger()),
        _count("rechecks", sa.SmallInteger()),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("closing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        postgresql_with=VACUUMED_SOON,
    )
    kept = """id, client_id, integration_id, created_at, due_at, lease_until, recheck_at, finished_at, run,
        attempts_made, fence, link, disablings, lost_claims, rechecks, severity, closing, end_reason"""
    columns = ", ".join(f"n.{name.strip()}" for name in kept.split(","))
    progress = _progress("notifications")
    for after, until in _ranges("notifications_before", "id"):
        # One whose event is missing, which the ledger reports, keeps a number that no event has.
        progress(
            _do(
                f"""INSERT INTO notifications ({kept}, event_no, trigger_id, dedup_start, state)
                    OVERRIDING SYSTEM VALUE
                    SELECT {columns}, coalesce(e.no, -n.id),
                        CASE WHEN n.origin = 'card' THEN 0 ELSE CAST(substr(n.origin, 9) AS bigint) END,
                        CAST(CAST('x' || left(encode(sha256(convert_to(
                            '["' || coalesce(n.firing_id, n.event_id) || '","' || n.origin || '",'
                            || n.integration_id || ']', 'UTF8')), 'hex'), 16) AS bit(64)) AS bigint),
                        CAST(n.state AS notification_state)
                    FROM notifications_before n
                    LEFT JOIN events e ON e.client_id = n.client_id AND e.id = n.event_id
                    WHERE n.id > :after AND n.id <= :until ORDER BY n.id""",  # noqa: S608 - constants
                after=after,
                until=until,
            )
        )
    op.execute(
        """SELECT setval('notifications_id_seq', s.last_value, s.is_called)
           FROM before_notifications_id_seq s"""
    )
    op.create_unique_constraint(
        op.f("uq_notifications_event_no_integration_id_trigger_id"),
        "notifications",
        ["event_no", "integration_id", "trigger_id"],
    )
    op.create_index(
        "ix_notifications_backlog",
        "notifications",
        ["integration_id", sa.text("(attempts_made = 0)"), "recheck_at"],
        unique=False,
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_open",
        "notifications",
        ["integration_id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(
        "ix_notifications_ended",
        "notifications",
        ["integration_id", "state", "finished_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'skipped', 'cancelled')"),
    )
    op.create_index(
        "ix_notifications_client_id_id", "notifications", ["client_id", "id"], unique=False
    )
    op.create_index(
        "ix_notifications_undelivered",
        "notifications",
        ["client_id", "state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'skipped', 'cancelled')"),
    )
    op.create_index(
        "ix_notifications_integration_id_id",
        "notifications",
        ["integration_id", "id"],
        unique=False,
    )
    op.create_index("ix_notifications_dedup_start", "notifications", ["dedup_start"], unique=False)


def _copy_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        _count("same_as", sa.Integer()),
        sa.Column("error", _enum("failure_reason", REASONS), nullable=True),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("response", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "fence", name=op.f("pk_attempts")),
        postgresql_with=VACUUMED_SOON,
    )
    progress = _progress("attempts")
    for after, until in _ranges("attempts_before", "notification_id"):
        progress(
            _do(
                """INSERT INTO attempts (notification_id, integration_id, at, fence, generation, duration_ms, run,
                       same_as, error, number, status_code, response)
                   SELECT notification_id, integration_id, at, fence, generation, duration_ms, run,
                       CASE WHEN first = fence THEN 0 ELSE first END, CAST(error AS failure_reason), number,
                       status_code, CASE WHEN first = fence THEN response ELSE '' END
                   FROM (
                       SELECT *, min(fence) OVER (PARTITION BY notification_id, response) AS first
                       FROM attempts_before WHERE notification_id > :after AND notification_id <= :until) a
                   ORDER BY notification_id, fence""",
                after=after,
                until=until,
            )
        )
    op.create_index(
        "ix_attempts_integration_id_hour",
        "attempts",
        ["integration_id", sa.text(HOUR)],
        unique=False,
    )


def _ranges(table: str, column: str) -> Iterator[tuple[int, int]]:
    """Yield ranges of a column that hold a slice of rows each, or a little more: after which, up to which."""
    after = (_value(f"SELECT min({column}) FROM {table}") or 1) - 1  # noqa: S608 - constants
    while True:
        until = _value(
            f"SELECT {column} FROM {table} WHERE {column} > :after ORDER BY {column} OFFSET :size LIMIT 1",  # noqa: S608 - constants
            after=after,
            size=_slice(),
        )
        if until is None:
            yield after, 2**63 - 1
            return
        yield after, until
        after = until


def _take_grants_over(table: str) -> None:
    """Let others do with the new table what they could do with the old one."""
    rows = _rows(
        """SELECT g.grantee::regrole AS role, g.grantee = 0 AS is_public, g.privilege_type AS privilege,
               g.is_grantable
           FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
           WHERE c.oid = to_regclass(:table) AND g.grantee <> c.relowner""",
        table=f"{table}_before",
    )
    for row in rows:
        role = "PUBLIC" if row["is_public"] else row["role"]
        option = " WITH GRANT OPTION" if row["is_grantable"] else ""
        op.execute(f"GRANT {row['privilege']} ON {table} TO {role}{option}")


def _slice() -> int:
    size: int = context.config.attributes.get("slice", SLICE)
    return size


def _progress(table: str) -> Callable[[int], None]:
    """Return what is called with how many rows of ``table`` were just copied, and tells who waits how far it is."""
    report = context.config.attributes.get("progress")
    total = max(
        int(
            _value(
                "SELECT reltuples FROM pg_class WHERE oid = to_regclass(:t)", t=f"{table}_before"
            )
        ),
        0,
    )
    done = 0

    def copied(rows: int) -> None:
        nonlocal done
        done += rows
        if report is not None:
            report(table, done, max(total, done))

    return copied


def _moment_of_insert(name: str) -> sa.Column[Any]:
    default = sa.text("clock_timestamp()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=False)


def _count(name: str, kind: Any, start: int = 0) -> sa.Column[Any]:
    return sa.Column(name, kind, server_default=sa.text(str(start)), nullable=False)


def _enum(name: str, words: tuple[str, ...]) -> postgresql.ENUM:
    return postgresql.ENUM(*words, name=name, create_type=False)


def _do(statement: str, **parameters: Any) -> int:
    return int(op.get_bind().execute(sa.text(statement), parameters).rowcount)


def _rows(statement: str, **parameters: Any) -> Any:
    return op.get_bind().execute(sa.text(statement), parameters).mappings().all()


def _value(statement: str, **parameters: Any) -> Any:
    return op.get_bind().execute(sa.text(statement), parameters).scalar()
