"""A client: a company whose account is watched (spec 0)."""

from dataclasses import dataclass
from typing import Final

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
class Client:
    """A client's record; the database may lack every field but the id, and its default is used here."""

    id: int
    name: str
    cloud: str
    partner_name: str

    @classmethod
    def of(
        cls,
        client_id: int,
        name: str | None,
        cloud: str | None,
        partner_name: str | None,
        *,
        default_cloud: str,
    ) -> "Client":
        """Return the client, with the defaults of spec 0 for what is not set."""
        return cls(
            client_id,
            name or f"Client {client_id}",
            cloud or default_cloud,
            partner_name or "Wallarm",
        )
