"""The document of events that the broker has."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from wallarm_notify.domain.event import Event


class AcceptedDocument(TypedDict):
    """Events that will be taken in."""

    ids: list[str]
    """The id of each event, in the order of the call; of one without, the id that it was given."""


def accepted_document(events: Sequence[Event]) -> AcceptedDocument:
    """Return the document of ``events``."""
    return {"ids": [str(event.id) for event in events]}
