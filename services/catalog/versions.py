"""What two versions differ in, and a version without the patients who withdrew: from manifests alone, no catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.catalog.freeze import Frozen, canonical, counts_of


@dataclass(frozen=True, slots=True)
class Change:
    """A case of both versions of which something is another: ``before`` and ``after`` hold only what differs."""

    case_id: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """Case ids in order. ``relabelled``: another label; ``moved``: another part; ``other_files``: other images of the case or other bytes of them."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Change, ...]
    moved: tuple[Change, ...]
    other_files: tuple[str, ...]
    same: int


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """From one manifest to another."""
    before, after = ({row["case_id"]: row for row in manifest["labels"]} for manifest in (old, new))
    had, has = _files(old), _files(new)
    both = sorted(before.keys() & after.keys())
    names = ("label", "label_source", "label_state")
    relabelled = tuple(_change(key, before[key], after[key], names) for key in both if before[key]["label"] != after[key]["label"])
    moved = tuple(_change(key, before[key], after[key], ("split",)) for key in both if before[key]["split"] != after[key]["split"])
    other = tuple(key for key in both if had.get(key) != has.get(key))
    changed = {change.case_id for change in (*relabelled, *moved)} | set(other)
    return Difference(
        tuple(sorted(after.keys() - before.keys())), tuple(sorted(before.keys() - after.keys())), relabelled, moved, other, len(both) - len(changed)
    )


def without(manifest: Mapping[str, Any], digest: str, counts: Mapping[str, Any], case_ids: Collection[str]) -> Frozen:
    """The version that follows one with these cases: the same without them. Parts, folds and weights of the others stay as they were."""
    gone = set(case_ids)
    labels = [row for row in manifest["labels"] if row["case_id"] not in gone]
    images = [row for row in manifest["images"] if row["case_id"] not in gone]
    files = [row for row in manifest["files"] if row["path"].split("/", 2)[1] not in gone]
    withdrawn = len(manifest["labels"]) - len(labels)
    document = dict(manifest) | {"labels": labels, "images": images, "files": files, "follows": {"digest": digest, "withdrawn": withdrawn}}
    content = canonical(document)
    left_out = dict(counts["left_out"])
    left_out["withdrawn"] = left_out.get("withdrawn", 0) + withdrawn
    parts = {row["case_id"]: row["split"] for row in labels}
    folds = {row["case_id"]: row["fold"] for row in labels if row.get("fold") is not None}
    return Frozen(document, content, hashlib.sha256(content).hexdigest(), counts_of(labels, images, files) | {"left_out": left_out}, parts, folds)


def _files(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in manifest["files"]:
        found.setdefault(row["path"].split("/", 2)[1], []).append(f"{row['path']} {row['sha256']}")
    return found


def _change(case_id: str, before: Mapping[str, Any], after: Mapping[str, Any], names: tuple[str, ...]) -> Change:
    differ = [name for name in names if before.get(name) != after.get(name)]
    return Change(case_id, {name: before.get(name) for name in differ}, {name: after.get(name) for name in differ})
