"""``isc``: find, freeze and pull from a shell. Results on stdout (``--json`` for programs), progress and errors on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from isocenter_client import __version__
from isocenter_client.errors import ClientError

FORMATS = ("nifti", "png", "jpeg", "patches", "labels", "monai", "nnunet", "bids", "coco", "medmnist", "imagefolder", "croissant", "s5cmd")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 = done, 1 = it could not be done, 2 = not understood, 130 = interrupted."""
    asked = build_parser().parse_args(arguments)
    from isocenter_client import commands

    try:
        getattr(commands, asked.run)(asked)
    except ClientError as error:
        print(f"isc: {error.detail}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # isc find | head
        sys.stdout = None
        return 1
    except OSError as error:
        print(f"isc: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("isc: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="machine-readable output: JSON on stdout")
    shared.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser = argparse.ArgumentParser(prog="isc", description="Find, freeze and pull datasets from an Isocenter server.")
    parser.add_argument("--version", action="version", version=f"isc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: str, text: str, *, takes: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[shared], epilog=takes)
        made.set_defaults(run=run)
        return made

    login = command("login", "login", "Sign in: make an API token for this computer and keep it (mode 0600).")
    login.add_argument("url", help="address of the server, as in a browser")
    login.add_argument("--name", required=True, help="account name")
    login.add_argument("--days", type=int, default=90, help="life of the token (default 90, at most 365)")
    login.add_argument("--password-stdin", action="store_true", help="read the password from stdin instead of asking")

    find = command("find", "find", "Cases that match; remembers the filter for freeze --from-last.", takes=_WHERE)
    _filter_options(find)
    find.add_argument("--count", action="store_true", help="only the exact numbers")
    find.add_argument("--limit", type=int, default=20, help="rows to print, 0 = all (default 20)")

    values = command("values", "values", "Names a filter may use, or the values of one with counts.")
    values.add_argument("name", nargs="?", help="attribute, as in Modality")
    values.add_argument("--disease", help="only cases of this disease")

    freeze = command("freeze", "freeze", "Make an immutable dataset version NAME@number of what matches now.", takes=_WHERE)
    freeze.add_argument("name", help="dataset; made when it is not there yet")
    _filter_options(freeze)
    freeze.add_argument("--from-last", action="store_true", help="the filter of the last isc find")
    freeze.add_argument("--split", help="70/15/15 = train/val/test, 80/20 = train/test; by patient, stratified by label")
    freeze.add_argument("--seed", type=int, default=0, help="of split, balance and folds (default 0)")
    freeze.add_argument("--balance", choices=("under", "over", "weights"), help="balance the classes by patient, in train when there is one, else everywhere")
    freeze.add_argument("--balance-parts", default="", help="parts to balance, with commas between")
    freeze.add_argument("--folds", type=int, help="2 to 20 folds of what is not in test")
    freeze.add_argument("--sure-only", action="store_true", help="leave out labels a person decided; default takes sure and decided")
    freeze.add_argument("--scheme", default="", help="label scheme of a new dataset (default: the disease's first)")
    freeze.add_argument("--title", default="", help="title of a new dataset")
    freeze.add_argument("--description", default="", help="description of a new dataset")
    freeze.add_argument("--licence", default="", help="licence of a new dataset")

    pull = command("pull", "pull", "Download a version: resumable, verified; a second run downloads nothing.")
    pull.add_argument("reference", help="name@number")
    pull.add_argument("--to", default=None, help="folder (default: ./NAME-NUMBER)")
    pull.add_argument("--as", dest="as_format", choices=FORMATS, help="an export instead of the files as they are; made first when it is not there")
    pull.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the export, VALUE in JSON or plain; may be repeated")
    pull.add_argument("--jobs", type=int, default=4, help="files at the same time (default 4)")
    pull.add_argument("--verify", action="store_true", help="afterwards hash every file again")

    export = command("export", "export", "Have the server convert a version, or list its exports.")
    export.add_argument("reference", help="name@number")
    export.add_argument("as_format", nargs="?", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    export.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the export, VALUE in JSON or plain; may be repeated")
    export.add_argument("--no-wait", action="store_true", help="return when it has been asked for")
    export.add_argument("--cancel", metavar="KEY", help="stop one that runs")

    compare = command("compare", "compare", "What differs between two versions of a dataset.")
    compare.add_argument("before", help="name@number")
    compare.add_argument("after", help="name@number, or the number alone")

    command("datasets", "datasets", "Datasets you may see.")

    completion = command("completion", "completion", "Print the completion of a shell: eval \"$(isc completion bash)\".")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    bring = command("import", "bring", "Upload a folder and report tables, import them, wait for the report.")
    bring.add_argument("folder", nargs="?", help="folder of images on this computer")
    bring.add_argument("--hospital", required=True, help="site code: patient numbers are unique within it")
    bring.add_argument("--server-root", default="", help="read in place: name of an allowed root of the server ...")
    bring.add_argument("--server-path", default="", help="... and a path below it")
    for kind in ("imaging", "pathology", "labels", "image-list"):
        bring.add_argument(f"--{kind}", action="append", default=[], metavar="TABLE", help=f"{kind} table (CSV, XLSX); may be repeated")
    bring.add_argument("--disease", action="append", default=[], help="disease code; may be repeated (default: decide per study)")
    bring.add_argument("--no-wait", action="store_true", help="return when it has started")

    imports = command("imports", "imports", "Imports and their state, or one in full.")
    imports.add_argument("key", nargs="?", help="import key")

    command("review", "review", "How many questions wait for a person.")
    command("stats", "stats", "Patients, cases, labels and bytes by disease.")
    return parser


_WHERE = "CONDITION: NAME=VALUE[,VALUE], NAME>=N, NAME<=N or NAME=LOW..HIGH, joined by 'and'. isc values lists the names."


def _filter_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", action="append", default=[], metavar="CONDITION", help="a condition; may be repeated (AND)")
    parser.add_argument("--disease", help="disease code")
    parser.add_argument("--include-null", action="store_true", help="take in cases that lack a value asked for")


if __name__ == "__main__":
    sys.exit(main())
