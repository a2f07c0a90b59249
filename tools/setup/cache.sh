# Functions shared by the set-up scripts; sourced, not run. Needs: here = the folder of these scripts.
# The cache is shared by every clone of one user: each thing in it lies in a folder named after its version and a
# checksum of its recipe, is made in a temporary folder and renamed into place, so that it is whole or not there.

cache=${TESSERA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tessera}
cc=${TESSERA_CC:-clang-19}
cxx=${TESSERA_CXX:-clang++-19}

say() { echo "setup: $*" >&2; }
die() { echo "setup: error: $*" >&2; exit 1; }

# short_hash FILE… : twelve hex digits over the files' content and the text on standard input.
short_hash() { { cat "$@"; cat; } | sha256sum | cut -c1-12; }

# with_lock NAME COMMAND… : runs COMMAND while no other process of this machine holds NAME.
with_lock() {
  lock_name=$1; shift
  mkdir -p "$cache/locks" || die "cannot create $cache: set TESSERA_CACHE to a folder that you may write to"
  ( flock 9 || die "cannot lock $cache/locks/$lock_name"; "$@" ) 9> "$cache/locks/$lock_name"
}

# The Python that only fetches: a virtual environment of its own, so that nothing is installed into the system.
fetch_python() {
  if ! [ -x "$cache/fetch-venv/bin/pip" ]; then
    command -v python3 > /dev/null || die "python3 is missing (Debian packages: python3 python3-venv)"
    rm -rf "$cache/fetch-venv"
    /usr/bin/python3 -m venv "$cache/fetch-venv" >&2 || die "python3 -m venv failed (Debian package: python3-venv)"
  fi
  echo "$cache/fetch-venv/bin/python"
}

# fetch_pins FILE FOLDER [pip options…] : downloads what FILE pins, refused when a checksum differs.
fetch_pins() {
  pins=$1; into=$2; shift 2
  python=$(with_lock fetch-venv fetch_python) || exit 1
  mkdir -p "$into"
  "$python" -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    -r "$pins" -d "$into" "$@" >&2 || die "could not fetch the packages of $pins (network? pip's own message is above)"
}

# new_work NAME : an empty work folder; its name is free because the lock of that name is held.
new_work() { rm -rf "$cache/work/$1"; mkdir -p "$cache/work/$1"; echo "$cache/work/$1"; }

unpack_wheel() { mkdir -p "$2" && python3 -m zipfile -e "$1" "$2"; }

# publish TEMPORARY FINAL : the rename that makes a finished folder visible.
publish() { touch "$1/.complete"; rm -rf "$2"; mv "$1" "$2" || die "cannot move $1 to $2"; }
