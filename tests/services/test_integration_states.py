"""Integrations by state: enabled, disabled by somebody, or disabled automatically."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wallarm_notify.domain import page as page_module
from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.integration import IntegrationState
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.services.integration_listings import list_integrations, show_integration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from build import Bench

ENABLED, DISABLED, AUTOMATICALLY = IntegrationState


def found(
    bench: Bench,
    states: Sequence[IntegrationState] = (),
    scope: Scope = EVERY_CLIENT,
    client_id: int | None = None,
) -> tuple[list[int], int]:
    """Return what all pages of two list, and how many of them were short of two although more followed."""
    ids: list[int] = []
    short = 0
    cursor: int | None = None
    while True:
        page = list_integrations(
            bench.ctx, scope, client_id=client_id, states=states, limit=2, cursor=cursor
        )
        assert page.searched_back_to is None
        ids += [i.id for i in page.items]
        cursor = page.following
        if cursor is None:
            return ids, short
        short += len(page.items) < 2


@pytest.fixture
def made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> dict[int, IntegrationState]:
    """Twelve integrations of clients 1 and 2 in turn, and one that is deleted; 4 rows are read for a page."""
    monkeypatch.setattr(page_module, "SLICE", 2)
    monkeypatch.setattr(page_module, "READ", 4)
    states = {}
    for n in range(12):
        number = bench.integration(client_id=n % 2 + 1)
        states[number] = DISABLED if n in (1, 2, 11) else AUTOMATICALLY if n == 9 else ENABLED
        if states[number] is not ENABLED:
            bench.disable_integration(number, user="Ann", reason="maintenance")
        if states[number] is AUTOMATICALLY:
            bench.sql(
                "UPDATE integrations SET disabled_by = :by WHERE id = :id",
                by=REVIEW.name,
                id=number,
            )
    bench.delete_integration(bench.integration(), user="Ann", reason="gone")
    return states


@pytest.mark.parametrize(
    "states", [(), (ENABLED,), (DISABLED,), (AUTOMATICALLY,), (DISABLED, AUTOMATICALLY)]
)
def test_each_state_lists_its_own_in_the_order_of_ids(
    bench: Bench, made: dict[int, IntegrationState], states: Sequence[IntegrationState]
) -> None:
    wanted = [n for n, state in made.items() if not states or state in states]
    of_client = {c: [n for n in wanted if n % 2 == c % 2] for c in (1, 2)}
    assert found(bench, states)[0] == wanted
    assert found(bench, states, only([1, 2]))[0] == wanted
    for client_id, theirs in of_client.items():
        assert found(bench, states, client_id=client_id)[0] == theirs
        assert found(bench, states, only([client_id]))[0] == theirs
        assert found(bench, states, only([client_id]), client_id=3 - client_id)[0] == []
    for number in wanted:
        assert show_integration(bench.ctx, EVERY_CLIENT, number).state is made[number]


def test_a_page_of_what_is_rare_reads_no_more_than_any_other(
    bench: Bench, made: dict[int, IntegrationState]
) -> None:
    ids, short = found(bench, [AUTOMATICALLY])
    assert made[ids[0]] is AUTOMATICALLY
    assert (len(ids), short) == (1, 3)


def test_one_that_is_enabled_again_was_not_disabled_by_anybody(
    bench: Bench, made: dict[int, IntegrationState]
) -> None:
    (number,) = found(bench, [AUTOMATICALLY])[0]
    bench.enable_integration(number, user="Ann")
    assert show_integration(bench.ctx, EVERY_CLIENT, number).state is ENABLED
    bench.disable_integration(number, user="Ann", reason="maintenance")
    assert show_integration(bench.ctx, EVERY_CLIENT, number).state is DISABLED
