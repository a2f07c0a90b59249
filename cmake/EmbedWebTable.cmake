# cmake -DROOT=… -DOUT=….cc -DWEB=ON|OFF -P EmbedWebTable.cmake : writes the table of the page's files (see EmbedWeb.cmake).
cmake_minimum_required(VERSION 3.25)

get_filename_component(folder ${OUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
set(dist ${ROOT}/web/dist)

find_program(npm npm)
if(WEB AND npm)
  execute_process(COMMAND sh -c "root=$1 && . \"$root/tools/setup/all.sh\" && setup_web" sh ${ROOT}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    message(FATAL_ERROR "building the page failed; cmake -DTESSERA_WEB=OFF builds the program without it\n${output}")
  endif()
endif()
if(NOT WEB OR NOT EXISTS ${dist}/index.html)
  set(dist ${folder}/placeholder)
  file(WRITE ${dist}/index.html
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tessera</title><h1>The page was left out of this build</h1>"
    "<p>Install Node.js and npm and build again, or start with <code>./run</code>, which does it all. "
    "The API, <code>tessera ask</code> and <code>/openapi.json</code> work without it.</p></html>\n")
endif()

function(media_type path out)
  set(type application/octet-stream)
  if(path MATCHES "\\.html$")
    set(type "text/html; charset=utf-8")
  elseif(path MATCHES "\\.js$")
    set(type "text/javascript; charset=utf-8")
  elseif(path MATCHES "\\.css$")
    set(type "text/css; charset=utf-8")
  elseif(path MATCHES "\\.svg$")
    set(type "image/svg+xml")
  elseif(path MATCHES "\\.png$")
    set(type "image/png")
  endif()
  set(${out} ${type} PARENT_SCOPE)
endfunction()

set(assembly "")
set(symbols "")
set(rows "")
set(count 0)

# Copies a file to the build folder, where nothing replaces it while the compiler reads it, and makes its symbols.
function(embed file out)
  if(NOT EXISTS ${file})
    set(${out} "{}" PARENT_SCOPE)
    return()
  endif()
  file(SHA256 ${file} hash)
  file(COPY_FILE ${file} ${folder}/${hash} ONLY_IF_DIFFERENT)
  set(name tessera_web_${count})
  math(EXPR count "${count} + 1")
  set(count ${count} PARENT_SCOPE)
  set(assembly "${assembly}__asm__(\".global ${name}\\n${name}:\\n.incbin \\\"${folder}/${hash}\\\"\\n.global ${name}_end\\n${name}_end:\\n.byte 0\\n\");\n" PARENT_SCOPE)
  set(symbols "${symbols}extern \"C\" const char ${name}[];\nextern \"C\" const char ${name}_end[];\n" PARENT_SCOPE)
  set(${out} "{${name}, static_cast<std::size_t>(${name}_end - ${name})}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE files RELATIVE ${dist} ${dist}/*)
list(SORT files)
foreach(path ${files})
  if(path MATCHES "(^|/)\\." OR path MATCHES "\\.(gz|br)$")
    continue()
  endif()
  media_type(${path} type)
  file(SHA256 ${dist}/${path} hash)
  string(SUBSTRING ${hash} 0 20 hash)
  embed(${dist}/${path} identity)
  embed(${dist}/${path}.gz gzip)
  embed(${dist}/${path}.br brotli)
  set(immutable false)
  if(path MATCHES "^assets/")
    set(immutable true)
  endif()
  string(APPEND rows "      {\"/${path}\", \"${type}\", ${identity}, ${gzip}, ${brotli}, \"\\\"${hash}\\\"\", ${immutable}},\n")
endforeach()

file(WRITE ${OUT} "// Made by EmbedWebTable.cmake.
#include <cstddef>
#include <span>

#include \"edge/web_assets.h\"

__asm__(\".section .rodata.tessera_web, \\\"a\\\", @progbits\\n\");
${assembly}__asm__(\".text\\n\");

${symbols}
namespace tessera {

std::span<const WebAsset> WebAssets() {
  static const WebAsset assets[] = {
${rows}  };
  return assets;
}

}  // namespace tessera
")
