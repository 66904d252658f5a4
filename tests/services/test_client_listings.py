"""Clients at a glance: whether anything reaches anybody of theirs, and when their last event came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import an_event_for

from wallarm_notify.domain.actor import REVIEW, operator
from wallarm_notify.domain.client_overview import ClientOverview, ClientState
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.client_listings import list_client_overviews, number_in
from wallarm_notify.services.manage_clients import set_client

if TYPE_CHECKING:
    from build import Bench


def listed(bench: Bench, sought: str = "", *, only_unreached: bool = False) -> list[ClientOverview]:
    page = list_client_overviews(
        bench.ctx, EVERY_CLIENT, sought=sought, only_unreached=only_unreached, limit=9
    )
    return list(page.items)


def named(bench: Bench, client_id: int, name: str) -> None:
    set_client(bench.ctx, operator("Ops"), EVERY_CLIENT, client_id, name=name)


def test_a_client_is_reached_by_a_subscription_or_by_a_trigger_that_is_enabled(
    bench: Bench,
) -> None:
    bench.integration(client_id=1)
    bench.trigger(
        bench.integration(client_id=2, subscribe=()), condition="user_created", client_id=2
    )
    bench.integration(client_id=3, subscribe=())
    named(bench, 4, "Empty")
    states = {one.id: one.state for one in listed(bench)}
    assert states == {
        1: ClientState.WELL,
        2: ClientState.WELL,
        3: ClientState.NOBODY,
        4: ClientState.EMPTY,
    }
    bench.sql("UPDATE triggers SET enabled = false")
    assert [one.id for one in listed(bench, only_unreached=True)] == [2, 3]


def test_one_that_its_failures_switched_off_is_counted_apart(bench: Bench) -> None:
    bench.integration(client_id=1)
    off = bench.integration(client_id=1)
    bench.sql(
        """UPDATE integrations SET enabled = false, disabled_by = :by, disabled_at = now() WHERE id = :id""",
        by=REVIEW.name,
        id=off,
    )
    (one,) = listed(bench)
    figures = one.figures
    assert (figures.enabled, figures.disabled, figures.automatically) == (1, 1, 1)
    assert one.state is ClientState.SOME_OFF


def test_the_last_event_is_the_clients_own(bench: Bench) -> None:
    for client_id in (1, 2):
        bench.integration(client_id=client_id)
    bench.ingest(an_event_for("user_created", client_id=2))
    first, second = listed(bench)
    assert first.figures.last_event_at is None
    assert second.figures.last_event_at == bench.value(
        "SELECT max(received_at) FROM events WHERE client_id = 2"
    )


def test_a_client_is_found_by_a_part_of_its_name_or_by_its_number(bench: Bench) -> None:
    named(bench, 1, "Example Shop")
    named(bench, 12, "100% Bank")
    assert [one.id for one in listed(bench, "SHOP")] == [1]
    assert [one.id for one in listed(bench, "0%")] == [12]
    assert [one.id for one in listed(bench, "12")] == [12]
    assert [one.id for one in listed(bench, "client 1")] == [1]
    assert listed(bench, "_") == []


@pytest.mark.parametrize(
    ("sought", "number"), [("7", 7), ("Client 7", 7), ("7a", None), ("", None), ("9" * 19, None)]
)
def test_a_number_is_read_from_what_is_sought(sought: str, number: int | None) -> None:
    assert number_in(sought) == number
