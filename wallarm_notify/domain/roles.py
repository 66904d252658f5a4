"""The display names of users' roles (spec 2)."""

from typing import Final

from wallarm_notify.domain.actor import Role

ROLE_NAMES: Final[dict[str, str]] = {
    Role.ADMINISTRATOR: "Administrator",
    Role.ADMINISTRATOR_EXTENDED: "Administrator (extended)",
    Role.ANALYST: "Analyst",
    Role.READ_ONLY: "Read Only",
    Role.DEPLOY: "Deploy",
    Role.PARTNER_ADMINISTRATOR: "Global Administrator",
    Role.PARTNER_ADMINISTRATOR_EXTENDED: "Global Administrator (extended)",
    Role.PARTNER_ANALYST: "Global Analyst",
    Role.PARTNER_READ_ONLY: "Global Read Only",
}
"""Those of the roles that events are known to name. An event may name any other, whose name is its id."""


def role_words(role: Role) -> str:
    """Return a role as people choose it: ``Read Only``, ``Developer``."""
    return ROLE_NAMES.get(role, role.value.capitalize())


def role_name(role: str) -> str:
    """Return the display name of ``role``, or ``role`` itself if its id is unknown."""
    return ROLE_NAMES.get(role, role)
