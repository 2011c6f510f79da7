"""The s5cmd manifest against a real S3 store: s5cmd itself copies the version's files to where isc pull would put them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from catalog.export_site import add_series, exported, frozen, inline, people, slices
from catalog.rows import open_site

from isocenter.objects import ObjectStore, StoreConfig


def run_s5cmd(settings: dict[str, str], manifest: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    keys = {"AWS_ACCESS_KEY_ID": settings["access_key"], "AWS_SECRET_ACCESS_KEY": settings["secret_key"], "AWS_REGION": settings["region"]}
    command = [Path(sys.executable).with_name("s5cmd"), "--endpoint-url", settings["endpoint"], "run", manifest]
    return subprocess.run(command, env={**os.environ, **keys}, cwd=folder, capture_output=True, text=True, timeout=60)


async def test_manifest_when_s5cmd_runs_it_then_every_file_is_where_the_version_says(s3_store, tmp_path):
    async with open_site(f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}", tmp_path / "server") as site:
        config = StoreConfig(f"s3://{s3_store['bucket']}", s3_store["endpoint"], s3_store["region"], s3_store["access_key"], s3_store["secret_key"])
        object.__setattr__(site.resources, "store", ObjectStore(config))
        inline(site)
        await people(site, ("LIV-000001", "0"), ("LIV-000002", "1"))
        for key in ("LIV-000001", "LIV-000002"):
            await add_series(site, key, f"ct {key}", [slices(f"ct {key}", 2)])
        await frozen(site)
        folder, _ = await exported(site, tmp_path, "s5cmd")
        done = run_s5cmd(s3_store, folder / "manifest.s5cmd", tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        async with site.client() as admin:
            files = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()["files"]
        assert len(files) == 4
        for file in files:
            assert hashlib.sha256((tmp_path / file["path"]).read_bytes()).hexdigest() == file["sha256"]
