"""what rule sets, thresholds and reviews need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from isocenter.models import base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LEARNT = ("wanted_error", "learnt_threshold", "learnt_from")


def upgrade() -> None:
    with op.batch_alter_table("label_scheme") as batch:
        batch.add_column(sa.Column("wanted_error", sa.Double(), nullable=True))
        batch.add_column(sa.Column("learnt_threshold", sa.Double(), nullable=True))
        batch.add_column(sa.Column("learnt_from", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("label") as batch:
        batch.add_column(sa.Column("import_id", base.BigKey, nullable=True))
        batch.create_foreign_key(op.f("fk_label_import_id"), "import", ["import_id"], ["id"])
        batch.create_index(op.f("ix_label_import_id"), ["import_id"])
    op.create_table(
        "rule_proposal",
        sa.Column("id", base.BigKey, autoincrement=True, nullable=False),
        sa.Column("key", base.Code(32), nullable=False),
        sa.Column("disease_id", base.BigKey, nullable=False),
        sa.Column("account", base.Code(64), nullable=False),
        sa.Column("state", base.Code(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", base.Code(64), nullable=False),
        sa.Column("text", base.LongText, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("base_revision", sa.Integer(), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.Column("cursor", base.BigKey, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(255), nullable=False),
        sa.Column("lease_token", base.Code(32), nullable=True),
        sa.Column("lease_until", base.UtcDateTime(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", base.UtcDateTime(), nullable=False),
        sa.Column("finished_at", base.UtcDateTime(), nullable=True),
        sa.Column("applied_by", base.Code(64), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["disease_id"], ["disease.id"], name=op.f("fk_rule_proposal_disease_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name=op.f("uq_rule_proposal_key")),
        info={"created_by": "ingest", "changed_by": "ingest"},
    )
    op.create_index("ix_rule_proposal_claim", "rule_proposal", ["state", "lease_until"])
    op.create_index(op.f("ix_rule_proposal_disease_id"), "rule_proposal", ["disease_id"])


def downgrade() -> None:
    op.drop_table("rule_proposal")
    with op.batch_alter_table("label") as batch:
        batch.drop_constraint(op.f("fk_label_import_id"), type_="foreignkey")
        batch.drop_index(op.f("ix_label_import_id"))
        batch.drop_column("import_id")
    with op.batch_alter_table("label_scheme") as batch:
        for name in LEARNT:
            batch.drop_column(name)
