"""What databases of pictures hold: nothing, a week, or many things with long or hostile texts."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from wallarm_notify.devstack.past import Past, Trouble, past_of, refusal
from wallarm_notify.devstack.stack import Stack
from wallarm_notify.devstack.week import OPERATOR, SEED, key_of, play_week
from wallarm_notify.devstack.week_events import EventSource
from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.integration import Draft
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import TriggerDraft, check_criteria, check_threshold
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.computations import create_explanation, work_on_computations
from wallarm_notify.services.manage_applications import create_application
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.manage_integrations import create_integration
from wallarm_notify.services.manage_tokens import create_token
from wallarm_notify.services.manage_triggers import create_trigger
from wallarm_notify.services.manage_users import create_user
from wallarm_notify.services.replay_jobs import create_replay_job, work_on_replay_jobs
from wallarm_notify.store import Transaction
from wallarm_notify.task_names import QUEUES

AT: Final = datetime(2026, 3, 17, 2, 12, tzinfo=UTC)
"""When all pictures are taken: at night, when somebody was woken."""

CLIENT: Final = 1
"""The only client where there is no week."""

ADMINISTRATOR: Final = "ana@harbour.example"
"""An administrator of the client with this number, in each database."""

_LONG: Final = (
    "Payments and settlements of all subsidiaries in Europe, the Middle East and Africa, second level, "
    "weekends and public holidays included, and Kapitänspatenterneuerungsverordnungsbehörde"
)
_HOSTILE: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"

_MANY: Final = 14
_TEXTS_LAST: Final = timedelta(days=2)


def fill_empty(stack: Stack, url: str) -> None:
    """Fill a database with nothing but a client's name, and people."""
    with past_of(url, stack.settings, AT) as past:
        _make_people(past, "Harbour Books", "Ana")


def fill_week(stack: Stack, url: str) -> None:
    """Fill a database with the week of ``make console``."""
    play_week(url, stack.settings, AT)


def fill_long(stack: Stack, url: str) -> None:
    """Fill a database with many things of long names."""
    _fill_texts(stack, url, _LONG)


def fill_hostile(stack: Stack, url: str) -> None:
    """Fill a database with things whose names are markup."""
    _fill_texts(stack, url, _HOSTILE)


FILLS: Final[Mapping[str, Callable[[Stack, str], None]]] = {
    "empty": fill_empty,
    "week": fill_week,
    "long": fill_long,
    "hostile": fill_hostile,
}


def note_processes(stack: Stack) -> None:
    """Note that a worker, the schedule and the broker are there now, by the database's clock."""
    every, gap = timedelta(seconds=10), timedelta(minutes=1)

    def work(tx: Transaction) -> None:
        tx.note_heartbeat("first@worker-1", tuple(QUEUES), AT, every, gap)
        tx.note_heartbeat("retries@worker-2", ("retries",), AT, every, gap)
        tx.note_queue_lengths(dict.fromkeys(QUEUES, 0))
        for name in ("sweep", "review", "prune"):
            tx.may_run(name, timedelta())

    stack.wiring.store.transact(work)


def _make_people(past: Past, client_name: str, name: str) -> None:
    by, ctx = operator("Ops"), past.context
    create_user(ctx, by, EVERY_CLIENT, UserDraft(None, OPERATOR, "Ops", Role.OPERATOR))
    set_client(ctx, by, EVERY_CLIENT, CLIENT, name=client_name)
    draft = UserDraft(CLIENT, ADMINISTRATOR, name, Role.ADMINISTRATOR)
    create_user(ctx, by, EVERY_CLIENT, draft)


def _fill_texts(stack: Stack, url: str, text: str) -> None:
    """Fill a database with many things of one client that are called ``text``, some of which fail."""
    source = EventSource(CLIENT, "harbour.example", random.Random(SEED), text=text)  # noqa: S311 - the same every time
    with past_of(url, stack.settings, AT - _TEXTS_LAST) as past:
        _make_people(past, text, text[:100])
        failing = _make_things(past, text)
        past.troubles.append(Trouble(failing, AT - timedelta(hours=3), AT, refusal(500, text * 4)))
        for n in range(_MANY):
            at = AT - _TEXTS_LAST + timedelta(hours=3.3 * n, minutes=5)
            for event in (
                source.security_issue(at, "critical"),
                source.attack(at, "sqli"),
                source.rule(at, "updated"),
                source.user_created(at, "admin"),
                source.denylisted(at),
            ):
                past.emit(event)
            past.reject(at, source.wrong(at))
        past.emit(source.security_issue(AT - timedelta(minutes=20), "critical"))
        past.at(AT - timedelta(hours=1), partial(_ask, past, failing))
        past.play(AT)


def _make_things(past: Past, text: str) -> int:
    """Make many of each kind; return the integration that fails later."""
    by, ctx = operator("Ops"), past.context
    create_application(ctx, by, EVERY_CLIENT, CLIENT, application_id=8, name=text[:200])
    create_token(ctx, by, EVERY_CLIENT, TokenDraft(CLIENT, Role.ADMINISTRATOR, name=text[:100]))
    made = []
    for n in range(_MANY):
        name = f"{n} {text}"[:200]
        asked = ("security_issue_critical", "system") if n < 2 else ("system",)  # noqa: PLR2004 - two
        draft = Draft(CLIENT, "us", asked, enabled=n % 3 < 2, name=name)  # noqa: PLR2004 - a third is off
        made.append(create_integration(ctx, by, EVERY_CLIENT, draft, key_of(name)).id)
    for n in range(_MANY):
        criteria = check_criteria(
            Condition.ATTACKS_EXCEEDED, (), check_threshold(n, timedelta(hours=1))
        )
        trigger = TriggerDraft(
            CLIENT, criteria, tuple(made[:3]), name=f"{n} {text}"[:200], comment=text
        )
        create_trigger(ctx, by, EVERY_CLIENT, trigger)
    return made[0]


def _ask(past: Past, integration_id: int) -> None:
    """Have something replayed and something computed, so that there is a page of each."""
    ctx, by = past.context, operator("Ops")
    wanted = Wanted(integration_id, (State.FAILED,))
    create_replay_job(ctx, by, EVERY_CLIENT, wanted)
    work_on_replay_jobs(ctx)
    create_explanation(ctx, by, EVERY_CLIENT, integration_id)
    work_on_computations(ctx)
