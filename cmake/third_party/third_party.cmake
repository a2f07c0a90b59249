# llama.cpp, OpenVINO and the models: fetched and built once per user by tools/setup/third_party.sh, which answers at
# once when all is there. Gives tessera::llama, openvino::runtime and TESSERA_MODELS_DIR.
include_guard()

execute_process(
  COMMAND ${CMAKE_COMMAND} -E env TESSERA_CC=${CMAKE_C_COMPILER} TESSERA_CXX=${CMAKE_CXX_COMPILER}
          ${CMAKE_SOURCE_DIR}/tools/setup/third_party.sh ${TESSERA_MARCH}
  OUTPUT_VARIABLE third_party OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "tools/setup/third_party.sh failed; its message is above")
endif()
string(REPLACE "\n" ";" third_party "${third_party}")
foreach(line ${third_party})
  string(REGEX MATCH "^([A-Z_]+)=(.*)$" line "${line}")
  set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
  message(STATUS "${line}")
endforeach()

include(${CMAKE_CURRENT_LIST_DIR}/llama.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/openvino.cmake)
