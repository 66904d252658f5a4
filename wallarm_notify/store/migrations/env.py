"""Alembic's entry point: it runs the migrations on the connection that ``upgrade`` gives it."""

from alembic import context

from wallarm_notify.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
