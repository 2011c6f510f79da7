"""what managing diseases and resources needs"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Integer

KEY = BigInteger().with_variant(Integer, "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A file added by hand came with no import."""
    with op.batch_alter_table("resource") as table:
        table.alter_column("import_id", existing_type=KEY, nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM resource WHERE import_id IS NULL")
    with op.batch_alter_table("resource") as table:
        table.alter_column("import_id", existing_type=KEY, nullable=False)
