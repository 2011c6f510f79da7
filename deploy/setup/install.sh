#!/usr/bin/env bash
# Makes .venv from the committed locks and builds the web front end. usage: install.sh [dev|server|web-only]
#   dev      requirements/dev.txt (default): to serve, test and check
#   server   requirements/server.txt: to serve only
#   web-only just the web build
# Idempotent; a fast no-op while the locks and the web sources are those of the last run. PYTHON chooses the Python.
set -euo pipefail

profile=${1:-dev}
case $profile in dev | server | web-only) ;; *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
cd "$(dirname "$0")/../.."
venv=.venv
say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
digest() { sha256sum | cut -c1-40; }

# ---- Python ---------------------------------------------------------------------------------------------------------
choose_python() {
  local python
  for python in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$python"; return; }
  done
  die "no Python 3.11 or newer found ($(python3 --version 2>&1 || true)); install one, or name it: PYTHON=/path/to/python3.11 make setup"
}

install_python() {
  local stamp=$venv/.isocenter-lock lock=requirements/$profile.txt now had=""
  now=$(cat requirements/bootstrap.txt "$lock" pyproject.toml client/pyproject.toml | digest)
  [ -f $stamp ] && had=$(cat $stamp)
  case $had in "$profile $now" | "dev $(cat requirements/bootstrap.txt requirements/dev.txt pyproject.toml client/pyproject.toml | digest)") return ;; esac

  if ! $venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    local python
    python=$(choose_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null || die "$python has no venv module (on Debian: apt-get install python3-venv)"
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear $venv
  fi
  say "installing $lock (checked against its hashes)"
  $venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
  if $venv/bin/uv --version >/dev/null 2>&1 && UV_PROJECT_ENVIRONMENT=$venv VIRTUAL_ENV=$PWD/$venv \
    $venv/bin/uv pip install -qq --require-hashes -r "$lock"; then :; else
    say "uv could not; going on with pip"
    $venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
  fi
  $venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . -e client
  # a server lock over a dev one leaves the dev packages: then the stamp says server, and dev installs again when asked
  echo "$profile $now" >$stamp
}

# ---- Node and the web front end -------------------------------------------------------------------------------------
web_sources() { # names and contents of what the build is made from
  find web \( -name node_modules -o -name dist -o -name coverage \) -prune -o -type f ! -name '*.tsbuildinfo' -print0 | sort -z | xargs -0 sha256sum
}

install_web() {
  [ -f web/package.json ] || { say "no web front end in this checkout yet (web/package.json)"; return; }
  local built=gateway/pages/dist/.built-from sources lock_digest
  sources=$(web_sources | digest)
  if [ "$profile" = server ] && [ -f $built ] && [ "$(cat $built)" = "$sources" ]; then return; fi
  lock_digest=$(cat web/package.json web/package-lock.json 2>/dev/null | digest)
  if [ "$(cat web/node_modules/.isocenter-lock 2>/dev/null)" != "$lock_digest" ]; then
    [ -f web/package-lock.json ] || die "web/package-lock.json is missing; make it with: make lock"
    say "installing web/package-lock.json"
    deploy/setup/node.sh npm ci --prefix web --no-audit --no-fund --loglevel=error
    echo "$lock_digest" >web/node_modules/.isocenter-lock
  fi
  if [ "$(cat $built 2>/dev/null)" != "$sources" ]; then
    say "building the web front end"
    deploy/setup/node.sh npm run build --prefix web --silent -- --logLevel warn
    [ -d gateway/pages/dist ] || die "npm run build in web/ did not write gateway/pages/dist"
    web_sources | digest >$built # again: the build writes type declarations among its sources
  fi
}

[ "$profile" = web-only ] || install_python
install_web
