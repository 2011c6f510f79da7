"""``isocenter columns``: the check proves a copy, the rebuild reaches a copy of another process through the catalog."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update
from stats_rows import fill

from gateway.cli import main
from isocenter.keys import create_key_file
from isocenter.models import Patient
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings


def test_columns_when_checked_then_equal_and_rebuild_reaches_a_copy_that_is_open_elsewhere(
    tmp_path: Path, catalog_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    monkeypatch.setenv("ISOCENTER_CATALOG_URL", catalog_url)

    async def begin() -> None:
        resources = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
        await migrate(resources.db)
        await fill(resources)
        await resources.close()

    asyncio.run(begin())
    assert main(["columns", "check", "--data", str(settings.data)]) == 0
    said = capsys.readouterr().out
    assert "equals the catalog's rows" in said
    assert said.count("members") == 2

    async def unnoted() -> None:
        """A change nobody noted, in a process that counts; the command runs as another."""
        resources = open_resources(settings)
        await resources.columns.catch_up()
        async with resources.db.write() as session:
            await session.execute(update(Patient).values(sex="O"))
        assert (await resources.columns.check())["cases"][1] > 0
        assert await asyncio.to_thread(main, ["columns", "rebuild", "--data", str(settings.data)]) == 0
        assert {different for _, different in (await resources.columns.check()).values()} == {0}
        await resources.close()

    asyncio.run(unnoted())
    assert "every process reads all" in capsys.readouterr().out
