#!/bin/bash
# editors.sh [LAB...]: sets up the real editors that tests/editors drives, below .cache/lab; each program can then be
# started as .cache/lab/bin/NAME. A lab that is up to date costs nothing. The machine itself is changed only by root's
# package manager (Chromium, the Lua checker). A lab that cannot be had leaves .cache/lab/NAME.missing with the reason, which
# the tests show when they skip; the exit status is then 1 if the lab is one of the four that the tests cannot go without.
#
#   neovim       Neovim 0.12, unpacked from a newer Debian suite, on its own libraries
#   code-server  VS Code with its real extension host, as a server, with the Node it wants
#   chromium     the browser that shows VS Code's window
#   lua          stylua and luacheck, the formatter and the checker of the Neovim plugin
#   emacs helix  two clients that know nothing of us
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
lab=${MISSIONS_CACHE:-$root/.cache}/lab
needed="neovim code-server chromium lua"
extra="emacs helix"

code_server_version=4.139.1
code_server_node=24
stylua_version=2.5.2
neovim_suites="${NEOVIM_SUITES:-forky sid}"
chromium_suite=trixie
client_suite=forky

# $1 lab, $2 version: true when the lab was set up from this version in this very folder.
ready() { [ "$(cat "$lab/$1.stamp" 2>/dev/null)" = "$2 $lab" ]; }
stamp() { printf '%s\n' "$2 $lab" > "$lab/$1.stamp"; }

# $1 name, the rest: a line that becomes .cache/lab/bin/NAME; it replaces itself, so that the pid is the program's.
program() {
    local file=$lab/bin/$1
    shift
    printf '#!/bin/sh\nexec %s "$@"\n' "$*" > "$file.new"
    chmod 755 "$file.new"
    mv "$file.new" "$file"
}

platform() { case $(uname -m) in x86_64) echo x64 ;; aarch64 | arm64) echo arm64 ;; *) uname -m ;; esac; }

set_up_neovim() {
    ready neovim "$neovim_suites" && return
    local suite
    for suite in $neovim_suites; do
        if sh .ci/debian-unpack.sh "$suite" "$lab/neovim" usr/bin/nvim neovim; then
            program nvim "'$lab/neovim/usr/bin/nvim'"
            "$lab/bin/nvim" --version | head -n 1
            stamp neovim "$neovim_suites"
            return
        fi
        echo "no Neovim from $suite"
    done
    return 1
}

set_up_code_server() {
    local version="$code_server_version node $code_server_node" home=$lab/code-server code
    ready code-server "$version" && return
    rm -rf "$home" && mkdir -p "$home"
    printf '{"private": true}\n' > "$home/package.json"
    # Nothing is compiled: what matters carries its binaries inside the packages. Node comes as a package too, because this
    # code-server answers 500 on an older one.
    npm_in "$home" install --save-exact "node-linux-$(platform)@$code_server_node" "code-server@$code_server_version"
    code=$home/node_modules/code-server/lib/vscode
    npm_in "$code" install --omit=dev
    rm -rf "$code"/node_modules/@github/copilot* "$code"/node_modules/@microsoft/mxc-sdk* "$code"/extensions/copilot \
        "$code"/node_modules/node-pty/prebuilds/win32-* "$code"/node_modules/node-pty/prebuilds/darwin-* \
        "$home/node_modules/node-linux-$(platform)/include"
    program code-server "'$home/node_modules/node-linux-$(platform)/bin/node'" \
        "'$home/node_modules/code-server/out/node/entry.js'"
    # A configuration of its own: without one it writes a fresh one into the user's home.
    printf 'auth: none\n' > "$home/config.yaml"
    echo "code-server $("$lab/bin/code-server" --config "$home/config.yaml" --version | tail -n 1)"
    stamp code-server "$version"
}

npm_in() {
    local folder=$1
    shift
    (cd "$folder" && timeout 900 sh "$root/.ci/node.sh" npm "$@" --ignore-scripts --no-audit --no-fund --loglevel=error)
}

