# Virtual environments of tests and benchmarks, one per file of pinned hashes, kept in the cache. Sourced; needs cache.sh.

# python_env REQUIREMENTS : prints the environment's folder; makes it when it is missing.
python_env() {
  env_dir=$cache/python-$(short_hash "$1" < /dev/null)
  [ -e "$env_dir/.complete" ] || with_lock python make_python_env "$1" "$env_dir" >&2 || exit 1
  echo "$env_dir"
}

# A virtual environment knows its own path, so it is made in place; .complete comes last.
make_python_env() {
  [ -e "$2/.complete" ] && return
  say "fetching the Python packages of ${1##*/tessera/}"
  rm -rf "$2"
  /usr/bin/python3 -m venv "$2" || die "python3 -m venv failed (Debian package: python3-venv)"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary :all: -r "$1" || die "could not install the packages of $1"
  touch "$2/.complete"
}
