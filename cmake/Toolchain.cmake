# Compiler flags, ccache, mold and sanitizers: everything about *how* code is compiled.
include_guard()

find_program(CCACHE ccache)
if(CCACHE)
  # CCACHE_BASEDIR makes a fresh clone in another folder hit the same cache entries.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
               CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# x86-64-v3 = AVX2 + FMA. A processor without it gets the slower, portable build.
set(TESSERA_MARCH "" CACHE STRING "-march= value; empty: x86-64-v3 where the processor has AVX2")
if(NOT TESSERA_MARCH AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  file(STRINGS /proc/cpuinfo cpu_flags REGEX "^flags" LIMIT_COUNT 1)
  if(cpu_flags MATCHES " avx2( |$)" AND cpu_flags MATCHES " fma( |$)" AND cpu_flags MATCHES " bmi2( |$)")
    set(TESSERA_MARCH x86-64-v3)
  else()
    set(TESSERA_MARCH x86-64)
    message(WARNING "This processor has no AVX2: a slower, portable build is made.")
  endif()
endif()
if(TESSERA_MARCH)
  add_compile_options(-march=${TESSERA_MARCH})
endif()

add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fno-omit-frame-pointer)
add_link_options(-rdynamic)

if(TESSERA_SANITIZE)
  add_compile_options(-fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TESSERA_SANITIZE})
  add_compile_definitions(TESSERA_SANITIZED=1)
endif()
if(TESSERA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Flags of our own code; third-party code is not held to them.
set(TESSERA_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wno-unused-parameter -Wshadow
    -Wnon-virtual-dtor -Wimplicit-fallthrough -Wno-missing-field-initializers
    -Wno-deprecated-declarations)  # std::stable_sort of libstdc++ 12 uses a deprecated buffer
