"""Authenticate: find who presents a token, or the UUID and secret that stand for one (spec 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.caller import caller_of, is_use_to_be_noted
from wallarm_notify.domain.errors import NotAuthenticated
from wallarm_notify.domain.token import Pair, Secret

if TYPE_CHECKING:
    from datetime import datetime

    from wallarm_notify.domain.caller import Admission, Caller
    from wallarm_notify.domain.token import Presented
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def authenticate(ctx: Context, presented: Presented, address: str, now: datetime) -> Caller:
    """Return who presents this, from ``address``.

    Raise NotAuthenticated where nobody is let in, in the same words whatever the reason; TooManyFailures in its place
    where so many failed from this address already; Unavailable. What is valid is let in however many failed before.
    ``now`` is the process's time, by which a token expires.
    """
    if presented.is_nothing:
        raise NotAuthenticated
    read = presented.read()
    found = None if read is None else ctx.store.look_up(lambda tx: _admission(tx, read))
    caller = None if found is None else caller_of(found, now)
    if found is None or caller is None:
        ctx.failed_tokens.count(address, now)
        raise NotAuthenticated
    if is_use_to_be_noted(found, now):
        ctx.store.transact(lambda tx: tx.note_use(found.token_id, now))
    return caller


def _admission(tx: Transaction, read: Secret | Pair) -> Admission | None:
    """Return what decides on a token, or on the token that a pair stands for; None: there is none.

    A token is looked up by its hash. How long that takes may say something of the hash, which nobody can choose:
    who looks for a token by it would have to find another one of the same beginning, by trying, for each bit. A UUID
    is no secret, so its secret is compared in constant time.
    """
    if isinstance(read, Secret):
        return tx.admission_by_hash(read.hash)
    found = tx.admission_by_uuid(read.uuid)
    return found if found is not None and read.opens(found.secret_hash) else None
