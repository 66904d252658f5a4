"""What clients have, for tests of whose things somebody sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from build import a_rejection, an_event_for

from entrypoints.command_line import KEY
from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.computations import cancel_computation, create_explanation
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.manage_applications import create_application
from wallarm_notify.services.manage_tokens import create_token
from wallarm_notify.services.manage_users import create_user
from wallarm_notify.services.replay_jobs import cancel_replay_job, create_replay_job
from wallarm_notify.services.sessions import make_sign_in_link, sign_in_by_link

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine


@dataclass(frozen=True)
class Owned:
    """One of each kind that a client has."""

    client_id: int
    integration_id: int
    trigger_id: int
    notification_id: int
    rejected_id: int
    event_id: str
    replay_id: int
    computation_id: int
    message_id: int = 1
    call_id: int = 1
    user_id: int = 983
    token_id: int = 984
    session_id: int = 985
    application_id: int = 986
    line_id: int = 987
    link: str = "x" * 43

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by the names that paths have for them."""
        return {
            "integration_id": self.integration_id,
            "trigger_id": self.trigger_id,
            "notification_id": self.notification_id,
            "rejected_id": self.rejected_id,
            "event_id": self.event_id,
            "event_type": "user.created",
            "replay_id": self.replay_id,
            "computation_id": self.computation_id,
            "message_id": self.message_id,
            "call_id": self.call_id,
            "user_id": self.user_id,
            "token_id": self.token_id,
            "session_id": self.session_id,
            "application_id": self.application_id,
            "line_id": self.line_id,
        }


def with_nobodys(line: CommandLine, whose: Owned) -> Owned:
    """Store an undecodable message and a call set aside, which belong to no client, and make a sign-in link.

    Return them beside what a client has.
    """
    body = b'[[], {"events": [{"type": "no.such"}]}, {}]'
    call = TriedCall(sha256(body).digest(), "application/json", "utf-8", "{}", body)
    store = line.wiring.store
    store.transact(lambda tx: tx.store_undecodable("no JSON", None, body + b"}", size=None))
    store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=timedelta(hours=1)))
    message = line.json("events", "undecodable")["items"][0]["id"]
    call_id = line.json("events", "set-aside")["items"][0]["id"]
    ops, email = operator("Ops"), f"{uuid4()}@example.com"
    draft = UserDraft(whose.client_id, email, "Somebody", Role.ANALYST)
    create_user(line.wiring.context, ops, EVERY_CLIENT, draft)
    link = make_sign_in_link(line.wiring.context, ops, EVERY_CLIENT, email)
    return replace(whose, message_id=message, call_id=call_id, link=link.reveal())


def owned(line: CommandLine, client_id: int) -> Owned:
    """Store one of each kind for a client: of its event a notification that failed."""
    of = ("--client", client_id)
    key = f"{KEY}\n"
    integration = line.json("integrations", "create", *of, "--key", "-", stdin=key)["id"]
    trigger = line.json(
        *("triggers", "create", *of, "--condition", "user_created", "--integration", integration)
    )["id"]
    event = an_event_for("user_created", client_id=client_id)
    ingest(line.wiring.context, [event], [a_rejection(client_id=client_id)])
    shown = line.json("notifications", "list", *of)["items"]
    line.end_all("failed")
    rejected = line.json("events", "rejected")["items"][0]["id"]
    admin = Actor("Ana", Role.ADMINISTRATOR, Source.API)
    replay = create_replay_job(
        *(line.wiring.context, admin, only([client_id])), Wanted(integration, (State.CANCELLED,))
    )
    cancel_replay_job(line.wiring.context, admin, only([client_id]), replay.id)
    computation = create_explanation(line.wiring.context, admin, only([client_id]), integration)
    cancel_computation(line.wiring.context, admin, only([client_id]), computation.id)
    return Owned(
        *(client_id, integration, trigger, shown[0]["id"], rejected, str(event.id), replay.id),
        computation.id,
        **of_people(line, client_id),
    )


def of_people(line: CommandLine, client_id: int) -> dict[str, Any]:
    """Store a user who has signed in, a token and an application for a client; return their ids."""
    context, actor = line.wiring.context, operator("Ops")
    email = f"{uuid4()}@example.com"
    draft = UserDraft(client_id, email, "Somebody", Role.READ_ONLY)
    user = create_user(context, actor, EVERY_CLIENT, draft)
    link = make_sign_in_link(context, actor, EVERY_CLIENT, email)
    begun = sign_in_by_link(context, link.reveal(), "127.0.0.1", datetime.now(UTC))
    token = create_token(context, actor, EVERY_CLIENT, TokenDraft(client_id, Role.READ_ONLY))
    number = 100 + client_id
    lines = line.json("activity", "list", "--client", client_id)["items"]
    create_application(
        context, actor, EVERY_CLIENT, client_id, application_id=number, name=f"Shop {client_id}"
    )
    return {
        "user_id": user.id,
        "token_id": token.token.id,
        "session_id": begun.session.id,
        "application_id": number,
        "line_id": next(one["id"] for one in lines if one["object_type"] == "user"),
    }
