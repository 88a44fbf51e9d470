#!/bin/sh
# machine.sh PROGRAM[=PACKAGE]...: makes sure that programs of the machine are there.
# As root on a Debian-like machine the missing ones are installed. Otherwise each is named with the way to get it,
# and the caller goes on without: what needs it says so when it is its turn.
set -eu
packages='' missing=''
for want in "$@"; do
    program=${want%%=*} package=${want#*=}
    if ! command -v "$program" >/dev/null 2>&1; then
        missing="$missing $program"
        packages="$packages $package"
    fi
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "skipped:$missing (not here, and only root can install:$packages)"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "skipped:$missing (not here, and this machine has no apt-get to install:$packages)"
    exit 0
fi

echo "installing$packages"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for attempt in 1 2 3; do
    # shellcheck disable=SC2086  # a list of words
    if apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 \
        && apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $packages >>"$log" 2>&1; then
        exit 0
    fi
    echo "apt-get failed (attempt $attempt of 3)"
    sleep "$attempt"
done
tail -n 20 "$log"
echo "could not install$packages; needed for:$missing"
exit 1
