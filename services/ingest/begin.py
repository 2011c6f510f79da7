"""Begin an import: check source, tables, mapping, hospital and diseases before anything starts, then write its rows."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.auth import Principal
from isocenter.errors import InvalidInput
from isocenter.models import Disease, Hospital, Import, LabelScheme, now
from isocenter.resources import Resources
from isocenter.settings import Settings
from services.ingest.identity import ImportCapsule
from services.ingest.mapping import propose
from services.ingest.nouns import columns_of, what_is_missing
from services.ingest.readers.tables import read_table
from services.ingest.report_records import ColumnMapping, MappingProposal, Table, TableKind
from services.ingest.schemas import NewImport, Source, TableSource
from services.ingest.sources import has_files, resolve_folder
from services.ingest.store import capsules, imports, policies

CONFIDENT = 0.6  # a column guessed with less must be confirmed by a person


def root_names(settings: Settings) -> dict[str, Path]:
    """Allowed roots by name (the folder's name; numbered when two have the same)."""
    names: dict[str, Path] = {}
    for root in settings.allowed_roots:
        name, number = root.name or "root", 2
        while name in names:
            name, number = f"{root.name}-{number}", number + 1
        names[name] = root
    return names


def upload_folder(settings: Settings, key: str) -> Path:
    """The spool of an upload; InvalidInput for a key that is none or is not there."""
    if not key.isalnum():
        raise InvalidInput("This is not the key of an upload.", field="upload")
    folder = settings.data.absolute() / "uploads" / key
    if not folder.is_dir():
        raise InvalidInput("There is no upload with this key; it may have been imported or removed.", field="upload")
    return folder


def place(settings: Settings, *, root: str | None, path: str | None, upload: str | None) -> Path:
    """The absolute path of a source or table; InvalidInput when it is outside what may be imported."""
    if upload is not None:
        folder = upload_folder(settings, upload)
        target = (folder / (path or "")).resolve()
        if target != folder.resolve() and folder.resolve() not in target.parents:
            raise InvalidInput("The path leads outside the upload.", field="path")
        if not target.exists():
            raise InvalidInput("The upload holds no file with this path.", field="path")
        return target
    if root is not None:
        names = root_names(settings)
        if root not in names:
            raise InvalidInput(f"There is no allowed root named {root[:60]}; choose one of: {', '.join(sorted(names)) or 'none'}.", field="root")
        return resolve_folder(str(names[root] / (path or ".")), settings.allowed_roots)
    if not path:
        raise InvalidInput("Name a root and a path, an absolute path, or an upload.", field="path")
    return resolve_folder(path, settings.allowed_roots)


def source_place(settings: Settings, source: Source) -> str:
    """``folder:<path>`` or ``upload:<path>`` of a source that holds at least one file, '' for none."""
    if source.kind == "none":
        return ""
    if source.kind == "upload" and not source.upload:
        raise InvalidInput("Name the upload.", field="source.upload")
    folder = place(settings, root=source.root, path=source.path, upload=source.upload if source.kind == "upload" else None)
    if not has_files(folder):
        raise InvalidInput("The source is empty: there is no file below it.", field="source")
    return f"{source.kind}:{folder}"


@dataclass(frozen=True)
class Prepared:
    """A table that was read and mapped."""

    path: Path
    table: Table
    proposal: MappingProposal
    mapping: ColumnMapping
    remembered: bool
    confirmed: bool


def layout_scope(hospital: str, kind: str, columns: tuple[str, ...]) -> str:
    """Scope of a remembered mapping: hospital, kind and the header's hash."""
    return f"{hospital}:{kind}:{hashlib.sha256(json.dumps(columns, ensure_ascii=False).encode()).hexdigest()[:20]}"[:64]


async def prepare(resources: Resources, session: AsyncSession, hospital: str, wanted: TableSource) -> Prepared:
    """Read a table and settle its mapping: given by the person, remembered for this hospital, or proposed."""
    path = place(resources.settings, root=wanted.root, path=wanted.path, upload=wanted.upload)
    kind = TableKind(wanted.kind) if wanted.kind else None
    table = await asyncio.to_thread(read_table, path)
    proposal = await asyncio.to_thread(propose, table, kind)
    remembered = await policies.latest_mapping(session, layout_scope(hospital, proposal.kind.value, table.columns)) if hospital else None
    if wanted.mapping is not None:
        body = {"kind": proposal.kind.value, "columns": wanted.mapping, "date_order": wanted.date_order or proposal.date_order}
        mapping = ColumnMapping.from_body(body)
    elif remembered is not None:
        mapping = ColumnMapping.from_body(remembered)
    else:
        mapping = proposal.accepted()
    return Prepared(path, table, proposal, mapping, remembered is not None and wanted.mapping is None, wanted.mapping is not None)


def others_in_row(prepared: Prepared) -> list[Prepared]:
    """The other reports of each row, when rows hold several and nobody mapped the table otherwise: the same table read again by their columns."""
    if prepared.mapping != prepared.proposal.accepted():
        return []
    parts = []
    for said in prepared.proposal.further:
        sure = tuple(guess for guess in said.guesses if guess.confidence >= CONFIDENT)
        if not what_is_missing(said.kind, {guess.noun for guess in sure}):
            said = replace(said, guesses=sure)
            parts.append(replace(prepared, proposal=said, mapping=said.accepted()))
    return parts


def check(prepared: Prepared, *, confirmed: bool, number: int) -> None:
    """InvalidInput when the table cannot be used, or when an important column was only guessed."""
    if not prepared.table.rows:
        raise InvalidInput("The table has no rows.", field=f"tables.{number}")
    if confirmed or prepared.remembered:
        columns_of(prepared.table, prepared.mapping)
        return
    if prepared.proposal.missing:
        missing = list(prepared.proposal.missing)
        raise InvalidInput("The table cannot be used; it lacks " + "; ".join(missing) + ".", field=f"tables.{number}", missing=missing)
    unsure = [guess.noun for guess in prepared.proposal.guesses if guess.confidence < CONFIDENT]
    if unsure:
        raise InvalidInput(
            f"Confirm the columns of this table first: {', '.join(unsure)} are only guessed (send `mapping`).", field=f"tables.{number}.mapping", unsure=unsure
        )


async def begin(resources: Resources, principal: Principal, wanted: NewImport) -> str:
    """The key of a new import whose first batch waits; InvalidInput names what is wrong with the order."""
    settings = resources.settings
    source = await asyncio.to_thread(source_place, settings, wanted.source)
    if not source and not wanted.tables:
        raise InvalidInput("There is nothing to import: name a source or at least one table.", field="source")
    async with resources.db.read() as session:
        await _check_names(session, wanted)
        prepared = [await prepare(resources, session, wanted.hospital, table) for table in wanted.tables]
    for number, (entry, table) in enumerate(zip(prepared, wanted.tables, strict=True)):
        check(entry, confirmed=table.mapping is not None, number=number)
    prepared = [part for entry in prepared for part in (entry, *others_in_row(entry))]
    codes = [] if wanted.diseases == "auto" else list(dict.fromkeys(wanted.diseases))
    async with resources.db.write() as session:
        hospital = await session.scalar(select(Hospital).where(Hospital.code == wanted.hospital))
        if hospital is None:
            hospital = Hospital(code=wanted.hospital, title=wanted.hospital)
            session.add(hospital)
            await session.flush()
        row = Import(
            key=imports.new_key(),
            hospital_id=hospital.id,
            account=principal.name,
            source_kind=wanted.source.kind,
            state="running",
            stage="scan",
            options={"diseases": codes, "schemes": wanted.schemes},
            failure="",
            created_at=now(),
        )
        session.add(row)
        await session.flush()
        tables: list[dict[str, Any]] = []
        for entry in prepared:
            scope = layout_scope(wanted.hospital, entry.mapping.kind.value, entry.table.columns)
            await policies.ensure(session, "mapping", scope, entry.mapping.body(), entry.mapping.sha256)
            tables.append({"path": str(entry.path), "mapping": entry.mapping.body()})
        capsule = ImportCapsule(source, tuple(tables))
        await capsules.put(session, resources.key, "import", [(row.id, capsule)], days=settings.identity_days)
        await imports.add_batches(session, row.id, "scan", [({}, 1)])
        what = {"hospital": wanted.hospital, "source": wanted.source.kind, "tables": len(tables)}
        audit.record(session, principal, "import-started", f"import:{row.key}", after=what)
        return row.key


async def _check_names(session: AsyncSession, wanted: NewImport) -> None:
    known = {d.code: d.id for d in await session.scalars(select(Disease).where(Disease.deleted_at.is_(None)))}
    if wanted.diseases != "auto":
        if not wanted.diseases:
            raise InvalidInput("Name at least one disease, or say auto.", field="diseases")
        for code in wanted.diseases:
            if code not in known:
                raise InvalidInput(f"There is no disease {code[:40]}; known are: {', '.join(sorted(known))}.", field="diseases")
    for code, scheme in wanted.schemes.items():
        found = await session.scalar(select(LabelScheme.id).where(LabelScheme.disease_id == known.get(code, 0), LabelScheme.code == scheme))
        if found is None:
            raise InvalidInput(f"There is no label scheme {scheme[:40]} for {code[:40]}.", field="schemes")
