"""The display names of users' roles (spec 2)."""

from typing import Final

ROLE_NAMES: Final = {
    "admin": "Administrator",
    "admin_ext": "Administrator (extended)",
    "analytic": "Analyst",
    "auditor": "Read Only",
    "deploy": "Deploy",
    "partner_admin": "Global Administrator",
    "partner_admin_ext": "Global Administrator (extended)",
    "partner_analytic": "Global Analyst",
    "partner_auditor": "Global Read Only",
}


def role_name(role: str) -> str:
    """Return the display name of ``role``, or ``role`` itself if its id is unknown."""
    return ROLE_NAMES.get(role, role)
