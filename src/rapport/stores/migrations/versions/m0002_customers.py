"""The memory of customers: nodes, identifiers, the ledger, reviews, contacts, profiles, work, what was forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _nodes()
    _of_nodes()


def _nodes() -> None:
    op.create_table(
        "forgotten",
        sa.Column("forgotten_id", COUNTED, nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("forgotten_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "identifier",
        sa.Column("token", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("standing", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", "record_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("identifier_node", "identifier", ["record_key"], unique=False)
    op.create_table(
        "node",
        sa.Column("record_key", COUNTED, autoincrement=False, nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("own_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("household_id", sa.Text(), nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("gone", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("record_key"),
    )
    op.create_index("node_customer", "node", ["customer_id"], unique=False)
    op.create_index("node_own_id", "node", ["own_id"], unique=True)
    op.create_table(
        "retired", sa.Column("own_id", sa.String(length=32), nullable=False), sa.PrimaryKeyConstraint("own_id")
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "suppression",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )


def _of_nodes() -> None:
    op.create_table(
        "account_contact",
        sa.Column("account_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("seniority", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"],
            ["node.record_key"],
        ),
        sa.ForeignKeyConstraint(
            ["person_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("account_key", "person_key", "role"),
    )
    op.create_index(op.f("ix_account_contact_person_key"), "account_contact", ["person_key"], unique=False)
    op.create_table(
        "answer",
        sa.Column("record_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("record_key", "question", "at", "status"),
    )
    op.create_table(
        "consent",
        sa.Column("record_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("whole", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("record_key", "purpose", "channel", "at", "status"),
    )
    op.create_table(
        "decision",
        sa.Column("decision_id", COUNTED, nullable=False),
        sa.Column("left_key", sa.BigInteger(), nullable=False),
        sa.Column("right_key", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("taken_back_by", sa.Text(), nullable=True),
        sa.Column("taken_back_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["left_key"],
            ["node.record_key"],
        ),
        sa.ForeignKeyConstraint(
            ["right_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("decision_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_decision_left_key"), "decision", ["left_key"], unique=False)
    op.create_index(op.f("ix_decision_right_key"), "decision", ["right_key"], unique=False)
    op.create_table(
        "device",
        sa.Column("anonymous_id", sa.Text(), nullable=False),
        sa.Column("record_key", sa.BigInteger(), nullable=False),
        sa.Column("owners", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("anonymous_id"),
    )
    op.create_index(op.f("ix_device_record_key"), "device", ["record_key"], unique=False)
    op.create_table(
        "edge",
        sa.Column("merge_id", COUNTED, nullable=False),
        sa.Column("left_key", sa.BigInteger(), nullable=False),
        sa.Column("right_key", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_why", sa.Text(), nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.Column("undone_decision", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["left_key"],
            ["node.record_key"],
        ),
        sa.ForeignKeyConstraint(
            ["right_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("merge_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_edge_left_key"), "edge", ["left_key"], unique=False)
    op.create_index(op.f("ix_edge_right_key"), "edge", ["right_key"], unique=False)
    op.create_table(
        "interaction",
        sa.Column("interaction_id", COUNTED, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("record_key", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("interaction_id"),
        sa.UniqueConstraint("message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("interaction_node", "interaction", ["record_key", "at"], unique=False)
    op.create_table(
        "review",
        sa.Column("left_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("right_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["left_key"],
            ["node.record_key"],
        ),
        sa.ForeignKeyConstraint(
            ["right_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("left_key", "right_key"),
    )
    op.create_index(op.f("ix_review_right_key"), "review", ["right_key"], unique=False)
    op.create_index("review_status", "review", ["status"], unique=False)
    op.create_table(
        "task",
        sa.Column("task_id", COUNTED, nullable=False),
        sa.Column("record_key", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("task_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_task_record_key"), "task", ["record_key"], unique=False)
    op.create_table(
        "trait",
        sa.Column("record_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("record_key", "field", "source"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "wanted",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("account_key", sa.BigInteger(), nullable=True),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"],
            ["node.record_key"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(op.f("ix_wanted_account_key"), "wanted", ["account_key"], unique=False)
