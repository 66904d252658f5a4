"""When a disabled integration broke: whatever counts what it missed counts from then."""

from typing import Final

BROKEN: Final = """CROSS JOIN LATERAL (
        SELECT coalesce(CAST((SELECT s.evidence ->> 'first_failed_at' FROM switch_offs s
                              WHERE s.integration_id = i.id AND s.at = i.disabled_at) AS timestamptz),
                        i.disabled_at, now()) AS at) b"""
"""To be joined to ``integrations i``: ``b.at`` is when its failures began, or when somebody disabled it."""
