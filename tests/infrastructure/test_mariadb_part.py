"""The MariaDB that tests run on answers as the catalog will use it."""

from __future__ import annotations

from fixtures.mariadb import MariaDB
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def test_catalog_url_when_written_to_then_reads_four_byte_text_back(catalog_url: str) -> None:
    engine = create_async_engine(catalog_url)
    async with engine.begin() as connection:
        await connection.execute(text("create table word (id integer primary key, word varchar(40))"))
        await connection.execute(text("insert into word values (1, :word)"), {"word": "肝癌 𠮷 🫁"})
    async with engine.connect() as connection:
        assert (await connection.scalar(text("select word from word where id = 1"))) == "肝癌 𠮷 🫁"
    await engine.dispose()


async def test_fresh_mariadb_when_opened_then_is_empty_and_offers_skip_locked(fresh_mariadb: str) -> None:
    engine = create_async_engine(fresh_mariadb)
    async with engine.begin() as connection:
        assert (await connection.execute(text("show tables"))).all() == []
        await connection.execute(text("create table job (id integer primary key)"))
        await connection.execute(text("insert into job values (1), (2)"))
    async with engine.begin() as first, engine.begin() as second:
        claim = text("select id from job order by id limit 1 for update skip locked")
        assert await first.scalar(claim) == 1
        assert await second.scalar(claim) == 2
    await engine.dispose()


async def test_drop_database_when_a_test_left_a_transaction_open_then_does_not_hang(mariadb: MariaDB) -> None:
    name = mariadb.new_database()
    engine = create_async_engine(mariadb.url(name))
    async with engine.connect() as left_open:
        await left_open.execute(text("create table t (id integer)"))
        await left_open.execute(text("insert into t values (1)"))
        mariadb.drop_database(name)
        assert name not in mariadb.admin("show databases").split()
        await left_open.invalidate()
    await engine.dispose()


async def test_mariadb_url_when_used_then_speaks_utf8mb4_in_strict_mode(mariadb_url: str) -> None:
    engine = create_async_engine(mariadb_url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("select @@character_set_connection")) == "utf8mb4"
        assert "STRICT_TRANS_TABLES" in str(await connection.scalar(text("select @@sql_mode")))
    await engine.dispose()
