# tessera::llama: llama.h, ggml.h and, under common/, chat templates and JSON-schema grammars (common/chat.h …).
add_library(tessera::llama INTERFACE IMPORTED)
target_include_directories(tessera::llama SYSTEM INTERFACE
  ${TESSERA_LLAMA_DIR}/include ${TESSERA_LLAMA_DIR}/include/common)
file(GLOB archives ${TESSERA_LLAMA_DIR}/lib/*.a)
# The archives refer to each other; a group lets the linker settle the order.
target_link_libraries(tessera::llama INTERFACE -Wl,--start-group ${archives} -Wl,--end-group Threads::Threads dl)
