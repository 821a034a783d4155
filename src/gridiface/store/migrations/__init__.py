"""The history of the schema: alembic's environment and one module per revision."""
