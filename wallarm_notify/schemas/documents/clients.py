"""Documents of clients, and of the clouds that they are in."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from wallarm_notify.domain.client import CLOUD_ADDRESSES, Client


class ClientDocument(TypedDict):
    """A client, with defaults where nothing was set (spec 0)."""

    id: int
    """The number of the company account, as events have it."""
    name: str
    """How alerts name it."""
    cloud: str
    """Which Wallarm cloud it is in: us, eu or me."""
    partner_name: str
    """The name in front of its alerts' summaries."""
    parent_id: int | None
    """The client whose partner roles reach this one too; null: none."""
    access: bool
    """Whether its people and programs are let in; alerts are sent either way."""


class CloudDocument(TypedDict):
    """A Wallarm cloud."""

    cloud: str
    """us, eu or me."""
    addresses: Sequence[str]
    """The IP addresses that its alerts come from, for allow-lists."""


def client_document(client: Client) -> ClientDocument:
    """Return the document of a client."""
    return {
        "id": client.id,
        "name": client.name,
        "cloud": client.cloud,
        "partner_name": client.partner_name,
        "parent_id": client.parent_id,
        "access": client.access,
    }


def cloud_document(cloud: str) -> CloudDocument:
    """Return the document of a cloud."""
    return {"cloud": cloud, "addresses": CLOUD_ADDRESSES[cloud]}
