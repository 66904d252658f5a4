"""What people call the roles of users (spec 2)."""

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
    """Return the display name of ``role``, which is its own where it is not a known id."""
    return ROLE_NAMES.get(role, role)
