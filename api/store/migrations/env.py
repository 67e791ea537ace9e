"""How Alembic runs here: on the connection that `schema.upgrade` hands over, all of it or nothing."""

from __future__ import annotations

from alembic import context

from api.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
