"""Each change names in the activity log who made it, in which role, by which way in, whatever it is of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import a_key, a_rejection, a_trigger_draft, an_event, an_integration_draft

from wallarm_notify.domain.activity import Action, Activity, ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.session import Way
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.triggers.trigger import TriggerChange
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services import manage_applications as applications
from wallarm_notify.services import manage_integrations as integrations
from wallarm_notify.services import manage_tokens as tokens
from wallarm_notify.services import manage_triggers as triggers
from wallarm_notify.services import manage_users as users
from wallarm_notify.services import sessions
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.replay import replay_notifications
from wallarm_notify.services.replay_jobs import create_replay_job, do_replay_slice
from wallarm_notify.services.restore import cancel_may_be_sent
from wallarm_notify.services.resubmit import resubmit_event
from wallarm_notify.services.rotate_secrets import rotate_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from build import Bench

Who = tuple[Any, Actor, Any]
"""What each use case is given first: the context, who asks, and whose things."""

ACTORS: Final = {
    "a user's token": Actor("Ana", Role.ADMINISTRATOR, Source.API, 7),
    "a shared token": Actor("CI", Role.ADMINISTRATOR, Source.API),
    "the console": Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE, 7),
    "the command line": operator("root"),
}
BY: Final = operator("somebody before")


def before(bench: Bench) -> Who:
    return bench.ctx, BY, EVERY_CLIENT


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def a_skipped_one(bench: Bench) -> tuple[int, list[int]]:
    """Return an integration that is enabled again, and what was skipped while it was not."""
    number = bench.integration(enabled=False)
    bench.ingest(an_event())
    bench.enable_integration(number)
    return number, [row["id"] for row in bench.sql("SELECT id FROM notifications")]


def an_application(bench: Bench) -> int:
    made = applications.create_application(*before(bench), 1, application_id=None, name="Shop")
    return made.id


def a_user(bench: Bench) -> int:
    draft = UserDraft(1, "bob@example.com", "Bob", Role.ANALYST)
    return users.create_user(*before(bench), draft).id


def a_session(bench: Bench) -> int:
    user = a_user(bench)
    bench.ctx.store.transact(
        lambda tx: tx.insert_session(b"s" * 32, Way.LINK, user, None, datetime.now(UTC))
    )
    return int(bench.value("SELECT max(id) FROM sessions"))


def a_token(bench: Bench) -> int:
    return tokens.create_token(*before(bench), TokenDraft(1, Role.ANALYST)).token.id


def a_replay_job(bench: Bench, who: Who) -> None:
    number, _ = a_skipped_one(bench)
    create_replay_job(*who, Wanted(number, (State.SKIPPED,)))
    while do_replay_slice(bench.ctx) is not None:
        pass


def a_resubmission(bench: Bench, who: Who) -> None:
    bench.ingest(rejections=[a_rejection()])
    resubmit_event(*who, bench.value("SELECT id FROM rejected"), an_event())


MADE: Final[dict[str, tuple[str, Callable[[Bench, Who], object]]]] = {
    "integrations": (
        "integration created",
        lambda _, who: integrations.create_integration(*who, an_integration_draft(), a_key()),
    ),
    "triggers": (
        "trigger created",
        lambda b, who: triggers.create_trigger(*who, a_trigger_draft(b.integration())),
    ),
    "users": (
        "user created",
        lambda _, who: users.create_user(
            *who, UserDraft(1, "bob@example.com", "Bob", Role.ANALYST)
        ),
    ),
    "tokens": (
        "token created",
        lambda _, who: tokens.create_token(*who, TokenDraft(1, Role.ANALYST)),
    ),
}
"""What has the name of who made it, by its table."""


def a_restore(bench: Bench, who: Who) -> None:
    """Cancel what may have been sent before the database was lost."""
    bench.integration()
    bench.made(1)
    cancel_may_be_sent(*who)


CHANGES: Final[dict[str, Callable[[Bench, Who], object]]] = {
    **dict(MADE.values()),
    "trigger created by a copy": lambda b, who: triggers.duplicate_trigger(
        *who, b.trigger(threshold="2 in 1h").id
    ),
    "integration updated": lambda b, who: integrations.apply_integration(
        *who, b.integration(), IntegrationChange(name="x")
    ),
    "integration disabled": lambda b, who: integrations.disable_integration(
        *who, b.integration(), reason=""
    ),
    "integration disabled by a pause": lambda b, who: integrations.disable_integration(
        *who, b.integration(), reason="", until=soon()
    ),
    "integration enabled": lambda b, who: integrations.enable_integration(
        *who, b.integration(enabled=False)
    ),
    "integration deleted": lambda b, who: integrations.delete_integration(
        *who, b.integration(), reason=""
    ),
    "trigger updated": lambda b, who: triggers.apply_trigger(
        *who, b.trigger(threshold="2 in 1h").id, TriggerChange(name="x")
    ),
    "trigger disabled": lambda b, who: triggers.disable_trigger(
        *who, b.trigger(threshold="2 in 1h").id
    ),
    "trigger disabled by a pause": lambda b, who: triggers.disable_trigger(
        *who, b.trigger(threshold="2 in 1h").id, until=soon()
    ),
    "trigger enabled": lambda b, who: triggers.enable_trigger(
        *who, b.trigger(threshold="2 in 1h", enabled=False).id
    ),
    "trigger deleted": lambda b, who: triggers.delete_trigger(
        *who, b.trigger(threshold="2 in 1h").id
    ),
    "trigger updated by its integration's deletion": lambda b, who: integrations.delete_integration(
        *who, b.trigger(threshold="2 in 1h").integration_ids[0], reason=""
    ),
    "client updated": lambda _, who: set_client(*who, 1, name="ACME"),
    "application created": lambda _, who: applications.create_application(
        *who, 1, application_id=43, name="Shop"
    ),
    "application updated": lambda b, who: applications.rename_application(
        *who, 1, an_application(b), name="Store"
    ),
    "application deleted": lambda b, who: applications.delete_application(
        *who, 1, an_application(b)
    ),
    "user updated": lambda b, who: users.change_role(*who, a_user(b), Role.READ_ONLY),
    "session deleted": lambda b, who: sessions.end_session(*who, a_session(b)),
    "user disabled": lambda b, who: users.disable_user(*who, a_user(b)),
    "token renewed": lambda b, who: tokens.renew_token(*who, a_token(b)),
    "token disabled": lambda b, who: tokens.disable_token(*who, a_token(b)),
    "integration replayed": lambda b, who: replay_notifications(*who, a_skipped_one(b)[1]),
    "integration replayed by a job": a_replay_job,
    "integration cancelled": a_restore,
    "rejected_event resubmitted": a_resubmission,
    "encryption_keys rotated": lambda _, who: rotate_secrets(*who),
}
"""What can be done, by the object and the action of its line."""


def lines(bench: Bench) -> list[Activity]:
    page = list_activity(
        *(bench.ctx, EVERY_CLIENT, Role.OPERATOR), client_id=None, cursor=None, limit=50
    )
    return list(page.items)


def words_of(line: Activity) -> str:
    return f"{line.change.object_type} {line.change.action}"


@pytest.mark.parametrize("actor", ACTORS.values(), ids=ACTORS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_logged_under_who_made_it(bench: Bench, name: str, actor: Actor) -> None:
    CHANGES[name](bench, (bench.ctx, actor, EVERY_CLIENT))
    wanted = " ".join(name.split()[:2])
    (line,) = [one for one in lines(bench) if words_of(one) == wanted and one.actor == actor]
    newest = lines(bench)[0]
    assert newest.actor == actor, words_of(newest)
    assert line.id <= newest.id


@pytest.mark.parametrize("actor", ACTORS.values(), ids=ACTORS)
@pytest.mark.parametrize("table", MADE)
def test_what_is_made_keeps_the_name_of_who_made_it(bench: Bench, table: str, actor: Actor) -> None:
    MADE[table][1](bench, (bench.ctx, actor, EVERY_CLIENT))
    assert bench.value(f"SELECT created_by FROM {table}") == actor.name


def test_each_kind_of_change_is_in_the_table() -> None:
    found = {tuple(name.split()[:2]) for name in CHANGES}
    assert {action for _, action in found} == set(Action)
    messages = {ObjectType.UNDECODABLE_MESSAGE, ObjectType.SET_ASIDE_CALL}
    assert {kind for kind, _ in found} == set(ObjectType) - messages
