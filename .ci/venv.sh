#!/bin/sh
# venv.sh runtime|dev: makes or brings up to date the environment in .venv; does nothing when nothing changed.
#   runtime  what `missions` itself needs
#   dev      that and what the checks and tests need
# Versions are those of constraints.txt, so that every machine runs the same.
set -eu
cd "$(dirname "$0")/.."
kind=${1:?usage: venv.sh runtime|dev}
case $kind in
    runtime) what=. ;;
    dev) what='.[dev]' ;;
    *) echo "venv.sh: runtime or dev, not $kind" >&2; exit 2 ;;
esac
venv=${MISSIONS_VENV:-.venv}

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    interpreter=$(sh .ci/python.sh)
    echo "making $venv with $("$interpreter" --version)"
    "$interpreter" -m venv "$venv"
fi

# The stamp is what the environment was made from: interpreter, folder (an editable install points at it), wishes.
wish=$({ "$venv/bin/python" -VV; pwd; cat pyproject.toml constraints.txt; } | cksum)
done_with() { [ -e "$venv/.missions-$1" ] && [ "$(cat "$venv/.missions-$1")" = "$wish" ]; }
if done_with dev || done_with "$kind"; then
    exit 0
fi
echo "installing the $kind packages into $venv (once; a minute or so)"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input --retries 5 \
    --constraint constraints.txt --editable "$what"
printf '%s\n' "$wish" > "$venv/.missions-$kind"
