from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from sender.claims import Kept
from wallarm_notify.sender import recorder


@pytest.fixture(autouse=True, scope="session")
def kept_in_memory() -> None:
    """The use cases of a recorder that is given a ``Kept`` as its context are methods of that.

    This is never undone: a recorder's thread lives as long as the process, and may still have something to
    record. It would try so for ever, and fill the log of the tests that come after it.
    """
    for name in ("record", "follow_up", "mark_slow", "put_back"):
        setattr(recorder, name, partial(_call, name, getattr(recorder, name)))


def _call(name: str, use_case: Any, ctx: object, *args: object, **named: object) -> object:
    if isinstance(ctx, Kept):
        return getattr(ctx, name)(*args, **named)
    return use_case(ctx, *args, **named)
