# The library embedded_web: the files of the page as bytes in the program, with the table that src/edge/web_assets.h
# tells of. The page is built by npm where that is there (kept in the cache per source, as ./run does it); without npm
# an earlier web/dist is taken, and without that a page which says what is missing.
include_guard()

option(TESSERA_WEB "Build the page and put it into the program; off: a page that says it was left out" ON)

file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/* ${CMAKE_SOURCE_DIR}/web/test/*)
list(APPEND web_sources ${CMAKE_SOURCE_DIR}/web/index.html ${CMAKE_SOURCE_DIR}/web/package.json
     ${CMAKE_SOURCE_DIR}/web/package-lock.json ${CMAKE_SOURCE_DIR}/web/tsconfig.json ${CMAKE_SOURCE_DIR}/web/vite.config.ts)

set(web_table ${CMAKE_BINARY_DIR}/web/web_assets_table.cc)
add_custom_command(
  OUTPUT ${web_table}
  COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR} -DOUT=${web_table} -DWEB=${TESSERA_WEB}
          -P ${CMAKE_SOURCE_DIR}/cmake/EmbedWebTable.cmake
  DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/cmake/EmbedWebTable.cmake
  COMMENT "Putting the page into the program" VERBATIM)

add_library(embedded_web STATIC ${web_table})
target_include_directories(embedded_web PRIVATE ${CMAKE_SOURCE_DIR}/src)
