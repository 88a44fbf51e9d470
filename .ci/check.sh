#!/bin/bash
# check.sh: everything that can be said about the sources without running them. Changes nothing (make format does).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${MISSIONS_VENV:-.venv}/bin
lab=${MISSIONS_CACHE:-$PWD/.cache}/lab
# shellcheck source=.ci/parts.sh
. .ci/parts.sh

module_sizes() {
    local long
    long=$(find server -name '*.py' -exec wc -l {} + | awk '$2 != "total" && $1 > 500')
    [ -z "$long" ] || { printf 'longer than 500 lines; split by subject:\n%s\n' "$long"; return 1; }
}

# A lock file that names where packages came from ties every machine to one registry.
lock_files() {
    ! git grep -n '"resolved":' -- '*package-lock.json' || { echo "lock files carry no download addresses"; return 1; }
}

vscode() {
    sh .ci/vscode.sh modules && sh .ci/vscode.sh check
}

neovim() {
    bash .ci/editors.sh lua || return
    # Absolute paths, because luacheck looks for its configuration from where it is started.
    (cd editors/neovim && "$lab/bin/stylua" --check . && "$lab/bin/luacheck" --quiet .)
}

part "ruff check" "$bin/ruff" check --quiet .
part "ruff format" "$bin/ruff" format --check --quiet .
part "module sizes" module_sizes
part "lock files" lock_files
part "imports go down only" "$bin/lint-imports" --no-logo
part "basedpyright" "$bin/basedpyright"
part "vscode: tsc, eslint" vscode
if [ -n "$(git ls-files 'editors/neovim/*.lua')" ]; then part "neovim: stylua, luacheck" neovim; fi
