"""Queries of integrations at a glance: how many there are, and the figures of their cards."""

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.health import Policy, Window
from wallarm_notify.domain.integration_card import COUNTED_UP_TO, CardFigures, IntegrationCounts
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.broken import BROKEN
from wallarm_notify.store.health import HealthQueries
from wallarm_notify.store.queries import in_scope


def _up_to(rows: str) -> str:
    return f"(SELECT count(*) FROM (SELECT FROM {rows} LIMIT {COUNTED_UP_TO + 1}) one)"  # noqa: S608 - constants


_FIGURES: Final = f"""
    SELECT i.id,
        (SELECT count(*) FROM triggers t
         WHERE t.client_id = i.client_id AND t.deleted_at IS NULL AND i.id = ANY(t.integration_ids)) AS triggers,
        {
    _up_to('''notifications n WHERE n.integration_id = i.id AND n.finished_at IS NULL
                     AND n.state = 'retrying' ''')
} AS retrying,
        CASE WHEN i.disabled_at IS NULL THEN 0 ELSE {
    _up_to('''notifications n
            WHERE n.integration_id = i.id AND n.state IN ('failed', 'skipped', 'cancelled')
              AND n.finished_at >= b.at AND NOT n.closing''')
} END AS unsent,
        (SELECT max(h.hour) FROM ended_by_hour h
         WHERE h.integration_id = i.id AND h.delivered > 0) AS accepted_in,
        EXISTS (SELECT FROM integrations o
                WHERE o.client_id = i.client_id AND o.id <> i.id AND o.deleted_at IS NULL AND o.enabled
                  AND '{Subscription.SYSTEM}' = ANY(o.subscriptions)) AS has_others
    FROM integrations i {BROKEN} WHERE i.id = ANY(CAST(:ids AS bigint[]))"""  # noqa: S608 - constants


class IntegrationCardQueries(HealthQueries):
    """Integrations at a glance."""

    def count_integrations(self, scope: Scope, client_id: int | None) -> IntegrationCounts:
        """Return how many integrations there are in ``scope``, of one client where that is given."""
        (row,) = self._rows(
            f"""SELECT count(*) FILTER (WHERE enabled) AS enabled,
                    count(*) FILTER (WHERE NOT enabled) AS disabled,
                    count(*) FILTER (WHERE NOT enabled AND disabled_by = :review) AS automatically
                FROM integrations WHERE deleted_at IS NULL AND {in_scope("client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR client_id = :client_id)""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client_id=client_id,
            review=REVIEW.name,
        )
        return IntegrationCounts(**row)

    def card_figures(self, ids: Sequence[int]) -> dict[int, CardFigures]:
        """Return the figures of these integrations' cards."""
        rows = self._rows(_FIGURES, ids=list(ids))
        return {
            row["id"]: CardFigures(
                row["triggers"],
                row["retrying"],
                row["unsent"],
                None if row["accepted_in"] is None else row["accepted_in"].astimezone(UTC),
                row["has_others"],
            )
            for row in rows
        }

    def windows_of(self, ids: Sequence[int], policy: Policy) -> dict[int, Window]:
        """Return the windows of those of these integrations that are enabled."""
        rows = self._rows(
            """SELECT id, generation FROM integrations
               WHERE id = ANY(CAST(:ids AS bigint[])) AND enabled ORDER BY id""",
            ids=list(ids),
        )
        whose = [(row["id"], row["generation"]) for row in rows]
        return {one.integration_id: one.window for one in self._candidates(whose, policy)}
