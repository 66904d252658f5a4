"""Diagnose: what of the installation is well, odd or bad, for those who operate it.

It is read without a scope: operators alone are told it.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.diagnosis import LATELY, Diagnosis, Finding, Grade, diagnosis_of
from wallarm_notify.domain.diagnosis_rules import (
    of_broker,
    of_disk,
    of_nodes,
    of_readiness,
    of_runs,
    of_server,
    of_trouble,
)
from wallarm_notify.domain.errors import NotFound, Unavailable, system_words
from wallarm_notify.domain.readiness import Word
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.readiness import readiness_and_standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

    Examination = Callable[[], Sequence[Finding]]
    """What looks at one part and returns what it found; it raises nothing."""

_MEND_DATABASE: Final = (
    "Bring it to what is asked for, or mend WALLARM_NOTIFY_DATABASE_URL; events wait at the broker."
)
_MEND_KEYS: Final = (
    "Put the key that it was stored under back into WALLARM_NOTIFY_SECRET_KEYS, or give the integration its key "
    "anew: wallarm-notify integrations update ID --key -"
)
_REPORT: Final = "Mend what it names on this machine, or report it: the other parts were looked at."

_UNEXAMINED: Final = Finding(
    "workers",
    Grade.ODD,
    "Workers, beat, queues and deliveries are not known: the database has them.",
    "Mend the database first.",
)


def diagnose(
    ctx: Context, queues: Collection[str], others: Iterable[Examination], *, keys: bool
) -> Diagnosis:
    """Return what was found of all parts, each looked at while the others are.

    ``queues`` are those that somebody has to take from. ``others`` look at what is not in the database. ``keys``: this
    process has the keys under which integration keys are stored.
    """
    examinations: list[Examination] = [
        lambda: _of_database(ctx, queues, keys=keys),
        _of_machine,
        *others,
    ]
    with ThreadPoolExecutor(len(examinations)) as threads:
        found = list(threads.map(_examined, examinations))
    return diagnosis_of(finding for findings in found for finding in findings)


def _examined(examine: Examination) -> Sequence[Finding]:
    try:
        return examine()
    except Exception as error:  # noqa: BLE001 - one part that fails must not hide what the others found
        what = system_words(error) if isinstance(error, OSError) else type(error).__name__
        return [Finding("doctor", Grade.BAD, f"A part could not be looked at: {what}.", _REPORT)]


def diagnose_stored(ctx: Context, scope: Scope, queues: Collection[str], broker: Word) -> Diagnosis:
    """Return what was found of what the database has; ``broker`` is how it stands with that.

    Raise NotFound where ``scope`` is of some clients, Unavailable.
    """
    if scope != EVERY_CLIENT:
        raise NotFound("There is no diagnosis of some clients alone.")
    return diagnosis_of([*of_broker(broker), *_of_what_is_stored(ctx, queues)])


def _of_database(ctx: Context, queues: Collection[str], *, keys: bool) -> list[Finding]:
    try:
        ctx.store.check()
        here, server = ctx.store.transact(lambda tx: (datetime.now(UTC), tx.server()))
    except Unavailable as error:
        return [Finding("database", Grade.BAD, str(error), _MEND_DATABASE), _UNEXAMINED]
    found = of_server(server, here)
    try:
        if keys:
            found += _of_keys(ctx)
        return found + _of_what_is_stored(ctx, queues)
    except Unavailable as error:
        return [*found, Finding("database", Grade.BAD, str(error), _MEND_DATABASE)]


def _of_keys(ctx: Context) -> list[Finding]:
    try:
        ctx.store.check_keys()
    except Unavailable as error:
        return [Finding("secret keys", Grade.BAD, str(error), _MEND_KEYS)]
    return [Finding("secret keys", Grade.GOOD, "The secret keys open the stored integration keys.")]


def _of_what_is_stored(ctx: Context, queues: Collection[str]) -> list[Finding]:
    readiness, standing = readiness_and_standing(ctx, queues)
    intervals = {"review": ctx.settings.review_interval, "prune": ctx.settings.prune_interval}

    def work(tx: Transaction) -> list[Finding]:
        # Where SWEEP does not run, none of beat's tasks does.
        is_there = readiness.beat is Word.OK
        runs = {name: tx.last_run(name) for name in intervals} if is_there else {}
        return [*of_runs(runs, intervals, tx.now), *of_trouble(tx.trouble(LATELY))]

    return [
        *of_readiness(readiness, standing),
        *of_nodes(standing.nodes, standing.now),
        *ctx.store.transact(work),
    ]


def _of_machine() -> list[Finding]:
    # Not by the library: it writes a file there, which a full disk refuses.
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - it is only measured
    usage = shutil.disk_usage(folder)
    return of_disk(folder, usage.free, usage.total)
