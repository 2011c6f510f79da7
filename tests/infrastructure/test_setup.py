"""The setup scripts and the Makefile do what they say, and no file names a package registry."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fixtures.parts import find_program, require_programs

from isocenter.settings import Settings


def _run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(command), cwd=cwd, env=os.environ | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )


def _committed(root: Path) -> list[Path]:
    """The files git tracks or would: not what .gitignore names."""
    listed = _run("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root)
    assert listed.returncode == 0, listed.stderr
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def test_make_help_when_run_then_lists_every_command_with_a_line(repo_root: Path) -> None:
    shown = _run("make", "help", cwd=repo_root).stdout
    for command in ("setup", "demo", "serve", "test", "soak", "check", "bench", "lock", "clean"):
        assert re.search(rf"^  make {command} +\S.{{15,}}$", shown, re.MULTILINE), command


@pytest.mark.parametrize("script", ["deploy/setup/install.sh", "deploy/setup/system.sh", "deploy/setup/lock.sh", "deploy/setup/node.sh", ".ci/run"])
def test_setup_script_when_parsed_by_bash_then_has_no_error_and_is_executable(repo_root: Path, script: str) -> None:
    assert _run("bash", "-n", script, cwd=repo_root).stderr == ""
    assert os.access(repo_root / script, os.X_OK)


@pytest.mark.parametrize("script", ["deploy/setup/install.sh", "deploy/setup/system.sh"])
def test_setup_script_when_profile_is_unknown_then_tells_its_usage(repo_root: Path, script: str) -> None:
    done = _run("bash", script, "nonsense", cwd=repo_root)
    assert done.returncode == 2
    assert "usage:" in done.stdout


def test_install_when_the_lock_is_the_installed_one_then_touches_nothing(repo_root: Path, tmp_path: Path) -> None:
    for name in ("deploy/setup", "requirements"):
        shutil.copytree(repo_root / name, tmp_path / name)
    (tmp_path / "client").mkdir()
    for name in ("pyproject.toml", "client/pyproject.toml"):
        shutil.copy(repo_root / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    inputs = "requirements/bootstrap.txt requirements/dev.txt pyproject.toml client/pyproject.toml"
    stamp = _run("bash", "-c", f'echo "dev $(cat {inputs} | sha256sum | cut -c1-40)" >.venv/.isocenter-lock', cwd=tmp_path)
    assert stamp.returncode == 0
    for profile in ("dev", "server"):
        done = _run("bash", "deploy/setup/install.sh", profile, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "installing" not in done.stdout
    assert os.listdir(tmp_path / ".venv") == [".isocenter-lock"]


def test_install_when_python_is_too_old_then_says_what_is_missing(repo_root: Path, tmp_path: Path) -> None:
    shutil.copytree(repo_root / "deploy" / "setup", tmp_path / "deploy" / "setup")
    shutil.copytree(repo_root / "requirements", tmp_path / "requirements")
    (tmp_path / "client").mkdir()
    for name in ("pyproject.toml", "client/pyproject.toml"):
        shutil.copy(repo_root / name, tmp_path / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for needed in ("bash", "cat", "sha256sum", "cut", "dirname", "sed"):
        (programs / needed).symlink_to(str(find_program(needed)))
    (programs / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    (programs / "python3").chmod(0o755)
    done = _run("bash", "deploy/setup/install.sh", "dev", cwd=tmp_path, PATH=str(programs), PYTHON="")
    assert done.returncode == 1
    assert "no Python 3.11 or newer found (Python 3.9.2)" in done.stderr


def test_locks_when_read_then_pin_each_package_with_hashes_and_server_agrees_with_dev(repo_root: Path) -> None:
    pins: dict[str, dict[str, str]] = {}
    for name in ("dev", "server", "bootstrap", "node"):
        text = (repo_root / "requirements" / f"{name}.txt").read_text()
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries), name
        pins[name] = {match[1]: match[2] for entry in entries if (match := re.match(r"([a-z0-9._-]+)==(\S+)", entry))}
    assert pins["server"].items() <= pins["dev"].items()
    assert "pytest" not in pins["server"]
    assert "greenlet" in pins["server"], "SQLAlchemy's asyncio part needs it; playwright brings it to dev.txt only"


def test_server_lock_when_the_servers_imports_are_listed_then_has_each_of_them(repo_root: Path) -> None:
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (repo_root / "requirements" / "server.txt").read_text(), re.MULTILINE))
    files = [path for package in ("isocenter", "services", "gateway") for path in (repo_root / package).rglob("*.py")]
    files += (repo_root / "deploy" / "demo").glob("*.py")
    imported = {name.partition(".")[0] for path in files for name in _imports(path)}
    own = {"isocenter", "services", "gateway", "deploy"}
    providers = packages_distributions()
    missing = {
        name
        for name in imported - own - sys.stdlib_module_names
        if not locked & {re.sub(r"[-_.]+", "-", provider).lower() for provider in providers.get(name, [])}
    }
    assert missing == set()


def _imports(path: Path) -> Iterator[str]:
    """The absolute module names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def test_committed_files_when_searched_then_name_no_package_registry(repo_root: Path) -> None:
    hosts = re.compile(rb"(?:pypi\.(?:org|python)|pythonhosted\.|registry\.(?:npmjs|yarnpkg)\.|deb\.debian\.)")
    named = [path for path in _committed(repo_root) if hosts.search(path.read_bytes())]
    assert named == []


def _self_signed(folder: Path) -> None:
    """A throw-away certificate where deploy/nginx.conf looks for one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    folder.mkdir()
    (folder / "tls.crt").write_bytes(draft.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(key.private_bytes(*form))


def test_nginx_configuration_when_checked_then_is_accepted(repo_root: Path, tmp_path: Path) -> None:
    require_programs("nginx", "nginx")
    configuration = (repo_root / "deploy" / "nginx.conf").read_text()
    for service in ("gateway", "viewer"):
        assert f"server {service}:8600;" in configuration
        configuration = configuration.replace(f"server {service}:8600;", "server 127.0.0.1:8600;")
    (tmp_path / "nginx.conf").write_text(configuration)
    (tmp_path / "logs").mkdir()
    _self_signed(tmp_path / "tls")
    done = _run(str(find_program("nginx")), "-t", "-q", "-p", f"{tmp_path}/", "-c", str(tmp_path / "nginx.conf"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_compose_when_its_settings_are_read_then_each_is_one_that_isocenter_knows(repo_root: Path) -> None:
    named = set(re.findall(r"ISOCENTER_([A-Z0-9_]+):", (repo_root / "deploy" / "compose.yml").read_text()))
    assert {"CATALOG_URL", "STORE_URL", "STAGING_URL", "VIEWER_URL"} <= named
    assert {name.lower() for name in named} <= set(Settings.model_fields)
