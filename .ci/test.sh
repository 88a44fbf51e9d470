#!/bin/bash
# test.sh [PART...]: check and the tests, by folder of tests/, quickest first; without PART all that belongs to every
# change (tests/bench and the long form of tests/faults have commands of their own). Each folder is its own pytest run.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${MISSIONS_VENV:-$PWD/.venv}/bin/python
reports=${MISSIONS_CACHE:-$PWD/.cache}/reports
# shellcheck source=.ci/parts.sh
. .ci/parts.sh

rm -rf "$reports"
mkdir -p "$reports"
# No test may reach the missions, keys or git identity of whoever runs it.
MISSIONS_HOME=$(mktemp -d)
GIT_CONFIG_GLOBAL=/dev/null
GIT_CONFIG_NOSYSTEM=1
LC_ALL=C.UTF-8
export MISSIONS_HOME GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM LC_ALL
# Hundreds of processes load the product; none has to compile it anew.
unset PYTHONDONTWRITEBYTECODE
unset ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL

# Missions of tests write and sync a hundred times a second; where memory can hold them no test waits for a disk.
scratch=$(mktemp -d)
if [ "$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')" -gt 4000000 ] 2>/dev/null; then
    rmdir "$scratch"
    scratch=$(mktemp -d -p /dev/shm missions-tests.XXXXXX)
fi

closing() {
    rm -rf "$MISSIONS_HOME" "$scratch"
    "$python" .ci/closing_line.py "$reports"
}

folder() {
    local name=$1 code=0
    shift
    folder_once "$name" "$@" || code=$?
    # 1: tests failed. Anything else is no judgement of a test.
    if [ "$code" != 1 ] || [ "${MISSIONS_SECOND_RUN:-}" != 1 ] || [ "$name" = unit ]; then return "$code"; fi
    mapfile -t failed < <("$python" .ci/failed_tests.py "$reports/$name.xml")
    if [ "${#failed[@]}" = 0 ] || [ "${#failed[@]}" -gt 3 ]; then return "$code"; fi
    printf '\n== tests/%s: %s again, alone\n' "$name" "${#failed[@]}"
    "$python" -m pytest "${failed[@]}" -r fEsx --basetemp="$scratch/$name-again" --junit-xml="$reports/$name.again.xml"
}

folder_once() {
    local name=$1
    shift
    "$python" -m pytest "tests/$name" -r fEsx --durations=5 --durations-min=5 -o junit_family=xunit1 --junit-xml="$reports/$name.xml" "$@"
}

laboratories() {
    # A lab that cannot be had is a failure where it could be installed, and a stated reason for skipping elsewhere.
    bash .ci/editors.sh || [ "$(id -u)" != 0 ]
}

wanted=${*:-check unit engine lsp faults editors}
for name in $wanted; do
    if [ "$name" = check ]; then
        part "check" bash .ci/check.sh
        continue
    fi
    if [ "$name" = unit ]; then part "unit tests of the extension" sh .ci/vscode.sh unit; fi
    if [ -z "$(find "tests/$name" -name 'test_*.py' 2>/dev/null | head -n 1)" ]; then
        echo "tests/$name holds no tests"
        continue
    fi
    case $name in
        unit) part "tests/unit" folder unit -n 2 --dist worksteal ;;
        # Some files take ten times as long as others: whoever has nothing left takes tests of the other.
        engine | faults) part "tests/$name" folder "$name" -n 2 --dist worksteal --basetemp="$scratch/$name" -o tmp_path_retention_policy=failed ;;
        # A client mostly waits, for servers and daemons that come up: three at a time keep two cores busy.
        lsp) part "tests/lsp" folder lsp -n 3 --dist worksteal --basetemp="$scratch/lsp" -o tmp_path_retention_policy=failed ;;
        # An editor and a browser already fill both cores.
        editors)
            part "editors are set up" laboratories
            part "extension is packed" sh .ci/vscode.sh package
            part "tests/editors" folder editors
            ;;
        *) part "tests/$name" folder "$name" -n 2 --dist loadfile ;;
    esac
done
