# llama.cpp: static libraries and headers, with `common` (chat templates, JSON-schema grammars). Sourced.

llama_key() { echo "$1" | short_hash "$here/llama.sh" "$here/llama_patch.h" "$here/pins/llama.txt" | sed "s/^/0.3.36-$1-/"; }

# The source is kept, for other -march values and for the bench's llama-server.
llama_source() {
  source_dir=$cache/llama-source-$(short_hash "$here/llama_patch.h" "$here/pins/llama.txt" < /dev/null)
  [ -e "$source_dir/.complete" ] && return
  temporary=$(new_work llama-source)
  say "fetching llama.cpp's source (77 MB)"
  fetch_pins "$here/pins/llama.txt" "$temporary/download" --no-binary llama-cpp-python
  tar -xzf "$temporary"/download/llama_cpp_python-*.tar.gz -C "$temporary"
  mv "$temporary"/llama_cpp_python-*/vendor/llama.cpp "$temporary/source"
  llama_patch "$temporary/source"
  publish "$temporary/source" "$source_dir"
  rm -rf "$temporary"
}

# A barrier that sleeps, and a KV cache that takes memory as it fills: see llama_patch.h.
llama_patch() {
  cp "$here/llama_patch.h" "$1/ggml/src/"
  barrier=$1/ggml/src/ggml-cpu/ggml-cpu.c
  sed -i -e '/^void ggml_barrier(/,/^}/{
    s/^\( *\)int n_passed = .*/&\n\1int spins = 0;/
    s/ggml_thread_cpu_relax();/tessera_barrier_wait(\&tp->n_barrier_passed, n_passed, \&spins);/
    s/^\( *\)atomic_fetch_add_explicit(&tp->n_barrier_passed, 1, .*/&\n\1tessera_barrier_wake(\&tp->n_barrier_passed);/
    }' -e 's/^void ggml_barrier(/#include "..\/llama_patch.h"\n&/' "$barrier"
  zero=$1/ggml/src/ggml-backend.cpp
  sed -i -e '/^static void ggml_backend_cpu_buffer_clear(/,/^}/s/memset(.*);/if (value == 0) tessera_zero(buffer->context, buffer->size); else &/' \
    -e 's/^static void ggml_backend_cpu_buffer_clear(/#include "llama_patch.h"\n&/' "$zero"
  [ "$(grep -c tessera_ "$barrier")" = 2 ] && [ "$(grep -c tessera_ "$zero")" = 1 ] ||
    die "llama.cpp's source is not the one that the patch in llama.sh was written for"
}

# llama_configure MARCH BUILD_FOLDER [cmake options…]
llama_configure() {
  simd=ON
  [ "$1" = x86-64 ] && simd=OFF
  build_march=$1; build=$2; shift 2
  launcher=
  if command -v ccache > /dev/null; then
    CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1; export CCACHE_BASEDIR CCACHE_NOHASHDIR
    launcher="-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache"
  fi
  flags="-march=$build_march -fno-omit-frame-pointer -ffile-prefix-map=$source_dir=llama.cpp"
  # shellcheck disable=SC2086
  cmake -G Ninja -S "$source_dir" -B "$build" $launcher -Wno-dev -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_COMMON=ON -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF \
    -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_CCACHE=OFF \
    -DGGML_SSE42=$simd -DGGML_AVX=$simd -DGGML_AVX2=$simd -DGGML_BMI2=$simd -DGGML_FMA=$simd -DGGML_F16C=$simd \
    "$@" > "$build.log" 2>&1 || { tail -20 "$build.log" >&2; die "configuring llama.cpp failed"; }
}

make_llama() {
  [ -e "$2/.complete" ] && return
  llama_source
  work=$(new_work llama)
  say "building llama.cpp for $1 (once; one to four minutes)"
  llama_configure "$1" "$work/build"
  ninja -C "$work/build" llama llama-common > "$work/build.log" 2>&1 ||
    { tail -30 "$work/build.log" >&2; die "building llama.cpp failed"; }
  prefix=$work/prefix
  mkdir -p "$prefix/lib" "$prefix/include" "$prefix/licenses"
  find "$work/build" -name '*.a' -exec cp {} "$prefix/lib/" \;
  cp "$source_dir"/include/*.h "$source_dir"/ggml/include/*.h "$prefix/include/"
  mkdir -p "$prefix/include/common/jinja" "$prefix/include/nlohmann"
  cp "$source_dir"/common/*.h "$prefix/include/common/"
  cp "$source_dir"/common/jinja/*.h "$prefix/include/common/jinja/"
  cp "$source_dir"/vendor/nlohmann/*.hpp "$prefix/include/nlohmann/"
  cp "$source_dir/LICENSE" "$source_dir"/licenses/* "$prefix/licenses/"
  publish "$prefix" "$2"
  rm -rf "$work"
}
