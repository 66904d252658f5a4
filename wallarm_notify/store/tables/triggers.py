"""Tables of triggers: the rules, what they counted, and when they fired (spec 3)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from wallarm_notify.store.tables.columns import (
    metadata,
    moment,
    moment_of_insert,
    numbered_id,
    uuid,
)

# A client's rule over events (domain.triggers.trigger.Trigger). Its row is the lock under which it counts (engine 15).
triggers = sa.Table(
    "triggers",
    metadata,
    numbered_id(),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # When beat enables it again; null: somebody has to. Programs from before leave it when they enable, and when they
    # disable again: it counts only while ``version`` is as it was when it was set (store.pause_ends).
    moment("disabled_until"),
    sa.Column("until_version", sa.Integer),
    sa.Column("condition", sa.Text, nullable=False),
    # A list of {id, operator, values}.
    sa.Column("filters", JSONB, nullable=False),
    # It fires for more than so many events within so many seconds; null where it fires for each.
    sa.Column("threshold_count", sa.BigInteger),
    sa.Column("threshold_period", sa.Integer),
    # Who is notified.
    sa.Column("integration_ids", ARRAY(sa.BigInteger), nullable=False),
    # The severity of its alerts; null: the condition's.
    sa.Column("severity", sa.SmallInteger),
    # Which of its alerts are one in PagerDuty (domain.triggers.alert_group).
    sa.Column("alert_group", sa.Text, nullable=False, server_default=sa.text("'each'")),
    # The version that its cells belong to: other criteria, and enabling, begin a new one.
    sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    sa.Column("created_by", sa.Text, nullable=False),
    moment_of_insert("created_at"),
    # PRUNE deletes the row once its rogue endpoints are gone.
    moment("deleted_at"),
    sa.CheckConstraint("(threshold_count IS NULL) = (threshold_period IS NULL)", name="threshold"),
    sa.CheckConstraint(
        "alert_group IN ('each', 'trigger', 'host', 'ip', 'application')", name="alert_group"
    ),
    sa.Index("ix_triggers_client_id", "client_id", postgresql_where=sa.text("deleted_at IS NULL")),
    sa.Index(
        "ix_triggers_disabled_until",
        "disabled_until",
        postgresql_where=sa.text("disabled_until IS NOT NULL"),
    ),
    sa.Index(
        "ix_triggers_deleted_at", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")
    ),
)

# What a trigger counted in one cell of event time, a sixtieth of its period (domain.triggers.cells).
trigger_cells = sa.Table(
    "trigger_cells",
    metadata,
    sa.Column("trigger_id", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    # Numbers the periods' sixtieths since 1970.
    sa.Column("cell", sa.BigInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    # The trigger fired for the window that ends with this cell: none that ends close to it, before or after, fires.
    sa.Column("fired", sa.Boolean, nullable=False),
    # The first 100 events that were counted here: a firing names those of its window.
    sa.Column("event_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    # From then on no decision needs it.
    moment("expires_at", nullable=False),
    sa.PrimaryKeyConstraint("trigger_id", "version", "cell"),
    sa.Index(
        "ix_trigger_cells_fired", "trigger_id", "version", "cell", postgresql_where=sa.text("fired")
    ),
    sa.Index("ix_trigger_cells_expires_at", "expires_at"),
    # A row is written many times during its cell: leave room in the page for it.
    postgresql_with={"fillfactor": 50},
)

# Rogue endpoints that a trigger has fired for: it fires for each once, however often it is found (spec 3). They are
# kept as long as the trigger.
rogue_endpoints = sa.Table(
    "rogue_endpoints",
    metadata,
    sa.Column("trigger_id", sa.BigInteger, nullable=False),
    # A hash of method, host, path and kind.
    sa.Column("endpoint", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("trigger_id", "endpoint"),
)

# A trigger that was met, and by what (domain.triggers.firing.Firing). It is deleted with its event.
firings = sa.Table(
    "firings",
    metadata,
    uuid("id", primary_key=True),
    sa.Column("trigger_id", sa.BigInteger, nullable=False),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    # The event that met it.
    sa.Column("event_no", sa.BigInteger, nullable=False),
    moment("fired_at", nullable=False),
    # The trigger as it was then, so that every attempt sends one and the same alert.
    sa.Column("trigger_name", sa.Text, nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("filters", JSONB, nullable=False),
    sa.Column("threshold_count", sa.BigInteger),
    sa.Column("threshold_period", sa.Integer),
    sa.Column("integration_ids", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("severity", sa.SmallInteger),
    sa.Column("alert_group", sa.Text, nullable=False, server_default=sa.text("'each'")),
    # How many events the window held, its start and end, and up to 100 of the events. Without a threshold there is no
    # window, and the count is 1.
    sa.Column("count", sa.BigInteger, nullable=False),
    moment("window_start"),
    moment("window_end"),
    sa.Column("event_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    sa.UniqueConstraint("event_no", "trigger_id"),
    sa.Index("ix_firings_trigger_id_fired_at", "trigger_id", "fired_at"),
    # Whether a firing names an event that was counted: PRUNE keeps it as long.
    sa.Index(
        "ix_firings_event_ids",
        "event_ids",
        postgresql_using="gin",
        postgresql_where=sa.text("threshold_count IS NOT NULL"),
    ),
)
