"""What each ``isc`` command does and prints."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from isocenter_client.client import Client
from isocenter_client.client import login as get_token
from isocenter_client.config import Site, read_private, save_site, write_private
from isocenter_client.errors import ClientError
from isocenter_client.filters import merged, parse_options, parse_reference, parse_where
from isocenter_client.progress import Bar, size_text
from isocenter_client.uploads import ImportReport

LAST = "last.json"
TAKEN = ("accepted", "duplicate", "other_resource", "review", "pending")  # outcomes after which something of an import is in the catalog or waits


def login(asked: argparse.Namespace) -> None:
    password = sys.stdin.readline().rstrip("\n") if asked.password_stdin else getpass.getpass(f"Password of {asked.name}: ")
    url = asked.url if "://" in asked.url else f"https://{asked.url}"
    token = get_token(url, asked.name, password, called=f"isc on {_computer()}", days=asked.days)
    place = save_site(Site(url, token, asked.name))
    _print(asked, {"url": url, "account": asked.name, "file": str(place)}, f"Signed in to {url} as {asked.name}; the token is in {place}.")


def find(asked: argparse.Namespace) -> None:
    query = _query(asked)
    with Client() as client:
        count = client.count(query)
        write_private(LAST, {"query": query})
        if asked.count:
            _print(asked, count, _count_text(count))
            return
        cases = list(islice(client.find(query), asked.limit or None))
    if asked.json:
        _print(asked, {"count": count, "items": cases})
        return
    rows = [
        (case["key"], case["sex"], _text(case["age_years"]), *_label(case), ",".join(case["modalities"]), ",".join(case["formats"]), case["series"])
        for case in cases
    ]
    _table(("case", "sex", "age", "label", "state", "modalities", "formats", "series"), rows)
    print(_count_text(count), file=sys.stderr)


def values(asked: argparse.Namespace) -> None:
    with Client() as client:
        if asked.name is None:
            names = client.attributes()
            rows = [(item["name"], item["kind"], item["unit"], item["title_en"], item["title_zh"]) for item in names]
            _print(asked, names) if asked.json else _table(("name", "kind", "unit", "title", "名称"), rows)
            return
        found = client.values(asked.name, asked.disease)
    if asked.json:
        _print(asked, found)
    elif found["minimum"] is not None:
        _table(("from", "to", "cases without"), [(found["minimum"], found["maximum"], found["missing"])])
    else:
        _table(("value", "cases"), [(item["value"], item["cases"]) for item in found["values"]] + [("(none)", found["missing"])])


def freeze(asked: argparse.Namespace) -> None:
    last = read_private(LAST).get("query", {}) if asked.from_last else {}
    if asked.from_last and not last:
        raise ClientError("There is no filter to go on from; run isc find first.")
    states = ("sure",) if asked.sure_only else ("sure", "decided")
    with Client() as client, Bar(quiet=asked.quiet) as bar:
        version = client.freeze(
            asked.name, merged(last, _query(asked)), split=asked.split, seed=asked.seed, label_states=states, disease=asked.disease,
            balance=asked.balance, balance_parts=asked.balance_parts.split(",") if asked.balance_parts else None, folds=asked.folds,
            scheme=asked.scheme, title=asked.title, description=asked.description, licence=asked.licence, told=bar.step,
        )  # fmt: skip
    counts = version.counts
    lines = [
        f"{version.reference}  sha256 {version.digest}",
        f"{counts['cases']} cases, {counts['series']} series, {counts['files']} files, {size_text(counts['size_bytes'])}; labels {_pairs(counts['by_label'])}",
    ]
    if counts["by_split"]:
        lines.append("split " + ", ".join(f"{name} {part['cases']} ({_pairs(part['by_label'])})" for name, part in counts["by_split"].items()))
    if "repeated" in counts:
        lines.append(f"over-sampled to {counts['repeated']} cases (column repeats)")
    if "by_fold" in counts:
        lines.append(f"folds {_pairs(counts['by_fold'])}")
    if any(counts["left_out"].values()):
        lines.append(f"left out: {_pairs(counts['left_out'])}")
    lines.append(f"next: isc pull {version.reference}")
    _print(asked, {"reference": version.reference, "digest": version.digest, "counts": counts}, "\n".join(lines))


def pull(asked: argparse.Namespace) -> None:
    name, number = parse_reference(asked.reference)
    folder = asked.to or f"{name}-{number}"
    with Client() as client, Bar(quiet=asked.quiet) as bar:
        options = parse_options(asked.option)
        dataset = client.pull(asked.reference, folder, as_format=asked.as_format, options=options, jobs=asked.jobs, report=bar.pull, told=bar.step)
    if asked.verify and (damaged := dataset.verify()):
        raise ClientError(f"{len(damaged)} files do not have their hash, the first {damaged[0]}; delete them and pull again.")
    about = {"reference": asked.reference, "folder": folder, "cases": len(dataset.rows()), "series": len(dataset.images()), "digest": dataset.digest}
    _print(asked, about, f"{asked.reference}: {about['cases']} cases, {about['series']} series in {folder}")


def export(asked: argparse.Namespace) -> None:
    with Client() as client, Bar(quiet=asked.quiet) as bar:
        if asked.cancel:
            done = client.cancel_export(asked.reference, asked.cancel)
            _print(asked, done, f"{done['key']} is {done['state']}")
            return
        if asked.as_format is None:
            found = client.exports(asked.reference)
            rows = [(item["key"], item["state"], f"{item['done']}/{item['total']}", size_text(item["size_bytes"] or 0), item["reason"]) for item in found]
            _print(asked, found) if asked.json else _table(("export", "state", "done", "size", "reason"), rows)
            return
        done = client.export(asked.reference, asked.as_format, parse_options(asked.option), wait=not asked.no_wait, told=bar.step)
    lines = [f"{done['key']} is {done['state']}"]
    if done["state"] == "finished":
        lines = [f"{done['key']}: {done['files']} files, {size_text(done['size_bytes'])}"]
        lines += [f"refused: {_pairs(done['refused'])} (refused.csv names them)"] if done["refused"] else []
        lines += [*done["notes"], f"next: isc pull {asked.reference} --as {asked.as_format}"]
    _print(asked, done, "\n".join(lines))


def compare(asked: argparse.Namespace) -> None:
    name, before = parse_reference(asked.before)
    after_name, after = parse_reference(asked.after if "@" in asked.after else f"{name}@{asked.after}")
    if after_name != name:
        raise ClientError("Two versions of one dataset are compared; name the same dataset twice.", field="after")
    with Client() as client:
        found = client.compare(name, before, after)
    lines = [f"{found['before']} -> {found['after']}: {_pairs(found['counts'])}"]
    lines += [f"  + {key}" for key in found["added"]] + [f"  - {key}" for key in found["removed"]]
    lines += [f"  {change['case_id']}: {change['before']['label']} -> {change['after']['label']}" for change in found["relabelled"]]
    _print(asked, found, "\n".join(lines))


def completion(asked: argparse.Namespace) -> None:
    from isocenter_client.cli import build_parser
    from isocenter_client.completion import script

    text = script(asked.shell, build_parser())
    _print(asked, {"shell": asked.shell, "script": text}, text)


def datasets(asked: argparse.Namespace) -> None:
    with Client() as client:
        found = client.datasets()
    rows = [(item["name"], item["latest"] or "-", item["disease"], item["scheme"], item["title"]) for item in found]
    _print(asked, found) if asked.json else _table(("name", "versions", "disease", "scheme", "title"), rows)


def bring(asked: argparse.Namespace) -> None:
    if bool(asked.folder) == bool(asked.server_root) and not (asked.imaging or asked.pathology or asked.labels):
        raise ClientError("Name a folder of this computer, or --server-root and --server-path, or tables alone.")
    tables = {kind: paths for kind in ("imaging", "pathology", "labels", "image_list") if (paths := getattr(asked, kind))}
    with Client() as client, Bar(quiet=asked.quiet) as bar:
        done: ImportReport = client.import_folder(
            asked.folder, asked.hospital, tables=tables, diseases=asked.disease or "auto", server_root=asked.server_root, server_path=asked.server_path,
            wait=not asked.no_wait, told=bar.step,
        )  # fmt: skip
        reasons = client.import_reasons(done.key) if not asked.no_wait else []
    _print(asked, done.view | {"reasons": reasons}, "\n".join([_import_text(done.view), *_reason_lines(reasons)]))
    if done.state == "failed":
        raise ClientError(done.view.get("failure") or "The import failed.")
    taken = sum(item["count"] for item in reasons if item["outcome"] in TAKEN)
    if not asked.no_wait and not taken:
        why = ", ".join(f"{item['reason'] or item['outcome']} {item['count']}" for item in reasons) or "there was nothing in it"
        raise ClientError(f"Nothing was taken in: {why}.")


def imports(asked: argparse.Namespace) -> None:
    with Client() as client:
        if asked.key:
            from urllib.parse import quote

            view = client.rest.get(f"/api/v1/imports/{quote(asked.key, safe='')}")
            reasons = client.import_reasons(asked.key)
            _print(asked, view | {"reasons": reasons}, "\n".join([_import_text(view), *_reason_lines(reasons)]))
            return
        found = client.imports()
    rows = [(item["key"], item["hospital"], item["state"], item["stage"], item["created_at"][:19], _pairs(item.get("totals", {}))) for item in found]
    _print(asked, found) if asked.json else _table(("import", "hospital", "state", "stage", "created", "items"), rows)


def review(asked: argparse.Namespace) -> None:
    with Client() as client:
        counts = client.reviews()
        lines = [f"{counts['open']} questions wait: {_pairs(counts['by_kind']) or 'none'}", f"Decide them at {client.url}/reviews"]
    _print(asked, counts, "\n".join(lines))


def stats(asked: argparse.Namespace) -> None:
    with Client() as client:
        found = client.statistics()
    rows = [
        (item["code"], item["patients"], item["cases"], item["labelled"], item["review"], item["series"], size_text(item["size_bytes"]))
        for item in found["diseases"]
    ]
    _print(asked, found) if asked.json else _table(("disease", "patients", "cases", "labelled", "in review", "series", "size"), rows)


def _query(asked: argparse.Namespace) -> dict[str, Any]:
    disease = {"terms": {"disease": [asked.disease]}} if asked.disease else None
    return merged(parse_where(asked.where), disease, {"include_null": True} if asked.include_null else None)


def _print(asked: argparse.Namespace, document: Any, text: str = "") -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1) if asked.json else text)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip())


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _label(case: dict[str, Any]) -> tuple[str, str]:
    label = case["label"]
    return (label["value"], label["state"]) if label else ("", "none")


def _count_text(count: dict[str, Any]) -> str:
    text = f"{count['cases']} cases, {count['series']} series, {count['instances']} images, {size_text(count['size_bytes'])}; {_pairs(count['by_label'])}"
    return text + (f"; {count['left_out_null']} more lack a value asked for (--include-null)" if count["left_out_null"] else "")


def _import_text(view: dict[str, Any]) -> str:
    lines = [f"import {view['key']}: {view['state']}" + (f" ({view['failure']})" if view.get("failure") else "")]
    lines += [f"  {kind}: {_pairs({name: number for name, number in found.items() if number})}" for kind, found in view.get("counts", {}).items()]
    lines.append(f"  links: {_pairs(view.get('links', {}))}")
    lines.append(f"  labels: {_pairs(view.get('labels', {}))}")
    lines.append(f"  sums {'agree' if view.get('sums_ok') else 'DO NOT agree'}; {view.get('reviews_open', 0)} questions for a person")
    return "\n".join(lines)


def _reason_lines(reasons: Sequence[dict[str, Any]]) -> list[str]:
    """Why items were not simply accepted."""
    return [f"  {item['outcome']} {item['kind']}: {item['reason']} {item['count']}" for item in reasons if item["reason"] and item["outcome"] != "accepted"]


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _computer() -> str:
    import platform

    return platform.node()[:40] or "a computer"
