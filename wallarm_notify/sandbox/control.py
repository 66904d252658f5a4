"""The `/sandbox` routes: each reads what a sandbox remembers, or changes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import ConfigDict, Field

from wallarm_notify.sandbox.alerts import Alert
from wallarm_notify.sandbox.documents import (
    MAX_NUMBER,
    Document,
    Key,
    RefusedError,
    read,
    whole,
)
from wallarm_notify.sandbox.events import read_json
from wallarm_notify.sandbox.faults import FaultPlan, read_fault
from wallarm_notify.sandbox.journal import Entry
from wallarm_notify.sandbox.memory import Memory, Settings

PREFIX: Final = "/sandbox"
MAX_PAGE: Final = 1000

ItemT = TypeVar("ItemT", Entry, Alert)
ControlRoute = Callable[[Memory, Mapping[str, str], bytes], Any]
"""Takes the memory, the query and the body; returns the document to answer.

It raises RefusedError if the request is not permitted.
"""


class Page(Document):
    """A query for `limit` items after number `since`, of one routing key or (None) of all."""

    model_config = ConfigDict(strict=False)  # every value of a query is a text

    since: Annotated[int, whole(0, MAX_NUMBER)] = 0
    limit: Annotated[int, whole(1, MAX_PAGE)] = 100
    key: str | None = None

    def of(self, items: Sequence[ItemT]) -> tuple[list[ItemT], int | None]:
        """Return the page and the `since` of the next one, None after the last.

        `items` are all items, numbered from 1.
        """
        found: list[ItemT] = []
        for position in range(self.since, len(items)):
            item = items[position]
            if self.key is not None and item.key != self.key:
                continue
            if len(found) == self.limit:
                return found, found[-1].number
            found.append(item)
        return found, None


class RequestPage(Page):
    """A query for requests; `brief` leaves out headers and bodies."""

    brief: Literal["0", "1"] = Field("0", description="0 or 1")


class KnownKeys(Document):
    """The keys that are known; None: every well-formed one."""

    keys: list[Key] | None = Field(description="null or a list of keys of 32 letters and digits")


class Behaviour(Settings):
    """The faults that replace all others, and the settings that change."""

    faults: list[Any] = Field([], description="a list of faults")


def _requests(memory: Memory, query: Mapping[str, str], _: bytes) -> Any:
    page = read(RequestPage, query, "The query")
    found, cursor = page.of(memory.requests)
    brief = page.brief == "1"
    return {"items": [entry.as_document(brief=brief) for entry in found], "next": cursor}


def _alerts(memory: Memory, query: Mapping[str, str], _: bytes) -> Any:
    page = read(Page, query, "The query")
    alerts, key = memory.alerts, page.key
    found, cursor = page.of(alerts.all)
    return {
        "items": [alert.as_document() for alert in found],
        "next": cursor,
        "dropped": alerts.dropped.total() if key is None else alerts.dropped[key],
        "changes": alerts.changes.total() if key is None else alerts.changes[key],
    }


def _show_keys(memory: Memory, _: Mapping[str, str], __: bytes) -> Any:
    return {"keys": None if memory.known_keys is None else sorted(memory.known_keys)}


def _set_keys(memory: Memory, query: Mapping[str, str], raw: bytes) -> Any:
    keys = read(KnownKeys, _json(raw)).keys
    memory.known_keys = None if keys is None else frozenset(keys)
    return _show_keys(memory, query, raw)


def _show_faults(memory: Memory, _: Mapping[str, str], __: bytes) -> Any:
    return {
        "faults": memory.faults.as_document(datetime.now(UTC)),
        **memory.settings.model_dump(),
    }


def _set_faults(memory: Memory, query: Mapping[str, str], raw: bytes) -> Any:
    wanted = read(Behaviour, _json(raw))
    faults = [read_fault(item) for item in wanted.faults]
    changed = wanted.model_dump(exclude_unset=True, exclude={"faults"})
    memory.settings = memory.settings.model_copy(update=changed)
    memory.faults = FaultPlan(faults, datetime.now(UTC))
    return _show_faults(memory, query, raw)


def _forget(memory: Memory, _: Mapping[str, str], __: bytes) -> Any:
    memory.forget()
    return {"forgotten": True}


def _json(raw: bytes) -> Any:
    try:
        return read_json(raw)
    except ValueError as error:
        raise RefusedError("The document must be JSON.") from error


ROUTES: Final[Mapping[str, Mapping[str, ControlRoute]]] = {
    PREFIX: {"DELETE": _forget},
    f"{PREFIX}/requests": {"GET": _requests},
    f"{PREFIX}/alerts": {"GET": _alerts},
    f"{PREFIX}/keys": {"GET": _show_keys, "PUT": _set_keys},
    f"{PREFIX}/faults": {"GET": _show_faults, "PUT": _set_faults},
}
"""The routes by path, without a slash at its end, and method."""
