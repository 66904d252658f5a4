"""How PostgreSQL runs the hot statements: those of a batch of 100 events, on a full database.

    python -m benchmarks.explain [--stored 100000]

It prints them in Markdown, in their order, each under the step it belongs to: what the driver sends, without its
values, and what EXPLAIN says of it. A statement is explained in the transaction in which it is run, which is then
rolled back to before it.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from unittest.mock import patch

from benchmarks.growth import INTEGRATIONS
from benchmarks.ours import event
from benchmarks.parts import BATCH, KeepingDispatcher, SilentPublisher, answered
from benchmarks.stack import benchmark_stack, say
from benchmarks.stored import store
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.schemas.read import read_call
from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import record
from wallarm_notify.store.queries import Queries

EXPLAIN: Final = b"EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF) "

LONGEST: Final = 100
"""How many characters of a statement are shown."""

_QUIET: Final = ("BEGIN", "COMMIT", "SELECT now()")
_VALUES: Final = re.compile(r"ARRAY\[.*?\]|'[^']*'", re.DOTALL)
_SHORT: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Explain and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stored", type=int, default=100_000, help="notifications")
    options = parser.parse_args(arguments)
    try:
        for part, statement, plan in explained(options.stored):
            print(f"**{part}**: `{statement}`\n\n```\n{plan}\n```\n")
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    return 0


def explained(number: int) -> list[tuple[str, str, str]]:
    """Return step, statement and plan of each statement, in their order. Raise Void."""
    with benchmark_stack() as one:
        one.make_integrations(INTEGRATIONS)
        store(one, number, newest=timedelta(days=1), oldest=timedelta(days=89))
        publisher, kept = SilentPublisher(), KeepingDispatcher()
        one.wiring = Wiring(one.settings, replace(one.wiring.context, publisher=publisher))
        found: list[tuple[str, str, str]] = []
        for first in (0, BATCH):  # the first warms plans and caches
            found.clear()
            with _noted("route", found):
                ingest(one.wiring.context, *_call(first), dispatcher=kept)
            sent = kept.taken()
            ingest(one.wiring.context, *_call(2 * BATCH + first))
            with _noted("claim by message", found):
                claimed = claim(one.wiring.context, publisher.taken())
            with _noted("record", found):
                record(one.wiring.context, answered(sent))
            record(one.wiring.context, answered(claimed))
        return found


def _call(first: int) -> Any:
    events = [event(n, n % INTEGRATIONS + 1) for n in range(first, first + BATCH)]
    return read_call((), {"events": events})


@contextmanager
def _noted(part: str, found: list[tuple[str, str, str]]) -> Iterator[None]:
    """Explain each statement that is sent meanwhile."""
    send = Queries._send  # noqa: SLF001 - there is no other place where all of it goes through

    def explain_first(queries: Queries) -> None:
        statements, queries._to_come = queries._to_come, []  # noqa: SLF001 - see above
        for statement in statements:
            text = statement.decode()
            if not text.startswith(_QUIET):
                found.append((part, _shown(text), _plan(queries, statement)))
            queries._to_come = [statement]  # noqa: SLF001 - see above
            send(queries)

    with patch.object(Queries, "_send", explain_first):
        yield


def _plan(queries: Queries, statement: bytes) -> str:
    cursor = queries._cursor  # noqa: SLF001 - see above
    cursor.execute(b"SAVEPOINT explained;" + EXPLAIN + statement)
    plan = "\n".join(row[0] for row in cursor.fetchall())
    cursor.execute("ROLLBACK TO SAVEPOINT explained")
    return _without_values(plan)


def _shown(text: str) -> str:
    """Return the beginning of a statement, without its values."""
    words = " ".join(_without_values(text).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST].rstrip()} …"


def _without_values(text: str) -> str:
    """Return ``text`` without arrays and literals, but for short ones."""
    return _VALUES.sub(lambda found: found[0] if len(found[0]) < _SHORT else "…", text)


if __name__ == "__main__":
    sys.exit(main())
