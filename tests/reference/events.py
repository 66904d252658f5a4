"""The page of the events that producers send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reference.markdown import of_docstring, page
from wallarm_notify.schemas.catalogue import EventObject
from wallarm_notify.schemas.documents.event_types import described_types, event_type_documents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wallarm_notify.schemas.documents.event_types import DescribedField, EventTypeDocument

INTRODUCTION: Final = """
What producers send ([how](../how-to/produce-events.md)), type by type. `wallarm-notify events schema` prints the JSON
Schema, and [spec 2](../spec.md#2-events) says what happens to an event that is wrong or comes twice.
"""


def events_page() -> str:
    """Return the page: the fields of every event, and each type with its own."""
    described = described_types()
    (first, *_) = described.values()
    common = [one for one in first.fields if one.name in EventObject.model_fields]
    parts = [f"## Every event\n\n{_fields(common)}"]
    for one in event_type_documents():
        of_type = described[one["type"]]
        own = [f for f in of_type.fields if f.name not in EventObject.model_fields]
        sentence = of_docstring(of_type.says)
        parts.append(f"## `{one['type']}`\n\n{sentence} {_subscription(one)}\n\n{_fields(own)}")
    return page("Events", INTRODUCTION, parts)


def _subscription(one: EventTypeDocument) -> str:
    if one["subscription"] is None:
        return "Only triggers notify of it."
    return f"Integrations that subscribe to `{one['subscription']}` are notified."


def _fields(fields: Iterable[DescribedField]) -> str:
    return "\n".join(
        f"- `{one.name}`{', required' if one.is_required else ''}: {one.words}" for one in fields
    )
