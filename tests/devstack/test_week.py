"""A week is made up: the same for the same seed, in balance, and with what it is to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from devstack.families import connection
from wallarm_notify.bootstrap import context_of
from wallarm_notify.devstack.week import (
    ADMINISTRATOR,
    CALM,
    DRILL_HOURS,
    FLOOD,
    LASTS,
    OPERATOR,
    OUTAGE,
    SWITCHED_OFF,
    UNPROVEN,
    UNTOLD,
    faults_of_week,
    key_of,
    play_week,
)
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.coverage import show_coverage
from wallarm_notify.services.integration_listings import integrations_of_client
from wallarm_notify.services.ledger import recount
from wallarm_notify.services.manage_integrations import enable_integration
from wallarm_notify.settings import Settings
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.services.context import Context

SECRET_KEY = generate()

ROWS = (
    "SELECT client_id, type, occurred_at, received_at, fan_out FROM events ORDER BY no",
    """SELECT client_id, integration_id, trigger_id, severity, state, created_at, finished_at, due_at, attempts_made,
       run FROM notifications ORDER BY id""",
    "SELECT * FROM attempts ORDER BY notification_id, fence",
    "SELECT trigger_id, fired_at, count, window_start, window_end FROM firings ORDER BY fired_at, trigger_id",
    "SELECT * FROM health_minutes ORDER BY 1, 2, 3",
    "SELECT at, client_id, actor, action, object_type, object_id, before, after FROM activity ORDER BY id",
)


@pytest.fixture
def end() -> datetime:
    """When the week ends: now, as what is open is due soon after it."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def play(database_url: str, end: datetime) -> Callable[[], Context]:
    """Play a week in a database; return what use cases are given."""

    def played() -> Context:
        settings = Settings(
            _env_prefix="WALLARM_NOTIFY_NONE_",
            database_url=database_url,
            broker_url="redis://127.0.0.1:1/0",
            secret_keys=SECRET_KEY,
            drill_hours=DRILL_HOURS,
        )
        play_week(database_url, settings, end)
        return context_of(settings)

    return played


def rows(url: str) -> list[list[Any]]:
    with connection(url) as opened:
        return [[tuple(row) for row in opened.execute(sa.text(one))] for one in ROWS]


def named(ctx: Context, client_id: int) -> dict[str, Integration]:
    return {one.name: one for one in integrations_of_client(ctx, EVERY_CLIENT, client_id)}


def shape(url: str) -> list[Any]:
    with connection(url) as opened:
        return list(
            opened.execute(
                sa.text(
                    """SELECT table_schema, table_name, column_name, column_default FROM information_schema.columns
                       WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3"""
                )
            )
        )


def test_a_week_balances_and_has_what_it_is_to_show(
    play: Callable[[], Context], database_url: str, end: datetime
) -> None:
    before = shape(database_url)
    ctx = play()
    assert shape(database_url) == before, "the clock of the past is gone"
    ledger = recount(ctx, EVERY_CLIENT)
    assert list(ledger.findings) == []
    assert (ledger.rejected, ledger.undecodable, ledger.set_aside, ledger.ahead) == (2, 1, 1, 1)
    with connection(database_url) as opened:
        first, last = opened.execute(
            sa.text("SELECT min(received_at), max(received_at) FROM events")
        ).one()
        open_clients = set(
            opened.scalars(
                sa.text("SELECT DISTINCT client_id FROM notifications WHERE finished_at IS NULL")
            )
        )
        outages = list(opened.scalars(sa.text("SELECT region FROM outages WHERE ended_at IS NULL")))
        users = set(opened.scalars(sa.text("SELECT email FROM users")))
    assert end - LASTS <= first <= last <= end
    assert {OPERATOR, ADMINISTRATOR} <= users
    assert open_clients == {FLOOD, OUTAGE}, "some wait for their turn, others for PagerDuty"
    assert outages == ["eu"]
    assert all(one.enabled for one in named(ctx, CALM).values())
    booking = named(ctx, SWITCHED_OFF)["Booking on-call"]
    assert not booking.enabled
    _, unsent = enable_integration(ctx, operator("Ops"), EVERY_CLIENT, booking.id)
    assert unsent.total == 34
    clinic = named(ctx, UNPROVEN)["Clinic on-call"]
    assert clinic.proven_at is not None
    assert end - clinic.proven_at > timedelta(days=6)
    assert not any(one.notified for one in show_coverage(ctx, EVERY_CLIENT, UNTOLD).kinds)


@pytest.mark.timeout(400)
def test_the_same_seed_and_end_make_the_same_week(
    play: Callable[[], Context], database_url: str
) -> None:
    play()
    first = rows(database_url)
    assert all(first)
    with connection(database_url) as opened:
        tables = opened.scalars(
            sa.text(
                """SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
                   WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'compatibility')"""
            )
        ).one()
        opened.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
    play()
    assert rows(database_url) == first


def test_what_fails_in_the_week_goes_on_failing_after_it() -> None:
    assert {one["key"] for one in faults_of_week()} >= {
        key_of("Booking on-call").reveal(),
        key_of("Newsroom").reveal(),
    }
