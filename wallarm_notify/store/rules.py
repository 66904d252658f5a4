"""Queries of the versions of a client's rules, its integrations and triggers (engine 25)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.summary_form import BEFORE, SummaryForm
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.store.connection import MovedMeanwhile
from wallarm_notify.store.queries import Queries, array_of, in_scope
from wallarm_notify.store.triggers import criteria_of, severity_of

RUNS: Final = 3
"""The last run of a transaction that may be repeated because rules have changed."""

MARGIN: Final = timedelta(days=1)
"""How much later than a version's end an event may seem to have come that was routed by the version.

The event's transaction may have begun after that end was written and before it was committed; and clocks are set back.
"""

RULES = """jsonb_build_object(
    'integrations', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', i.id, 'name', i.name, 'region', i.region, 'subscriptions', i.subscriptions,
            'summary', i.summary, 'enabled', i.enabled, 'disabled_at', i.disabled_at, 'disabled_by', i.disabled_by,
            'disabled_reason', i.disabled_reason) ORDER BY i.id), '[]')
        FROM integrations i WHERE i.client_id = c.id AND i.deleted_at IS NULL),
    'triggers', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', t.id, 'name', t.name, 'enabled', t.enabled, 'condition', t.condition,
            'filters', t.filters, 'threshold_count', t.threshold_count,
            'threshold_period', t.threshold_period, 'integration_ids', t.integration_ids,
            'severity', t.severity, 'alert_group', t.alert_group, 'version', t.version) ORDER BY t.id), '[]')
        FROM triggers t WHERE t.client_id = c.id AND t.deleted_at IS NULL))"""
"""The rules of client ``c.id`` as JSON, without keys."""


class RulesQueries(Queries):
    """Versions of rules, and which of them an event was routed by."""

    def raise_rules_version(self, client_id: int) -> None:
        """Keep a client's rules as this transaction leaves them, under the next number.

        Changes of one client wait for each other here until the commit, so that each version holds
        all that came before it.
        """
        self._do_later(
            "SELECT pg_advisory_xact_lock(hashtextextended('rules_version', :client))",
            client=client_id,
        )
        self._do(
            f"""WITH before AS (
                    UPDATE rules_versions SET until = clock_timestamp()
                    WHERE client_id = :client AND until IS NULL RETURNING version, until)
                INSERT INTO rules_versions (client_id, version, since, rules)
                SELECT c.id, coalesce(b.version, 0) + 1, coalesce(b.until, clock_timestamp()), {RULES}
                FROM (SELECT CAST(:client AS bigint) AS id) c LEFT JOIN before b ON true""",  # noqa: S608 - a constant
            client=client_id,
        )

    def moved_rules(self, versions: Mapping[int, int]) -> dict[int, int]:
        """Return the clients whose rules have another version than in ``versions`` by now, with that version.

        Raise MovedMeanwhile where there are any and the transaction may begin again.
        """
        rows = self._rows(
            """SELECT u.client_id, v.version
               FROM unnest(CAST(:clients AS bigint[]), CAST(:versions AS int[])) AS u(client_id, version)
               JOIN rules_versions v ON v.client_id = u.client_id AND v.until IS NULL
               WHERE v.version <> u.version""",
            clients=array_of(versions),
            versions=array_of(versions.values()),
        )
        if rows and self.run < RUNS:
            raise MovedMeanwhile(f"the rules of {len(rows)} clients have changed meanwhile")
        return {row["client_id"]: row["version"] for row in rows}

    def set_rules_versions(self, versions: Mapping[int, int]) -> None:
        """Note by which version events that this transaction stored, given by their numbers, were routed."""
        self._do_later(
            """UPDATE events e SET rules_version = u.version
               FROM unnest(CAST(:numbers AS bigint[]), CAST(:versions AS int[])) AS u(no, version)
               WHERE e.no = u.no""",
            numbers=array_of(versions),
            versions=array_of(versions.values()),
        )

    def rules_of(self, scope: Scope, client_id: int, version: int) -> Rules | None:
        """Return a version of a client's rules; None: there is none."""
        rows = self._rows(
            f"""SELECT version, since, until, rules FROM rules_versions
                WHERE client_id = :client AND version = :version AND {in_scope("client_id")}""",  # noqa: S608 - a constant
            client=client_id,
            version=version,
            scope=scope.parameter,
        )
        return _rules_of(rows[0]) if rows else None

    def standing_rules(self, scope: Scope, client_id: int) -> Rules:
        """Return a client's rules of now; version 0: it never had any."""
        rows = self._rows(
            f"""SELECT version, since, until, rules FROM rules_versions
                WHERE client_id = :client AND until IS NULL AND {in_scope("client_id")}""",  # noqa: S608 - a constant
            client=client_id,
            scope=scope.parameter,
        )
        return _rules_of(rows[0]) if rows else Rules(0)

    def prune_rules(self, retention: timedelta, limit: int) -> int:
        """Delete versions that ended before ``retention`` and that no event can name any more; return how many.

        The present version stays. Events are pruned by their end, so the oldest may be older than the retention.
        """
        return self._do(
            """DELETE FROM rules_versions WHERE (client_id, version) IN (
                   SELECT client_id, version FROM rules_versions
                   WHERE until < least(now() - CAST(:retention AS interval),
                       (SELECT min(received_at) FROM events) - CAST(:margin AS interval))
                   ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED)""",
            retention=retention,
            margin=MARGIN,
            limit=limit,
        )


def _rules_of(row: Mapping[str, Any]) -> Rules:
    return Rules(
        version=row["version"],
        since=row["since"],
        until=row["until"],
        integrations=tuple(map(_integration_of, row["rules"]["integrations"])),
        triggers=tuple(map(_trigger_of, row["rules"]["triggers"])),
    )


def _integration_of(kept: Mapping[str, Any]) -> IntegrationRule:
    disabled_at = kept["disabled_at"]
    return IntegrationRule(
        id=kept["id"],
        name=kept["name"],
        region=kept["region"],
        subscriptions=tuple(kept["subscriptions"]),
        enabled=kept["enabled"],
        disabled_at=None if disabled_at is None else datetime.fromisoformat(disabled_at),
        disabled_by=kept["disabled_by"],
        disabled_reason=kept["disabled_reason"],
        summary=SummaryForm(kept.get("summary", BEFORE)),
    )


def _trigger_of(kept: Mapping[str, Any]) -> TriggerRule:
    return TriggerRule(
        id=kept["id"],
        name=kept["name"],
        enabled=kept["enabled"],
        criteria=criteria_of(kept),
        integration_ids=tuple(kept["integration_ids"]),
        version=kept["version"],
        chosen_severity=severity_of(kept.get("severity")),
        group=AlertGroup(kept.get("alert_group", AlertGroup.EACH)),
    )
