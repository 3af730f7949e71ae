"""Runs the migrations on the connection that holds the lock.

Why it exists: Alembic asks for it. The transaction is begun and ended by whoever called.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
