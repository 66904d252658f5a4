"""Scopes of changing: what belongs to another client is refused in the words for what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    Bench,
    a_key,
    a_rejection,
    a_trigger_draft,
    an_event,
    an_integration_draft,
)

from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.client import ParentOf
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.session import Way
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.triggers.trigger import TriggerChange
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services import (
    drill,
    manage_clients,
    manage_integrations,
    manage_tokens,
    manage_triggers,
    manage_users,
    replay,
    resubmit,
    resubmit_message,
    send_test_alerts,
    sessions,
)
from wallarm_notify.services.resubmit_message import SET_ASIDE, UNDECODABLE
from wallarm_notify.services.rotate_secrets import rotate_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.services.context import Context

MISSING = 4711
ANN = Actor("Ann", Role.ADMINISTRATOR, Source.CONSOLE)
OPS = operator("Ops")
MINE = only([1])


@dataclass(frozen=True)
class Asked:
    """Who asks a use case, and the number of what it is asked to do something to."""

    ctx: Context
    number: int

    @property
    def first(self) -> tuple[Context, Actor, Scope, int]:
        return self.ctx, ANN, MINE, self.number


def unsent(*_: Any) -> Answer:
    raise AssertionError("a test alert, or a drill, was sent")


UNSENT = send_test_alerts.Ways(unsent, unsent)


def integration_of(bench: Bench) -> int:
    return bench.integration(client_id=2, enabled=True)


def disabled_integration_of(bench: Bench) -> int:
    return bench.integration(client_id=2, enabled=False)


def trigger_of(bench: Bench) -> int:
    return bench.trigger(client_id=2, condition="user_created").id


def disabled_trigger_of(bench: Bench) -> int:
    return bench.trigger(client_id=2, condition="user_created", enabled=False).id


def skipped(bench: Bench) -> tuple[int, int]:
    """An integration of client 2 and a notification of it that can be replayed."""
    integration = bench.integration(client_id=2)
    bench.disable_integration(integration)
    bench.ingest(an_event(client_id=2))
    bench.enable_integration(integration)
    return integration, bench.value("SELECT max(id) FROM notifications")


def rejected_of(client: object) -> Callable[[Bench], int]:
    def make(bench: Bench) -> int:
        bench.ingest(rejections=[a_rejection(client_id=client)])
        return int(bench.value("SELECT max(id) FROM rejected"))

    return make


def undecodable(bench: Bench) -> int:
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", "text/plain", b"x"))
    return int(bench.value("SELECT max(id) FROM undecodable"))


def aside(bench: Bench) -> int:
    call = TriedCall(b"d" * 32, "application/json", "utf-8", "{}", b"[]")
    bench.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=bench.ctx.settings.grace))
    return int(bench.value("SELECT max(id) FROM quarantine"))


def user_of(bench: Bench) -> int:
    draft = UserDraft(2, "ana@example.com", "Ana", Role.ANALYST)
    return manage_users.create_user(bench.ctx, OPS, EVERY_CLIENT, draft).id


def session_of(bench: Bench) -> int:
    user, at = user_of(bench), datetime.now(UTC)
    return bench.store.transact(
        lambda tx: tx.insert_session(b"s" * 32, Way.LINK, user, None, at)
    ).id


def disabled_user_of(bench: Bench) -> int:
    return manage_users.disable_user(bench.ctx, OPS, EVERY_CLIENT, user_of(bench)).id


def token_of(bench: Bench) -> int:
    draft = TokenDraft(2, Role.ANALYST)
    return manage_tokens.create_token(bench.ctx, OPS, EVERY_CLIENT, draft).token.id


def operators_token(bench: Bench) -> int:
    draft = TokenDraft(None, Role.OPERATOR)
    return manage_tokens.create_token(bench.ctx, OPS, EVERY_CLIENT, draft).token.id


WANTED_STATE = State.SKIPPED

USE_CASES: list[tuple[str, Callable[[Bench], int], Callable[[Asked], object]]] = [
    (
        "apply integration",
        integration_of,
        lambda a: manage_integrations.apply_integration(*a.first, IntegrationChange(name="x")),
    ),
    (
        "apply integration, nothing",
        integration_of,
        lambda a: manage_integrations.apply_integration(*a.first, IntegrationChange()),
    ),
    (
        "enable integration",
        disabled_integration_of,
        lambda a: manage_integrations.enable_integration(*a.first),
    ),
    (
        "enable integration that is enabled",
        integration_of,
        lambda a: manage_integrations.enable_integration(*a.first),
    ),
    (
        "disable integration",
        integration_of,
        lambda a: manage_integrations.disable_integration(*a.first, reason=""),
    ),
    (
        "delete integration",
        integration_of,
        lambda a: manage_integrations.delete_integration(*a.first, reason=""),
    ),
    (
        "test integration",
        integration_of,
        lambda a: send_test_alerts.send_test_alerts(a.ctx, MINE, a.number, UNSENT),
    ),
    (
        "drill integration",
        integration_of,
        lambda a: drill.drill(a.ctx, MINE, a.number, unsent),
    ),
    (
        "apply trigger",
        trigger_of,
        lambda a: manage_triggers.apply_trigger(*a.first, TriggerChange(name="x")),
    ),
    (
        "apply trigger, integrations that are not there",
        trigger_of,
        lambda a: manage_triggers.apply_trigger(
            *a.first, TriggerChange(integration_ids=(MISSING,))
        ),
    ),
    ("enable trigger", disabled_trigger_of, lambda a: manage_triggers.enable_trigger(*a.first)),
    ("disable trigger", trigger_of, lambda a: manage_triggers.disable_trigger(*a.first)),
    ("duplicate trigger", trigger_of, lambda a: manage_triggers.duplicate_trigger(*a.first)),
    ("delete trigger", trigger_of, lambda a: manage_triggers.delete_trigger(*a.first)),
    (
        "replay by id",
        lambda bench: skipped(bench)[1],
        lambda a: replay.replay_notifications(a.ctx, ANN, MINE, [a.number]),
    ),
    (
        "count what can be replayed",
        lambda bench: skipped(bench)[0],
        lambda a: replay.count_replayable(a.ctx, MINE, Wanted(a.number, (WANTED_STATE,))),
    ),
    (
        "replay by filter",
        lambda bench: skipped(bench)[0],
        lambda a: replay.replay_slice(a.ctx, ANN, MINE, Wanted(a.number, (WANTED_STATE,)), 0),
    ),
    (
        "resubmit event",
        rejected_of(2),
        lambda a: resubmit.resubmit_event(*a.first, an_event()),
    ),
    (
        "resubmit event of nobody",
        rejected_of("?"),
        lambda a: resubmit.resubmit_event(*a.first, an_event()),
    ),
    (
        "what is kept of an event",
        rejected_of(2),
        lambda a: resubmit.rejected_body(a.ctx, MINE, a.number),
    ),
    (
        "resubmit undecodable message",
        undecodable,
        lambda a: resubmit_message.resubmit_message(
            *(a.ctx, ANN, MINE, UNDECODABLE, a.number), events=[an_event()], rejections=[]
        ),
    ),
    (
        "what is kept of an undecodable message",
        undecodable,
        lambda a: resubmit_message.message_body(a.ctx, MINE, UNDECODABLE, a.number),
    ),
    (
        "resubmit set-aside call",
        aside,
        lambda a: resubmit_message.resubmit_message(
            *(a.ctx, ANN, MINE, SET_ASIDE, a.number), events=[an_event()], rejections=[]
        ),
    ),
    (
        "what is kept of a set-aside call",
        aside,
        lambda a: resubmit_message.message_body(a.ctx, MINE, SET_ASIDE, a.number),
    ),
    (
        "create integration",
        lambda _: 2,
        lambda a: manage_integrations.create_integration(
            *(a.ctx, ANN, MINE, an_integration_draft(client_id=a.number), a_key())
        ),
    ),
    (
        "test a key",
        lambda _: 2,
        lambda a: send_test_alerts.send_test_alerts_unsaved(
            *(a.ctx, MINE, a.number, "us", a_key()), ways=UNSENT
        ),
    ),
    (
        "create trigger",
        lambda _: 2,
        lambda a: manage_triggers.create_trigger(
            *(a.ctx, ANN, MINE, a_trigger_draft(1, client_id=a.number))
        ),
    ),
    (
        "set client",
        lambda _: 2,
        lambda a: manage_clients.set_client(*a.first, name="x"),
    ),
    (
        "set client's parent",
        lambda _: 2,
        lambda a: manage_clients.set_client(*a.first[:3], 1, parent=ParentOf(a.number)),
    ),
    (
        "create user",
        lambda _: 2,
        lambda a: manage_users.create_user(
            *a.first[:3], UserDraft(a.number, "b@example.com", "B", Role.ANALYST)
        ),
    ),
    (
        "change role",
        user_of,
        lambda a: manage_users.change_role(*a.first, Role.READ_ONLY),
    ),
    ("end session", session_of, lambda a: sessions.end_session(*a.first)),
    ("disable user", user_of, lambda a: manage_users.disable_user(*a.first)),
    ("enable user", disabled_user_of, lambda a: manage_users.enable_user(*a.first)),
    (
        "create token",
        lambda _: 2,
        lambda a: manage_tokens.create_token(*a.first[:3], TokenDraft(a.number, Role.ANALYST)),
    ),
    ("renew token", token_of, lambda a: manage_tokens.renew_token(*a.first)),
    ("disable token", token_of, lambda a: manage_tokens.disable_token(*a.first)),
    ("renew operator's token", operators_token, lambda a: manage_tokens.renew_token(*a.first)),
    ("disable operator's token", operators_token, lambda a: manage_tokens.disable_token(*a.first)),
]


@pytest.mark.parametrize(
    ("make", "act"), [pytest.param(make, act, id=name) for name, make, act in USE_CASES]
)
def test_anothers_is_as_if_it_were_not_there_and_nothing_of_it_changes(
    bench: Bench, make: Callable[[Bench], int], act: Callable[[Asked], object]
) -> None:
    anothers = make(bench)
    bench.publisher.taken()
    before = bench.all_rows()
    sentences = []
    for number in (anothers, MISSING):
        with pytest.raises(NotFound) as caught:
            act(Asked(bench.ctx, number))
        sentences.append(str(caught.value).replace(str(number), "N"))
    assert sentences[0] == sentences[1]
    assert bench.all_rows() == before
    assert bench.publisher.taken() == []


def test_a_trigger_cannot_be_given_anothers_integration_in_the_words_for_a_missing_one(
    bench: Bench,
) -> None:
    mine, others = bench.integration(), bench.integration(client_id=2)
    trigger = bench.trigger(mine, condition="user_created")
    for one in (others, MISSING):
        sentence = f"^integration: there is no integration {one}.$"
        with pytest.raises(Refused, match=sentence):
            manage_triggers.create_trigger(bench.ctx, ANN, MINE, a_trigger_draft(one))
        with pytest.raises(Refused, match=sentence):
            manage_triggers.apply_trigger(
                *(bench.ctx, ANN, MINE, trigger.id), TriggerChange(integration_ids=(one,))
            )


def test_a_rejected_event_cannot_become_anothers(bench: Bench) -> None:
    number = rejected_of(1)(bench)
    before = bench.all_rows()
    with pytest.raises(NotFound, match="There is no client 2"):
        resubmit.resubmit_event(bench.ctx, ANN, MINE, number, an_event(client_id=2))
    assert bench.all_rows() == before


def test_nobody_is_warned_of_anothers_integration_that_has_the_same_key(bench: Bench) -> None:
    key = a_key()
    bench.integration(key, client_id=2)
    made = manage_integrations.create_integration(bench.ctx, ANN, MINE, an_integration_draft(), key)
    assert made.warnings == ()
    change = IntegrationChange(key=key)
    again = manage_integrations.apply_integration(bench.ctx, ANN, MINE, made.id, change)
    assert again.integration.warnings == ()


def test_the_secret_keys_are_not_within_some_clients(bench: Bench) -> None:
    bench.integration()
    before = bench.value("SELECT key_token FROM integrations")
    with pytest.raises(NotFound, match="There are no secret keys"):
        rotate_secrets(bench.ctx, ANN, MINE)
    assert bench.value("SELECT key_token FROM integrations") == before


def test_within_its_scope_an_administrator_does_all_of_it(bench: Bench) -> None:
    ctx = bench.ctx
    made = manage_integrations.create_integration(ctx, ANN, MINE, an_integration_draft(), a_key())
    trigger = manage_triggers.create_trigger(ctx, ANN, MINE, a_trigger_draft(made.id))
    copy = manage_triggers.duplicate_trigger(ctx, ANN, MINE, trigger.id)
    assert copy.integration_ids == (made.id,)
    manage_triggers.disable_trigger(ctx, ANN, MINE, copy.id)
    manage_triggers.enable_trigger(ctx, ANN, MINE, copy.id)
    manage_triggers.delete_trigger(ctx, ANN, MINE, copy.id)
    manage_integrations.disable_integration(ctx, ANN, MINE, made.id, reason="")
    bench.ingest(an_event(), an_event())
    manage_integrations.enable_integration(ctx, ANN, MINE, made.id)
    wanted = Wanted(made.id, (State.SKIPPED,))
    assert replay.count_replayable(ctx, MINE, wanted) == 2
    ids = [row["id"] for row in bench.sql("SELECT id FROM notifications ORDER BY id")]
    assert replay.replay_notifications(ctx, ANN, MINE, ids[:1]) == 1
    assert replay.replay_slice(ctx, ANN, MINE, wanted, 0) == (1, None)
    number = rejected_of(1)(bench)
    assert resubmit.rejected_body(ctx, MINE, number)
    resubmit.resubmit_event(ctx, ANN, MINE, number, an_event())
    assert manage_clients.set_client(ctx, ANN, MINE, 1, name="ACME").name == "ACME"
    manage_integrations.delete_integration(ctx, ANN, MINE, made.id, reason="")
    who = bench.sql("SELECT DISTINCT client_id, actor, role, source FROM activity")
    assert who == [{"client_id": 1, "actor": "Ann", "role": "admin", "source": "console"}]
    assert bench.ledger().findings == []
