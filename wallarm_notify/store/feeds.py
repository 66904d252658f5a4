"""Queries of feeds: when each client's events came, and which clients' stay away."""

from datetime import timedelta

from wallarm_notify.domain.feed import (
    AT_LEAST,
    DAYS,
    NAMED,
    TIMES,
    WEEK,
    QuietFeed,
    QuietFeeds,
)
from wallarm_notify.store.queries import Queries


class FeedQueries(Queries):
    """What is known of the habits of feeds."""

    def note_feeds(self, looked_back: timedelta) -> None:
        """Note what producers sent lately, and forget what is older than the week of a habit.

        ``looked_back`` is how long that time is.
        """
        # The clock was ahead when these were noted.
        self._do("DELETE FROM feed_days WHERE last_at > now()")
        self._do(
            """WITH known AS MATERIALIZED (
                   SELECT client_id, max(last_at) AS last_at FROM feed_days GROUP BY client_id
               ), came AS MATERIALIZED (
                   SELECT client_id, min(received_at) AS first_at, max(received_at) AS last_at, max(k.last_at) AS before
                   FROM events LEFT JOIN known k USING (client_id)
                   WHERE received_at > now() - :looked_back AND (k.last_at IS NULL OR received_at > k.last_at)
                     AND NOT (sent_by IS NULL AND CAST(type AS text) ~ '^(integration|trigger)[.]')
                   GROUP BY client_id
               )
               INSERT INTO feed_days AS d (client_id, day, last_at, longest_gap)
               SELECT client_id, (last_at AT TIME ZONE 'UTC')::date, last_at, coalesce(first_at - before, interval '0')
               FROM came ORDER BY client_id
               ON CONFLICT (client_id, day) DO UPDATE SET last_at = greatest(d.last_at, excluded.last_at),
                   longest_gap = greatest(d.longest_gap, excluded.longest_gap)""",
            looked_back=looked_back,
        )
        self._do(
            "DELETE FROM feed_days WHERE day < (now() - CAST(:week AS interval))::date", week=WEEK
        )

    def quiet_feeds(self) -> QuietFeeds:
        """Return how many feeds are quiet, and those that have been for longest."""
        rows = self._rows(
            """SELECT client_id, now() - max(last_at) AS quiet, max(longest_gap) AS longest, count(*) OVER () AS number
               FROM feed_days
               WHERE last_at >= now() - CAST(:week AS interval) AND client_id NOT IN (
                   SELECT client_id FROM feed_days WHERE last_at >= now() - CAST(:least AS interval))
               GROUP BY client_id
               HAVING count(*) >= :days AND max(last_at) < now() - CAST(:times AS int) * max(longest_gap)
               ORDER BY max(last_at), client_id LIMIT :most""",
            week=WEEK,
            days=DAYS,
            times=TIMES,
            least=AT_LEAST,
            most=NAMED,
        )
        number = rows[0]["number"] if rows else 0
        return QuietFeeds(
            number, [QuietFeed(row["client_id"], row["quiet"], row["longest"]) for row in rows]
        )
