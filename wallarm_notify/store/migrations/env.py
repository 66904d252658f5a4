"""How Alembic reaches the database: on the connection that ``upgrade`` hands it."""

from alembic import context

from wallarm_notify.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
