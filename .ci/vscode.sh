#!/bin/sh
# vscode.sh modules|check|unit|package: the steps of the VS Code extension. Packages are installed when the lock file changed.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
cache=${MISSIONS_CACHE:-$root/.cache}
node() { sh "$root/.ci/node.sh" node "$@"; }

modules() {
    wish=$(cksum < editors/vscode/package-lock.json)
    stamp=editors/vscode/node_modules/.missions-modules
    if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wish" ]; then return; fi
    echo "installing the extension's packages"
    (cd editors/vscode && sh "$root/.ci/node.sh" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    printf '%s\n' "$wish" > "$stamp"
}

check() {
    cd editors/vscode
    node node_modules/typescript/bin/tsc --noEmit -p .
    node node_modules/typescript/bin/tsc --noEmit -p src/webview
    node node_modules/eslint/bin/eslint.js --max-warnings 0 .
}

unit() {
    modules
    cd editors/vscode
    rm -rf out/test
    node esbuild.mjs --tests
    node --test 'out/test/unit/*.test.js'
}

package() {
    modules
    version=$(node -p 'require("./editors/vscode/package.json").version')
    vsix=$cache/vsix/missions-$version.vsix
    mkdir -p "$cache/vsix"
    # The server travels along, so that a user needs nothing but Python. Its version is the extension's.
    rm -rf editors/vscode/bundled
    "${MISSIONS_VENV:-$root/.venv}/bin/python" -m hatchling build -t wheel -d editors/vscode/bundled >/dev/null
    cd editors/vscode
    node esbuild.mjs --production
    node esbuild.mjs --tests
    rm -f "$vsix"
    node node_modules/@vscode/vsce/vsce package --no-dependencies --allow-missing-repository --out "$vsix" >/dev/null
    echo "$vsix ($(wc -c < "$vsix") bytes)"
}

case ${1:-} in
    modules | check | unit | package) "$1" ;;
    *) echo "usage: vscode.sh modules|check|unit|package" >&2; exit 2 ;;
esac
