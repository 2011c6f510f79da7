"""Column types and naming shared by every table; the only place where dialect types are named.

Each table says in ``info`` which service creates its rows and which ones change them (model.md); a test holds it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

MYSQL = ("mysql", "mariadb")

BigKey = BigInteger().with_variant(Integer, "sqlite")


def Code(length: int) -> TypeEngine[str]:  # noqa: N802 - reads as a type
    """An identifier: compared byte by byte on every back-end."""
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), *MYSQL)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC with microseconds in the catalog."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6)) if dialect.name in MYSQL else dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


LongText = Text().with_variant(mysql.LONGTEXT(), *MYSQL)
Blob = LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL)

pk = Annotated[int, mapped_column(BigKey, primary_key=True, autoincrement=True)]
ref = Annotated[int, mapped_column(BigKey)]
revision = Annotated[int, mapped_column(Integer, default=1, nullable=False)]
timestamp = Annotated[datetime, mapped_column(UtcDateTime(), default=now, nullable=False)]
maybe_time = Annotated[datetime | None, mapped_column(UtcDateTime())]
maybe_date = Annotated[date | None, mapped_column()]
document = Annotated[dict[str, Any], mapped_column(JSON, default=dict, nullable=False)]
code32 = Annotated[str, mapped_column(Code(32))]
code64 = Annotated[str, mapped_column(Code(64))]
code128 = Annotated[str, mapped_column(Code(128))]
short_text = Annotated[str, mapped_column(String(255), default="", nullable=False)]


class Base(DeclarativeBase):
    """All tables; constraint names are made by convention, so that migrations can drop them on every back-end."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )


def owned(created_by: str, changed_by: str = "") -> dict[str, dict[str, str]]:
    """Table options naming the service(s) that insert and that update or delete (comma separated)."""
    return {"info": {"created_by": created_by, "changed_by": changed_by}}
