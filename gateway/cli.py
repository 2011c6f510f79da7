"""The server's command line: ``isocenter serve|migrate|reset-password|backup|restore|columns|deidentify|link|label|evaluate|openapi|version``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from isocenter.errors import IsocenterError
from isocenter.settings import SERVICES, Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 refused or failed (with a sentence on stderr), 2 wrong usage."""
    parsed = _parser().parse_args(arguments)
    # MariaDB's notes quote names and may quote values; what is wrong comes as an error of ours.
    logging.getLogger("asyncmy").setLevel(logging.CRITICAL)
    # What these commands write is for their own user; a de-identified folder is made to be given on.
    umask = os.umask(0o077) if parsed.command != "deidentify" else None
    try:
        return int(_COMMANDS[parsed.command](parsed))
    except IsocenterError as error:
        print(f"isocenter: {error.detail}", file=sys.stderr)
    except ValidationError as error:
        for problem in error.errors():
            name = "ISOCENTER_" + "_".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else "settings"
            print(f"isocenter: {name}: {problem['msg']}", file=sys.stderr)
    except OSError as error:
        print(f"isocenter: {error.strerror or type(error).__name__}", file=sys.stderr)
    except KeyboardInterrupt:
        print("isocenter: stopped", file=sys.stderr)
    finally:
        if umask is not None:
            os.umask(umask)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("isocenter", description="From a hospital's images and reports to labelled, versioned datasets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, metavar="DIR", help="folder of catalog, objects and key (ISOCENTER_DATA)")

    serve = commands.add_parser("serve", parents=[data], help="run everything, or one service")
    serve.add_argument("service", nargs="?", choices=("gateway", *SERVICES), help="one service of the distributed mode; none = everything here")
    serve.add_argument("--host", help="address to listen on (ISOCENTER_HOST, 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (ISOCENTER_PORT, 8600); 0 = any free one")
    serve.add_argument("--import-root", action="append", type=Path, metavar="DIR", help="folder that may be imported; may be given several times")

    commands.add_parser("migrate", parents=[data], help="bring the catalog to the newest schema, seed diseases and the first administrator")
    reset = commands.add_parser("reset-password", parents=[data], help="give an account a new random password, printed once")
    reset.add_argument("name")
    backup = commands.add_parser("backup", parents=[data], help="copy catalog, objects and key to a folder; again = only what is new")
    backup.add_argument("destination", type=Path)
    restore = commands.add_parser("restore", parents=[data], help="put a backup into an empty data folder or catalog, and check it")
    restore.add_argument("source", type=Path)
    restore.add_argument("--full", action="store_true", help="check the bytes of every object again after copying, not of a sample")
    columns = commands.add_parser("columns", parents=[data], help="the column copy that counts are made from: make it anew, or prove it right")
    columns.add_argument("action", choices=("rebuild", "check"))
    deidentify = commands.add_parser("deidentify", help="de-identify a folder of images into another, without a catalog")
    deidentify.add_argument("source", type=Path)
    deidentify.add_argument("destination", type=Path)
    deidentify.add_argument("--key-file", type=Path, help="key of pseudonyms, made when missing; without it a key is used once and forgotten")
    tables = argparse.ArgumentParser(add_help=False)
    tables.add_argument("tables", nargs="+", type=Path, metavar="TABLE", help="report and image tables (CSV, TSV, XLSX, XLS, JSON lines)")
    tables.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the CSV goes; the screen by default")
    link = commands.add_parser("link", parents=[tables], help="link the studies of an image table with reports, without a server; CSV")
    link.add_argument("--all", action="store_true", help="also the links that wait for a person (state review)")
    label = commands.add_parser("label", parents=[tables], help="label every report row, without a server; CSV")
    label.add_argument("--disease", default="", help="code of the disease; without it the one each report is about")
    evaluate = commands.add_parser("evaluate", help="compare labels or links with a gold table")
    evaluate.add_argument("predictions", type=Path)
    evaluate.add_argument("gold", type=Path, help="id and label; or study_uid and report_id (or imaging_id, pathology_ids)")
    evaluate.add_argument("repeats", type=Path, nargs="?", help="for links: a table with id and dup_of; a link to a repeat counts the same")
    commands.add_parser("openapi", help="print the OpenAPI document of the whole product, as the server gives it under /openapi.json")
    commands.add_parser("version", help="print the version")
    return parser


def _settings(parsed: argparse.Namespace) -> Settings:
    given = {name: getattr(parsed, name) for name in ("data", "host", "port") if getattr(parsed, name, None) is not None}
    if getattr(parsed, "import_root", None):
        given["import_roots"] = os.pathsep.join(str(root.resolve()) for root in parsed.import_root)
    return Settings(**given)


def _say(text: str) -> None:
    print(text, flush=True)


def _serve(parsed: argparse.Namespace) -> int:
    from gateway.serve import serve

    return serve(_settings(parsed), parsed.service or "", _say)


def _migrate(parsed: argparse.Namespace) -> int:
    from gateway.start import prepare

    started = asyncio.run(prepare(_settings(parsed)))
    _say("The catalog is at the newest schema.")
    if started.password is not None:
        _say(f"First start: sign in as admin with the password {started.password}\nIt is shown this once; change it in your profile.")
    return 0


def _reset_password(parsed: argparse.Namespace) -> int:
    from gateway.accounts import reset_password

    password = asyncio.run(reset_password(_settings(parsed), parsed.name))
    _say(f"The new password of {parsed.name} is {password}\nIt is shown this once. All sessions of the account have ended.")
    return 0


def _backup(parsed: argparse.Namespace) -> int:
    from gateway.backup import backup

    for line in asyncio.run(backup(_settings(parsed), parsed.destination)):
        _say(line)
    return 0


def _restore(parsed: argparse.Namespace) -> int:
    from gateway.restore import restore

    for line in asyncio.run(restore(_settings(parsed), parsed.source, full=parsed.full)):
        _say(line)
    return 0


def _columns(parsed: argparse.Namespace) -> int:
    from gateway.copies import check, rebuild

    if parsed.action == "rebuild":
        _say(asyncio.run(rebuild(_settings(parsed))))
        return 0
    lines, right = asyncio.run(check(_settings(parsed)))
    for line in lines:
        _say(line)
    return 0 if right else 1


def _deidentify(parsed: argparse.Namespace) -> int:
    from gateway.folders import deidentify

    for line in deidentify(parsed.source, parsed.destination, parsed.key_file):
        _say(line)
    return 0


def _link(parsed: argparse.Namespace) -> int:
    from gateway.measure import link

    link(parsed.tables, parsed.output, everything=parsed.all)
    return 0


def _label(parsed: argparse.Namespace) -> int:
    from gateway.measure import label

    label(parsed.tables, parsed.output, parsed.disease)
    return 0


def _evaluate(parsed: argparse.Namespace) -> int:
    from gateway.measure import evaluate

    for line in evaluate(parsed.predictions, parsed.gold, parsed.repeats):
        _say(line)
    return 0


def _openapi(_: argparse.Namespace) -> int:
    from gateway.contract import contract

    sys.stdout.write(asyncio.run(contract()))
    return 0


def _version(_: argparse.Namespace) -> int:
    _say(f"isocenter {version('isocenter')}")
    return 0


_COMMANDS = {
    "serve": _serve,
    "migrate": _migrate,
    "reset-password": _reset_password,
    "backup": _backup,
    "restore": _restore,
    "columns": _columns,
    "deidentify": _deidentify,
    "link": _link,
    "label": _label,
    "evaluate": _evaluate,
    "openapi": _openapi,
    "version": _version,
}

if __name__ == "__main__":
    sys.exit(main())
