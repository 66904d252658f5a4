"""Servers that others use too are left as they were found."""

import pytest
import redis
import sqlalchemy as sa

from wallarm_notify.devstack.shared_servers import separate_database, unused_broker
from wallarm_notify.domain.errors import Refused
from wallarm_notify.task_names import EVENTS_QUEUE


def databases(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return set(connection.execute(sa.text("SELECT datname FROM pg_database")).scalars())


def test_a_separate_database_is_new_and_goes_with_the_block(database_server: str) -> None:
    before = databases(database_server)
    with separate_database(database_server) as (url, is_new):
        assert is_new
        assert databases(url) - before == {sa.make_url(url).database}
    assert databases(database_server) == before


def test_where_none_may_be_made_an_unused_one_is_used_and_a_used_one_refused(
    database_server: str, database_url: str
) -> None:
    engine = sa.create_engine(database_server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    name = f"poor_{sa.make_url(database_url).database}"
    poor = sa.make_url(database_url).set(username=name, password="x")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'x'"))
    try:
        owned = sa.create_engine(database_url, poolclass=sa.NullPool)
        with owned.begin() as connection:
            connection.execute(sa.text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"))
        text = poor.render_as_string(hide_password=False)
        with separate_database(text) as (url, is_new):
            assert (url, is_new) == (text, False)
        with owned.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO events (id, client_id, type, occurred_at, body, body_hash, fan_out) "
                    "VALUES (gen_random_uuid(), 1, 'rule.created', now(), '{}', '\\x00', 0)"
                )
            )
        with pytest.raises(Refused, match="holds a wallarm-notify already"):
            separate_database(text).__enter__()
    finally:
        with owned.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {name}"))
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP ROLE {name}"))


def test_a_broker_where_messages_wait_is_refused_and_keeps_them(broker: str) -> None:
    with redis.Redis.from_url(broker) as client:
        client.lpush(EVENTS_QUEUE, "somebody's message")
        with pytest.raises(Refused, match="events holds 1"):
            unused_broker(broker).__enter__()
        assert client.llen(EVENTS_QUEUE) == 1


def test_what_is_left_in_a_shared_broker_is_deleted_at_the_end_of_the_block(broker: str) -> None:
    with redis.Redis.from_url(broker) as client:
        with unused_broker(broker):
            client.lpush(EVENTS_QUEUE, "our message")
        assert client.llen(EVENTS_QUEUE) == 0
