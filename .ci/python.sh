#!/bin/sh
# python.sh: prints the newest interpreter that can run Missions (3.11 or later, with venv), or says what is missing.
# A PYTHON in the environment is taken as it is, so that a newer or older one can be tried on purpose.
set -eu

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if usable "$PYTHON"; then
        command -v "$PYTHON"
        exit 0
    fi
    echo "PYTHON=$PYTHON is not a Python 3.11 or later with the venv and ensurepip modules." >&2
    exit 2
fi

# The unversioned name first: it is what the user chose as their default.
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if command -v "$name" >/dev/null 2>&1 && usable "$name"; then
        command -v "$name"
        exit 0
    fi
done

for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1; then
        echo "found $name ($("$name" --version 2>&1)); it is too old or lacks venv and ensurepip" >&2
    fi
done
cat >&2 <<'TEXT'
Missions needs Python 3.11 or later with its venv module, and found none.
  Debian, Ubuntu:  apt-get install python3 python3-venv
  macOS:           brew install python
  elsewhere:       any CPython 3.11+; then  make setup PYTHON=/the/path/to/python3
TEXT
exit 2
