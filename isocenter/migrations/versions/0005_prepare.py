"""what preparing and exporting datasets needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = ("attempt", "reason", "result", "created_by", "started_at", "finished_at")


def _time() -> sa.DateTime:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    code64 = sa.String(64).with_variant(mysql.VARCHAR(64, collation="utf8mb4_bin"), "mysql", "mariadb")
    with op.batch_alter_table("export") as table:
        table.add_column(sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("reason", sa.String(255), nullable=False, server_default=""))
        table.add_column(sa.Column("result", sa.JSON(), nullable=True))
        table.add_column(sa.Column("created_by", code64, nullable=False, server_default=""))
        table.add_column(sa.Column("started_at", _time(), nullable=True))
        table.add_column(sa.Column("finished_at", _time(), nullable=True))
    op.create_index("ix_export_state", "export", ["state", "lease_until"])


def downgrade() -> None:
    op.drop_index("ix_export_state", table_name="export")
    with op.batch_alter_table("export") as table:
        for name in reversed(COLUMNS):
            table.drop_column(name)
