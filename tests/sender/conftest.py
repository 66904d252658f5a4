from __future__ import annotations

import pytest

from wallarm_notify.sender import recorder


@pytest.fixture(autouse=True)
def kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The use cases of a recorder are methods of what it was given as its context: see ``claims.Kept``."""
    for name in ("record", "follow_up", "mark_slow", "put_back"):

        def call(ctx: object, *args: object, _name: str = name, **named: object) -> object:
            return getattr(ctx, _name)(*args, **named)

        monkeypatch.setattr(recorder, name, call)
