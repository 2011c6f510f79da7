"""Alembic environment: one history for SQLite and MariaDB/MySQL; run by ``isocenter migrate`` and at embedded start."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from isocenter.models import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True, user_module_prefix="base.")
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
