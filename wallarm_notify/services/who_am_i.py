"""Who am I: what whoever presents a token is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotAuthenticated
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from wallarm_notify.domain.caller import Caller
    from wallarm_notify.domain.token import Token
    from wallarm_notify.domain.user import User
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def who_am_i(ctx: Context, caller: Caller) -> tuple[Token, User | None]:
    """Return the token that was presented, and whose it is; None: it is shared.

    Raise NotAuthenticated where it has gone since, Unavailable.
    """

    def work(tx: Transaction) -> tuple[Token, User | None]:
        token = None if caller.token_id is None else tx.token(EVERY_CLIENT, caller.token_id)
        if token is None:
            raise NotAuthenticated
        user = None if caller.user_id is None else tx.user(EVERY_CLIENT, caller.user_id)
        return token, user

    return ctx.store.transact(work)
