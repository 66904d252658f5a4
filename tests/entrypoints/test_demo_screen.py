"""The demo's tables, at the widths of terminals that people have."""

from __future__ import annotations

import re
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from entrypoints.test_demo import A_TRIGGER, NOON, a_firing, a_ledger, all_well
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.notification import State
from wallarm_notify.entrypoints.demo import screen
from wallarm_notify.entrypoints.demo.progress import Progress
from wallarm_notify.entrypoints.demo.scenario import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

INTEGRATIONS = {
    role: Integration(
        id=98765432,
        client_id=1,
        name=role.name,
        region=role.region,
        key_last4="efXY",
        subscriptions=tuple(one.value for one in role.subscriptions),
        enabled=True,
        created_by="demo",
        created_at=NOON,
    )
    for role in ROLES
}
WAITS = "HTTP 503 “Service Unavailable”; attempt 12 of 17 in 2.0 s"
STATES = {State.DELIVERED: 31, State.RETRYING: 7, State.FAILED: 3, State.PENDING: 11}


def printed(what: RenderableType, width: int) -> str:
    file = StringIO()
    Console(file=file, width=width).print(what)
    return file.getvalue()


def of_integrations(room: int) -> RenderableType:
    return screen.integrations(INTEGRATIONS, room)


def of_progress(room: int) -> RenderableType:
    shown = [Progress(role, one, 52, STATES, WAITS) for role, one in INTEGRATIONS.items()]
    return screen.going_on(shown, room)


def of_endings(room: int) -> RenderableType:
    return screen.summary(list(all_well().values()), room)


def of_the_ledger(room: int) -> RenderableType:
    return screen.ledger(a_ledger(), room)


def of_a_trigger(room: int) -> RenderableType:
    shown = a_firing()
    return screen.trigger(A_TRIGGER, [shown], room)


TABLES: dict[Callable[[int], RenderableType], Iterable[str]] = {
    of_integrations: [*(f"{role.name} {role.fate}" for role in ROLES), "98765432"],
    of_progress: [*(f"{role.name} {WAITS}" for role in ROLES), "31", "7", "3", "11"],
    of_endings: ["healthy", "Accepted", "accepted", "Made", "Attempts", "Alerts"],
    of_the_ledger: ["3 received", "0 rejected", "1 unmatched", "2 matched", "4 delivered,"],
    of_a_trigger: ["12:00:00", "12:00:00 to 12:00:00", "5", "1 Accepted by PagerDuty"],
}


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_no_table_of_the_demo_breaks_a_word_or_is_wider_than_the_terminal(
    table: Callable[[int], RenderableType], width: int
) -> None:
    output = printed(table(width), width)
    assert max(map(len, output.splitlines())) <= width
    shown = Counter(re.split(r"\s+", output))
    missing = [word for text in TABLES[table] for word in text.split() if not shown[word]]
    assert not missing, output
