#!/usr/bin/env bash
# Makes .venv and installs the pinned dependencies and Rapport itself, in place.
# pip brings uv (hashed), uv brings the rest: seconds instead of a minute.
set -euo pipefail
python=${1:-python3}
cd "$(dirname "$0")/.."
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Rapport needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
  exit 1
fi
rm -rf .venv
if ! "$python" -m venv .venv 2>/dev/null; then
  # Debian splits venv from Python; install it where we may, else say how.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q >/dev/null && apt-get install -q -y python3-venv >/dev/null
    "$python" -m venv .venv
  else
    echo "Python cannot make a virtual environment here. On Debian: sudo apt-get install python3-venv" >&2
    exit 1
  fi
fi
echo "Installing (once) ..." >&2
.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
# Compiled ahead: many short processes run from here, and some machines are told to keep no compiled files.
.venv/bin/uv pip install -q --compile-bytecode --python .venv/bin/python --require-hashes -r requirements/dev.txt
.venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
