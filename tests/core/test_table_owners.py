"""A table names who creates its rows and who changes them; no other service's code does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from isocenter import models
from isocenter.models import Base

ROOT = Path(__file__).resolve().parents[2]
TABLES = {mapper.class_.__name__: mapper.class_.__table__ for mapper in Base.registry.mappers}
CREATING = {"insert"}
CHANGING = {"update", "delete"}
UPSERTING = {"upsert_ignore"}


def service_files() -> list[tuple[str, Path]]:
    found = [(path.relative_to(ROOT / "services").parts[0], path) for path in sorted((ROOT / "services").rglob("*.py"))]
    return [*found, *(("gateway", path) for path in sorted((ROOT / "gateway").rglob("*.py")))]


def model_of(node: ast.expr) -> str | None:
    """``X`` or ``X.__table__`` when X is one of our tables."""
    if isinstance(node, ast.Attribute) and node.attr == "__table__":
        node = node.value
    return node.id if isinstance(node, ast.Name) and node.id in TABLES else None


def writes(path: Path) -> list[tuple[str, str, int]]:
    """(model, create | change, line) of every write in a file."""
    tree = ast.parse(path.read_text())
    imported = {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "isocenter.models" for alias in node.names
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        if name in TABLES and name in imported and node.keywords:
            found.append((name, "create", node.lineno))
        elif name in CREATING | CHANGING and node.args and (model := model_of(node.args[0])):
            found.append((model, "create" if name in CREATING else "change", node.lineno))
        elif name in UPSERTING and len(node.args) > 1 and (model := model_of(node.args[1])):
            found.append((model, "create", node.lineno))
    return found


def test_every_table_says_who_creates_it() -> None:
    known = {"ingest", "catalog", "viewer", "stats", "gateway"}
    for name, table in TABLES.items():
        owners = set(table.info["created_by"].split(","))
        assert owners, name
        assert owners <= known, name
        assert set(filter(None, table.info["changed_by"].split(","))) <= known, name


@pytest.mark.parametrize("service", ["ingest", "catalog", "viewer", "stats", "gateway"])
def test_service_when_it_writes_a_table_then_the_table_names_it(service: str) -> None:
    # gateway's backup restores whole tables, and its start seeds through catalog's own code
    allowed_files = {"gateway/backup.py", "gateway/restore.py", "gateway/start.py"}
    wrong = []
    for owner, path in service_files():
        if owner != service or path.relative_to(ROOT).as_posix() in allowed_files:
            continue
        for model, act, line in writes(path):
            info = TABLES[model].info
            names = info["created_by"] if act == "create" else info["changed_by"]
            if service not in names.split(","):
                wrong.append(f"{path.relative_to(ROOT)}:{line} would {act} {model}")
    assert wrong == []


def test_the_check_sees_a_wrong_write(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from isocenter.models import Case\nfrom sqlalchemy import insert\nx = insert(Case)\ny = Case(key='a')\n")
    assert [(model, act) for model, act, _ in writes(bad)] == [("Case", "create"), ("Case", "create")]
    assert models.Case.__table__.info["created_by"] == "ingest"
