"""A diagnosis of a real database: its server, what is stored, and a part that cannot be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wallarm_notify.domain.diagnosis import Finding, Grade
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.readiness import Word
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.services.diagnose import diagnose, diagnose_stored
from wallarm_notify.services.readiness import note_heartbeat
from wallarm_notify.services.sweep import sweep
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from build import Bench


def test_a_part_that_fails_hides_nothing_of_the_others(bench: Bench) -> None:
    well = Finding("mine", Grade.GOOD, "Well.")

    def full() -> list[Finding]:
        raise OSError(28, "No space left on device")

    def broken() -> list[Finding]:
        raise RuntimeError("a secret text")

    found = diagnose(bench.ctx, QUEUES, [lambda: [well], full, broken], keys=True).findings
    assert well in found
    assert {f.part for f in found} >= {"database", "secret keys", "beat", "queues", "disk"}
    assert [f.sentence for f in found if f.part == "doctor"] == [
        "A part could not be looked at: No space left on device [errno 28].",
        "A part could not be looked at: RuntimeError.",
    ]


def test_the_connections_of_the_whole_server_are_counted(bench: Bench) -> None:
    server = bench.ctx.store.transact(lambda tx: tx.server())
    assert 1 <= server.connections <= server.most
    assert (server.pooled, server.encoding) == (False, "UTF8")


def test_what_is_stored_is_diagnosed_for_operators_alone(bench: Bench) -> None:
    with pytest.raises(NotFound):
        diagnose_stored(bench.ctx, only([1]), QUEUES, Word.OK)
    note_heartbeat(bench.ctx, "first@host", QUEUES)
    sweep(bench.ctx)
    assert diagnose_stored(bench.ctx, EVERY_CLIENT, QUEUES, Word.OK).bad == 0
    assert diagnose_stored(bench.ctx, EVERY_CLIENT, QUEUES, Word.UNREACHABLE).bad == 1
