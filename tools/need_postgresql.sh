#!/usr/bin/env bash
# Sees to it that a PostgreSQL server can be started for the tests; installs Debian's where we may.
set -euo pipefail
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing PostgreSQL for the tests (once) ..." >&2
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql >/dev/null
  exit 0
fi
echo "The tests of the memory need a PostgreSQL server; initdb is not here. On Debian: sudo apt-get install postgresql" >&2
exit 1
