"""Durable state: SQLAlchemy tables and the repositories that implement domain.ports."""
