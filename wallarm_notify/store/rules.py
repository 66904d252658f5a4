"""Queries of a client's rules: its integrations and triggers, each version as it stood."""

from wallarm_notify.store.queries import Queries

RULES = """jsonb_build_object(
    'integrations', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', i.id, 'name', i.name, 'region', i.region, 'subscriptions', i.subscriptions,
            'enabled', i.enabled, 'disabled_at', i.disabled_at, 'disabled_by', i.disabled_by,
            'disabled_reason', i.disabled_reason) ORDER BY i.id), '[]')
        FROM integrations i WHERE i.client_id = c.id AND i.deleted_at IS NULL),
    'triggers', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', t.id, 'name', t.name, 'enabled', t.enabled, 'condition', t.condition,
            'filters', t.filters, 'threshold_count', t.threshold_count,
            'threshold_period', t.threshold_period, 'integration_ids', t.integration_ids,
            'version', t.version) ORDER BY t.id), '[]')
        FROM triggers t WHERE t.client_id = c.id AND t.deleted_at IS NULL))"""
"""The rules of client ``c.id`` as JSON, without keys."""


class RulesQueries(Queries):
    """Which rules stood when an event was routed."""

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
            f"""INSERT INTO rules_versions (client_id, version, since, rules)
                SELECT c.id, coalesce(max(v.version), 0) + 1, clock_timestamp(), {RULES}
                FROM (SELECT CAST(:client AS bigint) AS id) c
                LEFT JOIN rules_versions v ON v.client_id = c.id GROUP BY c.id""",  # noqa: S608 - a constant
            client=client_id,
        )
