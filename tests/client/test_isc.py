"""The ``isc`` command against a real server: sign in, find, freeze, pull, and its errors."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys

import pytest
from isocenter_client import Dataset
from isocenter_client.cli import main
from isocenter_client.config import config_folder


def isc(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def signed_in(served, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery staple\n"))
    code, out, err = isc(capsys, "login", served.url, "--name", "admin", "--password-stdin")
    assert code == 0, err
    assert "Signed in" in out
    return served


def test_login_keeps_a_token_only_its_owner_can_read_and_no_password(signed_in):
    place = config_folder() / "client.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert "correct horse" not in place.read_text()
    assert json.loads(place.read_text())["account"] == "admin"


def test_wrong_password_is_said_and_keeps_nothing(served, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    code, _, err = isc(capsys, "login", served.url, "--name", "admin", "--password-stdin")
    assert code == 1
    assert err.startswith("isc: ")
    assert not (config_folder() / "client.json").exists()


def test_find_freeze_pull_are_three_commands(signed_in, capsys, tmp_path):
    code, out, err = isc(capsys, "find", "--disease", "liver", "--where", "age=40..70 and label in (0,1)", "--where", "Modality=CT")
    assert (code, "LIV-000001" in out, "LIV-000002" in out) == (0, True, False), err
    code, out, err = isc(capsys, "freeze", "thin", "--from-last", "--split", "80/20", "--seed", "7", "--title", "Thin")
    assert (code, "isc pull thin@1" in out) == (0, True), err
    code, out, err = isc(capsys, "pull", "thin@1", "--to", tmp_path / "data", "--verify")
    assert code == 0, err
    assert [row["case_id"] for row in Dataset(tmp_path / "data").rows()] == ["LIV-000001", "LIV-000003"]


def test_json_output_is_one_document_on_stdout(signed_in, capsys):
    code, out, _ = isc(capsys, "find", "--where", "disease=liver", "--json")
    found = json.loads(out)
    assert (code, found["count"]["cases"], len(found["items"])) == (0, 4, 4)
    code, out, _ = isc(capsys, "find", "--count", "--where", "age>=18", "--json")
    assert json.loads(out)["left_out_null"] == 1
    code, out, _ = isc(capsys, "values", "Modality", "--json")
    assert json.loads(out)["values"][0] == {"value": "CT", "cases": 3}
    assert isc(capsys, "values")[0] == 0
    assert isc(capsys, "datasets", "--json")[1].strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("find", "--where", "modality=CT"), "Modality"),
        (("find", "--where", "age"), "Cannot read"),
        (("find", "--disease", "livers"), "did you mean liver?"),
        (("find", "--where", "age>=old"), "number"),
        (("freeze", "new"), "name its disease"),
        (("freeze", "new", "--disease", "liver", "--split", "50/40"), "sum to"),
        (("freeze", "Not/a-name", "--disease", "liver"), "name"),
        (("pull", "livers"), "name@number"),
        (("pull", "livers@9"), "no dataset"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(signed_in, capsys, arguments, said):
    code, out, err = isc(capsys, *arguments)
    assert (code, out) == (1, "")
    assert said in err
    assert "Traceback" not in err


def test_without_a_token_every_command_says_how_to_sign_in(served, capsys):
    code, _, err = isc(capsys, "find")
    assert code == 1
    assert "isc login" in err


def test_importing_the_client_imports_neither_httpx_nor_numpy_nor_torch():
    code = "import sys; from isocenter_client import Client, Dataset; print([m for m in ('httpx', 'numpy', 'torch', 'pydicom') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_pull_as_a_layout_has_the_server_convert_and_brings_its_files(served, signed_in, capsys, tmp_path):
    run_exports(served)
    isc(capsys, "freeze", "pics", "--disease", "liver", "--where", "format=NIFTI")
    code, out, err = isc(capsys, "pull", "pics@1", "--as", "labels", "--option", 'impute=["age"]', "--to", tmp_path / "labels")
    assert code == 0, err
    assert "imputed" in (tmp_path / "labels" / "labels.csv").read_text().splitlines()[0]
    assert Dataset(tmp_path / "labels").verify() == []
    code, out, err = isc(capsys, "pull", "pics@1", "--as", "labels", "--option", 'impute=["age"]', "--to", tmp_path / "labels", "--json")
    assert (code, json.loads(out)["cases"]) == (0, 1), err
    code, out, _ = isc(capsys, "export", "pics@1", "--json")
    assert [(item["format"], item["state"]) for item in json.loads(out)] == [("labels", "finished")]
    code, out, err = isc(capsys, "export", "pics@1", "labels")
    assert (code, "isc pull pics@1 --as labels" in out) == (0, True), err
    code, _, err = isc(capsys, "export", "pics@1", "nifti", "--option", "slices=all")
    assert code == 1
    assert "no option 'slices'" in err


def run_exports(served):
    """The service's background, which a served app's lifespan would start."""

    async def begin() -> None:
        exporter = served.site.app.state.exporter
        exporter.workers.inline = True
        exporter.start()

    served.call(begin)


def test_versions_are_compared_by_name_and_number(signed_in, capsys):
    isc(capsys, "freeze", "thin", "--disease", "liver")
    isc(capsys, "freeze", "thin", "--disease", "liver", "--where", "Modality=CT")
    code, out, err = isc(capsys, "compare", "thin@1", "2")
    assert code == 0, err
    assert "removed 1" in out
    assert "  - LIV-000002" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_commands_and_their_options(capsys, shell):
    code, out, _ = isc(capsys, "completion", shell)
    assert code == 0
    assert "freeze" in out
    assert "split" in out
    if shell == "bash":
        typed = f'{out}\nCOMP_WORDS=(isc pull --j); COMP_CWORD=2; _isc; echo "${{COMPREPLY[@]}}"'
        assert subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True).stdout.split() == ["--jobs", "--json"]


async def test_async_client_counts_and_finds_as_the_other_does(served, signed_in):
    from isocenter_client import AsyncClient

    async with AsyncClient() as client:
        assert (await client.count(disease="liver"))["cases"] == 4
        assert [case["key"] async for case in client.find(disease="liver", Modality="MR")] == ["LIV-000002"]
        version = await client.freeze("thin", disease="liver")
        assert (await client.version(version.reference))["digest"] == version.digest
        assert "thin" in [item["name"] for item in await client.datasets()]
