# tessera_test_settings(LABELS labels… TIMEOUT seconds [SKIP code] [ENVIRONMENT variables…] TESTS tests…): the
# properties of tests added before. Under a sanitizer everything is slower, and the limits grow with it; what a
# third-party library does is named in tests/sanitizers.
include_guard()

set(TESSERA_TEST_SLOWNESS 1)
# TBB, which OpenVINO brings, opens libraries in a way that AddressSanitizer refuses, unless it is told.
set(tessera_test_environment TBB_ENABLE_SANITIZERS=1)
if(TESSERA_SANITIZE)
  set(TESSERA_TEST_SLOWNESS 5)
  set(suppressions ${CMAKE_SOURCE_DIR}/tests/sanitizers)
  # Suppressions are patterns of names.
  find_program(TESSERA_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer REQUIRED)
  list(APPEND tessera_test_environment
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
    LSAN_OPTIONS=suppressions=${suppressions}/leaks.txt:print_suppressions=0
    TSAN_OPTIONS=suppressions=${suppressions}/races.txt:second_deadlock_stack=1:external_symbolizer_path=${TESSERA_SYMBOLIZER}
    UBSAN_OPTIONS=print_stacktrace=1)
endif()
# For the tests that wait for a program: their own limits are this many times longer.
list(APPEND tessera_test_environment TESSERA_TEST_SLOWNESS=${TESSERA_TEST_SLOWNESS})

function(tessera_test_settings)
  cmake_parse_arguments(arg "" "TIMEOUT;SKIP" "LABELS;ENVIRONMENT;TESTS" ${ARGN})
  math(EXPR timeout "${arg_TIMEOUT} * ${TESSERA_TEST_SLOWNESS}")
  set(environment ${tessera_test_environment} ${arg_ENVIRONMENT})
  set_tests_properties(${arg_TESTS} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${timeout} ENVIRONMENT "${environment}")
  if(DEFINED arg_SKIP)
    set_tests_properties(${arg_TESTS} PROPERTIES SKIP_RETURN_CODE ${arg_SKIP})
  endif()
endfunction()

# tessera_topology_tests(NAME name COMMAND … TIMEOUT seconds [SKIP code] [ENVIRONMENT variables…] [LABELS labels…]
# [SHORT topologies…]): a test of the program again in other topologies than that of one process: NAME_each and
# NAME_three (deploy/topologies), NAME_replicas (tests/topologies). The harnesses read TESSERA_TEST_TOPOLOGY. Those not
# in SHORT are long tests.
function(tessera_topology_tests)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT;SKIP" "COMMAND;LABELS;ENVIRONMENT;SHORT" ${ARGN})
  foreach(topology each three replicas)
    set(test ${arg_NAME}_${topology})
    file(GLOB file ${CMAKE_SOURCE_DIR}/deploy/topologies/${topology}.yaml
         ${CMAKE_SOURCE_DIR}/tests/topologies/${topology}.yaml)
    add_test(NAME ${test} COMMAND ${arg_COMMAND})
    set(tier long)
    if(topology IN_LIST arg_SHORT)
      set(tier integration)
    endif()
    set(skip)
    if(DEFINED arg_SKIP)
      set(skip SKIP ${arg_SKIP})
    endif()
    tessera_test_settings(TESTS ${test} LABELS ${tier} ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} ${skip}
      ENVIRONMENT ${arg_ENVIRONMENT} TESSERA_TEST_TOPOLOGY=${file})
  endforeach()
endfunction()
