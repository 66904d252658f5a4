"""Applications of clients: made, renamed and deleted, each line of it in the activity log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.application import AlreadyThere, Application
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.services import manage_applications
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.manage_applications import (
    create_application,
    delete_application,
    list_applications,
    rename_application,
)

if TYPE_CHECKING:
    from build import Bench

    from wallarm_notify.domain.activity import Activity

ANN = operator("ann")
DEFAULT = Application(1, -1, "Default")


def made(bench: Bench, number: int | None = None, name: str = "Shop", client: int = 1) -> int:
    return create_application(
        bench.ctx, ANN, EVERY_CLIENT, client, application_id=number, name=name
    ).id


def lines(bench: Bench) -> list[Activity]:
    page = list_activity(bench.ctx, EVERY_CLIENT, Role.OPERATOR, client_id=1, cursor=None, limit=10)
    return list(page.items)


def test_each_client_has_the_default_one(bench: Bench) -> None:
    assert list_applications(bench.ctx, EVERY_CLIENT, [1]) == [DEFAULT]
    rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, -1, name="Rest")
    assert list_applications(bench.ctx, EVERY_CLIENT, [1]) == [Application(1, -1, "Rest")]
    with pytest.raises(Refused, match="never deleted"):
        delete_application(bench.ctx, ANN, EVERY_CLIENT, 1, -1)


def test_one_without_a_number_gets_the_next_one_of_its_client(bench: Bench) -> None:
    assert [made(bench), made(bench), made(bench, 43), made(bench)] == [1, 2, 43, 44]
    assert made(bench, client=2) == 1


def test_numbers_that_are_taken_at_the_same_time_differ(bench: Bench) -> None:
    with ThreadPoolExecutor(4) as four:
        numbers = list(four.map(lambda _: made(bench), range(8)))
    assert sorted(numbers) == list(range(1, 9))


def test_a_number_is_taken_once_and_free_again_when_it_is_deleted(bench: Bench) -> None:
    made(bench, 43)
    for number in (43, -1):
        with pytest.raises(AlreadyThere):
            made(bench, number)
    delete_application(bench.ctx, ANN, EVERY_CLIENT, 1, 43)
    made(bench, 43, "Again")
    assert list_applications(bench.ctx, EVERY_CLIENT, [1]) == [DEFAULT, Application(1, 43, "Again")]


def test_a_deletion_that_is_asked_for_again_does_nothing(bench: Bench) -> None:
    made(bench, 43)
    for _ in range(2):
        delete_application(bench.ctx, ANN, EVERY_CLIENT, 1, 43)
    assert [line.change.action for line in lines(bench)] == ["deleted", "created"]
    for gone in (43, 44):
        with pytest.raises(NotFound, match=f"no application {gone}"):
            rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, gone, name="A")
    with pytest.raises(NotFound):
        delete_application(bench.ctx, ANN, EVERY_CLIENT, 1, 44)


def test_a_name_is_changed_and_logged_where_it_differs(bench: Bench) -> None:
    made(bench, 43)
    for _ in range(2):
        rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, 43, name=" Shop 2 ")
    changed, created = lines(bench)
    assert (changed.change.before, changed.change.after) == ({"name": "Shop"}, {"name": "Shop 2"})
    assert (created.change.object_id, created.change.after) == (43, {"name": "Shop"})
    with pytest.raises(Refused):
        rename_application(bench.ctx, ANN, EVERY_CLIENT, 1, 43, name="")


def test_a_client_has_no_more_than_are_permitted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manage_applications, "MOST_APPLICATIONS", 1)
    made(bench)
    with pytest.raises(Refused, match="at most 1 applications"):
        made(bench)


def test_what_another_client_has_is_not_there(bench: Bench) -> None:
    made(bench, 43, client=2)
    mine = only([1])
    assert list_applications(bench.ctx, mine, [1]) == [DEFAULT]
    for refused in (
        lambda: list_applications(bench.ctx, mine, [2]),
        lambda: create_application(bench.ctx, ANN, mine, 2, application_id=None, name="A"),
        lambda: rename_application(bench.ctx, ANN, mine, 2, 43, name="A"),
        lambda: delete_application(bench.ctx, ANN, mine, 2, 43),
    ):
        with pytest.raises(NotFound, match="There is no client 2"):
            refused()
