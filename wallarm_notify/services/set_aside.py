"""Calls that are set aside, as workers died of them: shown to operators, and tried again by SWEEP each hour."""

from datetime import timedelta
from typing import Final, Protocol

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.set_aside import AGAIN_IN, SetAsideCall, TriedCall
from wallarm_notify.domain.views import ShownSetAside
from wallarm_notify.services.ports import Store

AT_ONCE: Final = 10
"""So many are tried again in one run at most; the next goes on."""


class SetAsideQueries(Protocol):
    """What is asked of the database."""

    def set_aside_call(self, call_id: int) -> ShownSetAside | None:
        """One call, whole."""
        ...

    def due_set_aside(self, again_in: timedelta) -> SetAsideCall | None:
        """A call whose next try is due, which is put off by ``again_in``."""
        ...


class Calls(Protocol):
    """The queue of calls."""

    def enqueue(self, call: TriedCall) -> bool:
        """Enqueues ``call`` as it was, to be begun alone; whether the broker took it."""
        ...


def show_set_aside(store: Store[SetAsideQueries], call_id: int) -> ShownSetAside:
    """One call that is set aside. Raises NotFound, Unavailable."""
    shown = store.transact(lambda tx: tx.set_aside_call(call_id))
    if shown is None:
        raise NotFound(f"No call {call_id} is set aside.")
    return shown


def try_again(store: Store[SetAsideQueries], calls: Calls) -> int:
    """Enqueues what was set aside an hour ago, or tried then for the last time; how many. Raises Unavailable.

    One that the broker does not take is due in an hour again, as is one that another worker dies of.
    """
    tried = 0
    for _ in range(AT_ONCE):
        due = store.transact(lambda tx: tx.due_set_aside(AGAIN_IN))
        if due is None:
            break
        tried += calls.enqueue(due.call)
    return tried