set_up_chromium() {
    local found=''
    if [ -n "${CHROMIUM:-}" ]; then found=$CHROMIUM; fi
    if [ -z "$found" ] && [ "$(id -u)" = 0 ]; then sh .ci/machine.sh "chromium=chromium fonts-dejavu-core" || true; fi
    if [ -z "$found" ]; then found=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true); fi
    if [ -n "$found" ]; then
        program chromium "'$found'"
    elif ! ready chromium "$chromium_suite"; then
        LIBRARY_FOLDERS="usr/lib/$(uname -m)-linux-gnu/pulseaudio" sh .ci/debian-unpack.sh "$chromium_suite" "$lab/chromium" \
            usr/lib/chromium/chromium-headless-shell chromium-headless-shell chromium-common fonts-dejavu-core
        program chromium "'$lab/chromium/usr/lib/chromium/chromium-headless-shell'"
        stamp chromium "$chromium_suite"
    fi
    "$lab/bin/chromium" --version
}

set_up_lua() {
    if ! ready lua "$stylua_version"; then
        mkdir -p "$lab/stylua"
        printf '{"private": true}\n' > "$lab/stylua/package.json"
        npm_in "$lab/stylua" install --save-exact "@johnnymorganz/stylua@$stylua_version"
        stamp lua "$stylua_version"
    fi
    program stylua "sh '$root/.ci/node.sh' node '$root/.ci/stylua.mjs' '$lab/stylua'"
    sh .ci/machine.sh luacheck=lua-check
    command -v luacheck >/dev/null || { echo "luacheck is not here"; return 1; }
    program luacheck "'$(command -v luacheck)'"
}

set_up_emacs() {
    local home=$lab/emacs version data
    if ! ready emacs "$client_suite"; then
        sh .ci/debian-unpack.sh "$client_suite" "$home" usr/bin/emacs-nox emacs-nox
        version=$(find "$home/usr/share/emacs" -maxdepth 1 -name '[0-9]*' -printf '%f\n' | head -n 1)
        data=$home/usr/share/emacs/$version
        program emacs env "EMACSLOADPATH='$data/lisp:'" "EMACSDATA='$data/etc'" "EMACSDOC='$data/etc'" \
            "EMACSPATH='$(dirname "$(find "$home/usr/libexec/emacs" -name '*.pdmp' | head -n 1)")'" \
            "'$home/usr/bin/emacs-nox'" "--dump-file='$(find "$home/usr/libexec/emacs" -name '*.pdmp' | head -n 1)'"
        stamp emacs "$client_suite"
    fi
    "$lab/bin/emacs" --version | head -n 1
}

set_up_helix() {
    if ! ready helix "$client_suite"; then
        sh .ci/debian-unpack.sh "$client_suite" "$lab/helix" usr/lib/hx/hx hx
        program hx env "HELIX_RUNTIME='$lab/helix/usr/lib/hx/runtime'" "'$lab/helix/usr/lib/hx/hx'"
        stamp helix "$client_suite"
    fi
    "$lab/bin/hx" --version
}

mkdir -p "$lab/bin"
# Two set-ups at once (two checkouts with one cache, or make in two terminals) would write over each other.
if command -v flock >/dev/null; then
    exec 9> "$lab/.lock"
    flock -w 1200 9 || { echo "another set-up of the editors has held $lab/.lock for 20 minutes" >&2; exit 1; }
fi

wanted=${*:-$needed $extra}
status=0
for name in $wanted; do
    case " $needed $extra " in
        *" $name "*) ;;
        *) echo "editors.sh: no lab named $name; there are: $needed $extra" >&2; exit 2 ;;
    esac
    rm -f "$lab/$name.missing"
    began=$SECONDS
    # 9>&-: a program left behind by a set-up must not keep the lock. The subshell keeps "set -e" alive inside it.
    set +e
    (set -e; "set_up_${name//-/_}") >"$lab/$name.log" 2>&1 9>&-
    code=$?
    set -e
    if [ "$code" = 0 ]; then
        printf '%-12s ready (%d s) %s\n' "$name" "$((SECONDS - began))" "$(tail -n 1 "$lab/$name.log")"
    else
        printf '%s\n' "$(tail -n 3 "$lab/$name.log" | tr '\n' ' ')" > "$lab/$name.missing"
        printf '%-12s MISSING (%d s): %s\n' "$name" "$((SECONDS - began))" "$(cat "$lab/$name.missing")"
        case " $needed " in *" $name "*) status=1 ;; esac
    fi
done
exit "$status"
