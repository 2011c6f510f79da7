"""what statistics and servers need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from isocenter.models.base import BigKey, Code, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_sample",
        sa.Column("id", BigKey, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("service", Code(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
    )
    op.create_index("ix_service_sample_service", "service_sample", ["service", "at"])
    op.create_table(
        "notice",
        sa.Column("id", BigKey, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("alert_id", BigKey, sa.ForeignKey("alert.id", name="fk_notice_alert_id"), nullable=False),
        sa.Column("event", Code(16), nullable=False),
        sa.Column("way", Code(16), nullable=False),
        sa.Column("state", Code(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("failure", sa.String(255), nullable=False),
    )
    op.create_index("ix_notice_due", "notice", ["state", "due_at"])
    op.create_index("ix_notice_alert", "notice", ["alert_id"])
    op.create_table(
        "taken_body",
        sa.Column("id", BigKey, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("digest", Code(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("digest", name="uq_taken_body_digest"),
    )
    op.create_index("ix_taken_body_at", "taken_body", ["at"])


def downgrade() -> None:
    op.drop_table("taken_body")
    op.drop_table("notice")
    op.drop_table("service_sample")
