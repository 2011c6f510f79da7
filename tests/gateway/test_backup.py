"""Backup and restore on SQLite and MariaDB, from one into the other, incremental, and everything that must be refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select, update

from gateway import manifest as manifests
from gateway.backup import LAST_BACKUP, backup
from gateway.dump import OF_THE_MOMENT, kept_tables
from gateway.restore import restore
from gateway.start import check, prepare
from isocenter.db import Database
from isocenter.errors import Conflict, InvalidInput, IsocenterError
from isocenter.models import (
    Base,
    Case,
    Disease,
    Hospital,
    IdentityCapsule,
    Import,
    Instance,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Series,
    SiteState,
    Study,
)
from isocenter.objects import ObjectStore, data_config, staging_config
from isocenter.settings import Settings


async def _site(settings: Settings) -> dict[str, bytes]:
    """A catalog with one of each kind of value, and its objects; returns them by key."""
    await prepare(settings)
    objects = {f"data/s1/{hashlib.sha256(data).hexdigest()}": data for data in (b"pixels one" * 999, b"pixels two")}
    store = ObjectStore(data_config(settings))
    for key, data in [*objects.items(), ("data/s1/metadata.json.gz", b"old metadata")]:
        store.put_bytes(key, data)
    ObjectStore(staging_config(settings)).put_bytes("held/x", b"held back")
    db = Database(settings.resolved_catalog_url)
    async with db.write() as session:
        hospital, patient = Hospital(code="H1", title="市一医院"), Patient(key="P1")
        policy = PolicyVersion(kind="deid", scope="", number=1, sha256="0" * 64, body={"a": [1, 2.5, None]})
        session.add_all([hospital, policy, patient, IdentityCapsule(owner_kind="patient", owner_id=1, sealed=bytes(range(256)))])
        await session.flush()
        identity = PatientIdentity(hospital_id=hospital.id, number_hmac="n", pseudonym_key="k", patient_id=patient.id)
        disease_id = (await session.scalars(select(Disease.id).order_by(Disease.id))).first()
        session.add_all([identity, Import(key="i1", hospital_id=hospital.id, account="admin", source_kind="none")])
        await session.flush()
        first, second = Case(key="C-1", patient_id=patient.id, disease_id=disease_id), Case(key="C-2", patient_id=patient.id, disease_id=disease_id + 1)
        session.add_all([first, second])
        await session.flush()
        first.merged_into = second.id  # refers to a row that comes later
        study = Study(uid="1", hospital_id=hospital.id, identity_id=identity.id, import_id=1, shifted_date=date(2019, 2, 28), age_years=61.5,
                      created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))  # fmt: skip
        session.add(study)
        await session.flush()
        series = Series(uid="1.1", study_id=study.id, format="DICOM", spacing_mm=[0.5, 0.75])
        session.add(series)
        await session.flush()
        for number, (key, data) in enumerate(objects.items()):
            session.add(Instance(sop_uid=str(number), series_id=series.id, object_key=key, object_sha256=key[-64:], size_bytes=len(data), media_type="x",
                                 source_hmac="", pixel_hash="", policy_id=policy.id, frame_index=[[1, 2]]))  # fmt: skip
    await db.close()
    return objects


async def _rows(url: str) -> dict[str, list[dict[str, object]]]:
    db = Database(url)
    async with db.engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in (await connection.execute(select(table).order_by(*table.primary_key.columns))).mappings()]
            for table in kept_tables()
        }
    await db.close()
    found["site_state"] = [row for row in found["site_state"] if row["name"] != LAST_BACKUP]
    return found


@pytest.mark.parametrize("onto", ["sqlite", "mariadb"])
async def test_backup_when_restored_then_rows_objects_and_key_are_the_same(tmp_path: Path, catalog_url: str, onto: str, request: pytest.FixtureRequest) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url if "mysql" in catalog_url else "")
    objects = await _site(settings)
    told = await backup(settings, tmp_path / "kept")
    assert "4 objects" in told[0]
    before = await _rows(settings.resolved_catalog_url)
    assert sum(map(len, before.values())) > 20
    if onto == "mariadb":
        server = request.getfixturevalue("mariadb")
        name = server.new_database()
        request.addfinalizer(lambda: server.drop_database(name))
    target = Settings(data=tmp_path / "new", catalog_url=server.url(name) if onto == "mariadb" else "")
    told = await restore(target, tmp_path / "kept", full=True)
    assert "Restored" in told[0]
    assert "4 object sizes" in told[1]
    assert await _rows(target.resolved_catalog_url) == before
    store = ObjectStore(data_config(target))
    assert {key: store.get_bytes(key) for key in objects} == objects
    assert ObjectStore(staging_config(target)).get_bytes("held/x") == b"held back"
    assert await check(target) == await check(settings)
    assert target.resolved_key_file.stat().st_mode & 0o777 == 0o600
    assert (await prepare(target)).password is None


async def test_backup_when_repeated_then_only_new_objects_are_copied_and_old_ones_go(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "site")
    objects = await _site(settings)
    await backup(settings, tmp_path / "kept")
    store = ObjectStore(data_config(settings))
    big = max(objects, key=lambda key: len(objects[key]))
    copied = tmp_path / "kept" / "objects" / big
    inode = copied.stat().st_ino
    store.put_bytes("data/s1/metadata.json.gz", b"new metadata!")
    data = b"third"
    store.put_bytes(f"data/s2/{hashlib.sha256(data).hexdigest()}", data)
    ObjectStore(staging_config(settings)).delete("held/x")
    told = await backup(settings, tmp_path / "kept")
    assert "; 2 objects were new" in told[0]
    assert copied.stat().st_ino == inode
    assert not (tmp_path / "kept" / "staging" / "held" / "x").exists()
    assert (tmp_path / "kept" / "objects" / "data/s1/metadata.json.gz").read_bytes() == b"new metadata!"
    assert len(list((tmp_path / "kept").glob("catalog-*"))) == 1
    db = Database(settings.resolved_catalog_url)
    async with db.read() as session:
        noted = await session.get(SiteState, LAST_BACKUP)
    await db.close()
    assert noted is not None
    assert json.loads(noted.value)["objects"] == 4
    await restore(Settings(data=tmp_path / "new"), tmp_path / "kept", full=True)


async def test_backup_when_rows_change_while_it_runs_then_it_is_one_moment(tmp_path: Path, catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url if "mysql" in catalog_url else "")
    await _site(settings)
    from gateway import backup as module

    real, db = module.dump_table, Database(settings.resolved_catalog_url)
    changed: list[str] = []

    async def dump_and_change(connection: object, table: object, path: Path) -> int:
        rows = await real(connection, table, path)  # type: ignore[arg-type]
        if not changed:  # another process commits between the first table and the others
            changed.append("x")
            async with db.write() as session:
                await session.execute(update(Patient).values(key="P-later"))
                session.add(Patient(key="P-new"))
        return rows

    monkeypatch.setattr(module, "dump_table", dump_and_change)
    await backup(settings, tmp_path / "kept")
    await db.close()
    manifest = manifests.read(tmp_path / "kept")
    lines = gzip.decompress((tmp_path / "kept" / manifest.folder / "patient.jsonl.gz").read_bytes()).splitlines()
    assert changed
    assert [orjson.loads(line)["key"] for line in lines] == ["P1"]


DAMAGES = ["table", "manifest", "manifest-gone", "object-bytes", "object-gone", "object-size", "key", "key-gone", "list", "table-gone"]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_restore_when_the_backup_is_damaged_then_it_is_refused_and_no_catalog_is_left(tmp_path: Path, damage: str) -> None:
    settings = Settings(data=tmp_path / "site")
    objects = await _site(settings)
    kept = tmp_path / "kept"
    await backup(settings, kept)
    catalog = next(kept.glob("catalog-*"))
    some_object = kept / "objects" / next(iter(objects))
    if damage == "table":
        path = catalog / "patient.jsonl.gz"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"P1", b"P2")))
    elif damage == "manifest":
        (kept / "manifest.json").write_bytes((kept / "manifest.json").read_bytes().replace(b'"rows": 1', b'"rows": 2', 1))
    elif damage == "object-bytes":
        some_object.write_bytes(b"X" + some_object.read_bytes()[1:])
    elif damage == "object-size":
        some_object.write_bytes(b"short")
    elif damage == "key":
        (kept / "site.key").write_text("00" * 32)
    elif damage == "list":
        (catalog / "objects.jsonl.gz").write_bytes(b"")
    else:
        gone = {"manifest-gone": kept / "manifest.json", "object-gone": some_object, "key-gone": kept / "site.key", "table-gone": catalog / "case.jsonl.gz"}
        gone[damage].unlink()
    target = Settings(data=tmp_path / "new")
    with pytest.raises(InvalidInput):
        await restore(target, kept)
    assert not (tmp_path / "new" / "catalog.db").exists()


async def test_restore_when_the_target_is_not_empty_then_conflict_and_nothing_changes(tmp_path: Path, catalog_url: str) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url if "mysql" in catalog_url else "")
    await _site(settings)
    await backup(settings, tmp_path / "kept")
    before = await _rows(settings.resolved_catalog_url)
    with pytest.raises(Conflict):
        await restore(settings, tmp_path / "kept")
    assert await _rows(settings.resolved_catalog_url) == before
    foreign = Settings(data=tmp_path / "foreign")
    ObjectStore(data_config(foreign)).put_bytes("data/other", b"x")
    with pytest.raises(Conflict):
        await restore(foreign, tmp_path / "kept")


async def test_restore_when_it_breaks_off_then_the_next_one_succeeds(tmp_path: Path, fresh_mariadb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=tmp_path / "site")
    await _site(settings)
    await backup(settings, tmp_path / "kept")
    from gateway import restore as module

    real = module.load_table

    async def fails_late(connection: object, table: object, path: Path) -> int:
        if path.name.startswith("instance"):
            raise IsocenterError("broken off on purpose")
        return await real(connection, table, path)  # type: ignore[arg-type]

    for target in (Settings(data=tmp_path / "new"), Settings(data=tmp_path / "new2", catalog_url=fresh_mariadb)):
        monkeypatch.setattr(module, "load_table", fails_late)
        with pytest.raises(IsocenterError, match="on purpose"):
            await restore(target, tmp_path / "kept")
        monkeypatch.setattr(module, "load_table", real)
        await restore(target, tmp_path / "kept")


async def test_backup_when_an_object_of_the_catalog_is_gone_or_rotten_then_it_says_so(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "site")
    objects = await _site(settings)
    store, key = ObjectStore(data_config(settings)), next(iter(objects))
    store.put_bytes(key, b"rotten")
    assert "WARNING: 1 objects" in (await backup(settings, tmp_path / "kept"))[1]
    assert manifests.read(tmp_path / "kept").damaged == [key]
    store.delete(key)
    with pytest.raises(Conflict, match="1 objects of the catalog"):
        await backup(settings, tmp_path / "kept2")


async def test_backup_when_the_folder_is_of_another_site_or_use_then_refused(tmp_path: Path) -> None:
    first, second = Settings(data=tmp_path / "a"), Settings(data=tmp_path / "b")
    await prepare(first)
    await prepare(second)
    await backup(first, tmp_path / "kept")
    with pytest.raises(Conflict, match="another site"):
        await backup(second, tmp_path / "kept")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.jpg").touch()
    for place in (tmp_path / "photos", tmp_path / "a" / "kept", tmp_path):
        with pytest.raises(InvalidInput):
            await backup(first, place)
    shutil.rmtree(tmp_path / "kept")


async def test_objects_when_they_live_in_s3_then_a_local_site_moves_there(tmp_path: Path, s3_store: dict[str, str]) -> None:
    settings = Settings(data=tmp_path / "site")
    objects = await _site(settings)
    await backup(settings, tmp_path / "kept")
    bucket = f"s3://{s3_store['bucket']}"
    target = Settings(data=tmp_path / "new", store_url=f"{bucket}/data", staging_url=f"{bucket}/staging", s3_endpoint=s3_store["endpoint"],
                      s3_access_key=s3_store["access_key"], s3_secret_key=s3_store["secret_key"])  # type: ignore[arg-type]  # fmt: skip
    await restore(target, tmp_path / "kept", full=True)
    store = ObjectStore(data_config(target))
    assert {key: store.get_bytes(key) for key in objects} == objects
    told = await backup(target, tmp_path / "kept")
    assert "; 0 objects were new or changed" in told[0]


def test_tables_when_new_ones_come_then_each_is_kept_or_named_as_of_the_moment() -> None:
    assert {table.name for table in kept_tables()} | OF_THE_MOMENT == set(Base.metadata.tables)
