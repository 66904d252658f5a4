"""A client: a company whose account is watched (spec 0)."""

from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.errors import Refused

CLOUDS: Final = ("us", "eu", "me")

CLOUD_ADDRESSES: Final = {
    "us": (
        "34.102.90.100",
        "34.94.156.115",
        "35.235.115.105",
        "34.94.85.217",
        "34.94.51.234",
        "34.102.59.122",
        "34.94.238.72",
        "35.235.100.79",
        "34.102.45.38",
        "34.94.241.21",
        "34.94.203.193",
        "34.94.238.221",
        "34.94.9.235",
        "34.94.118.150",
        "34.94.193.9",
    ),
    "eu": (
        "34.141.230.156",
        "34.91.138.113",
        "34.90.114.134",
        "35.204.127.78",
        "34.90.24.155",
        "34.7.147.149",
    ),
    "me": ("34.166.215.174",),
}
"""The published egress addresses per cloud, for allow-lists (spec 8)."""


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """What the database has of a client; None: it was never set.

    ``parent_id`` is the client whose partner roles reach this one too. ``access`` is whether the client's people and
    programs are let in; alerts are sent either way.
    """

    name: str | None = None
    cloud: str | None = None
    partner_name: str | None = None
    parent_id: int | None = None
    access: bool = True


@dataclass(frozen=True, slots=True)
class ParentOf:
    """Which parent a client is to have; ``client_id`` None: none."""

    client_id: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """A client's record; the database may lack every field but the id, and its default is used here."""

    id: int
    name: str
    cloud: str
    partner_name: str
    parent_id: int | None = None
    access: bool = True

    @classmethod
    def of(
        cls,
        client_id: int,
        name: str | None,
        cloud: str | None,
        partner_name: str | None,
        *,
        default_cloud: str,
        parent_id: int | None = None,
        access: bool = True,
    ) -> "Client":
        """Return the client, with the defaults of spec 0 for what is not set."""
        return cls(
            client_id,
            name or f"Client {client_id}",
            cloud or default_cloud,
            partner_name or "Wallarm",
            parent_id,
            access,
        )

    @classmethod
    def of_record(cls, client_id: int, record: ClientRecord, *, default_cloud: str) -> "Client":
        """Return the client with this record, with the defaults of spec 0 for what is not set."""
        return cls.of(
            *(client_id, record.name, record.cloud, record.partner_name),
            default_cloud=default_cloud,
            parent_id=record.parent_id,
            access=record.access,
        )


def check_parent(
    client_id: int, parent_id: int, *, parents_parent: int | None, has_children: bool
) -> None:
    """Raise Refused where a client cannot have that parent: there is one level, and so no circle.

    ``parents_parent`` is the parent that the parent has, ``has_children`` whether the client is a parent itself.
    """
    if parent_id == client_id:
        raise Refused("a client is not its own parent.", field="parent")
    if parents_parent is not None:
        raise Refused(
            f"client {parent_id} has a parent itself, {parents_parent}; there is one level of children.",
            field="parent",
        )
    if has_children:
        raise Refused(
            f"client {client_id} has children itself; there is one level of children.",
            field="parent",
        )
