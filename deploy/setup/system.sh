#!/usr/bin/env bash
# What the machine itself must have. usage: system.sh demo|cluster|test|ci|monitor
#   demo     Python >= 3.11 with venv, nothing else
#   cluster  demo + MariaDB, Swift (the S3 store), memcached, nginx, Prometheus, Alertmanager, node exporter
#   test     demo + MariaDB, Chromium with a Chinese font, Swift (the S3 store of the tests), nginx, Prometheus, Alertmanager
#   ci       test + make, git: all that .ci/run needs on a bare Debian 12
#   monitor  Prometheus, Alertmanager, node exporter
# As root on Debian it installs what is missing, without starting any daemon; otherwise it says what is missing and goes on.
set -euo pipefail

profile=${1:-demo}
demo=(python3 python3-venv)
cluster=("${demo[@]}" mariadb-server swift-proxy swift-account swift-container swift-object memcached nginx-light
  prometheus prometheus-alertmanager prometheus-node-exporter)
test=("${cluster[@]}"
  orthanc orthanc-dicomweb iipimage-server dicom3tools # clients and peers that the viewer is held to
  chromium fontconfig fonts-noto-cjk libatomic1) # libatomic1: Playwright's driver is a Node that needs it
ci=("${test[@]}" make git ca-certificates)
monitor=(prometheus prometheus-alertmanager prometheus-node-exporter)
case $profile in
demo | cluster | test | ci | monitor) declare -n wanted=$profile ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

python_ok() {
  local python
  for python in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$python" ] || continue
    "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return 0
  done
  return 1
}

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${wanted[@]}"; do
    case $package in python3*) python_ok && continue ;; esac
    installed "$package" || missing+=("$package")
  done
elif [ "$profile" = demo ]; then
  python_ok || missing=(python3 python3-venv)
else
  say "this is no Debian: the $profile profile needs, under your system's names: ${wanted[*]}"
  exit 0
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "missing on this machine: ${missing[*]}"
  say "install them (on Debian: sudo apt-get install ${missing[*]}); going on without"
  exit 0
fi

say "installing ${missing[*]}"
policy=/usr/sbin/policy-rc.d # keeps apt from starting the daemons: the tests start their own, privately
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
