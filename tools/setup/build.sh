# Configuring and building a preset. Sourced; needs cache.sh and root.

check_machine() {
  [ "$(uname -m)" = x86_64 ] || die "only x86_64 is supported so far; this is $(uname -m)"
  grep -q -m1 -w avx2 /proc/cpuinfo ||
    say "this processor has no AVX2: a portable build is made; embedding and generation are several times slower"
}

# One compiler process a core, and 1.5 GB of memory for each.
build_jobs() {
  jobs=$(nproc)
  by_memory=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  [ "$by_memory" -ge "$jobs" ] || jobs=$by_memory
  [ "$jobs" -ge 1 ] || jobs=1
  echo "$jobs"
}

# build_preset PRESET [target…]
build_preset() {
  preset=$1; shift
  build=$root/build/$preset
  log=$root/build/$preset.log
  mkdir -p "$root/build"
  third_party=$("$root/tools/setup/third_party.sh" "$(march)") || exit 1
  # A cache that moved or was emptied needs a new configuration, as does a clone that was moved.
  if ! [ -e "$build/build.ninja" ] || [ "$third_party" != "$(cat "$build/third_party.txt" 2> /dev/null)" ] ||
      ! grep -q "^CMAKE_HOME_DIRECTORY:INTERNAL=$root\$" "$build/CMakeCache.txt"; then
    say "configuring ($preset)"
    grep -qs "^CMAKE_HOME_DIRECTORY:INTERNAL=$root\$" "$build/CMakeCache.txt" || rm -rf "$build"
    ( cd "$root" && cmake --preset "$preset" > "$log" 2>&1 ) || { tail -40 "$log" >&2; die "cmake failed (log: $log)"; }
    echo "$third_party" > "$build/third_party.txt"
  fi
  [ -n "$(ninja -C "$build" -n "$@" 2> /dev/null | grep -v 'no work to do' | sed -n 2p)" ] && say "building ($preset)"
  if [ -t 2 ]; then
    ninja -C "$build" -j "$(build_jobs)" "$@" >&2 || die "the build failed"
  else
    ninja -C "$build" -j "$(build_jobs)" "$@" > "$log" 2>&1 || { grep -v '^\[' "$log" | tail -60 >&2; die "the build failed (log: $log)"; }
  fi
}

# The -march value that cmake/Toolchain.cmake chooses, too.
march() {
  for flag in avx2 fma bmi2; do
    grep -q -m1 -w "$flag" /proc/cpuinfo || { echo x86-64; return; }
  done
  echo x86-64-v3
}
