"""Alembic's environment: runs on the connection that store/schema.py hands over, so that no ini file is needed."""

from __future__ import annotations

from alembic import context

from gridiface.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("migrations run through `gridiface db upgrade`, which brings the connection")

context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite cannot alter a column; batch mode copies the table instead.
    render_as_batch=connection.dialect.name == "sqlite",
    # Our connections really begin, on SQLite too: a migration is all or nothing.
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
