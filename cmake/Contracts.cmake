# tessera_contracts(TARGET ROOT): a library of the messages of every .proto below ROOT/tessera and, for every service, of
# the abstract C++ class (x.tessera.h) and its router (x_rpc.tessera.h, for rpc and what lies above it),
# its remote client (x_remote.tessera.h, for remote and what lies above it), a class that passes calls on (x_forward.tessera.h), and
# what the comments say of the fields (x_doc.tessera.h).
include_guard()

function(tessera_contracts target root)
  file(GLOB_RECURSE protos CONFIGURE_DEPENDS ${root}/tessera/*.proto)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  set(generated)
  set(headers)
  foreach(proto ${protos})
    file(RELATIVE_PATH relative ${root} ${proto})
    string(REGEX REPLACE "\\.proto$" "" stem ${relative})
    set(outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h ${out}/${stem}.tessera.h ${out}/${stem}_rpc.tessera.h
        ${out}/${stem}_doc.tessera.h ${out}/${stem}_remote.tessera.h ${out}/${stem}_forward.tessera.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc --proto_path=${root} --proto_path=${CMAKE_SOURCE_DIR}/proto --cpp_out=${out}
              --plugin=$<TARGET_FILE:protoc-gen-tessera> --tessera_out=${out} ${relative}
      DEPENDS ${protos} protoc-gen-tessera WORKING_DIRECTORY ${root} VERBATIM)
    list(APPEND generated ${out}/${stem}.pb.cc)
    list(APPEND headers ${out}/${stem}.pb.h ${out}/${stem}.tessera.h)
  endforeach()
  add_library(${target} STATIC ${generated} ${headers})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_link_libraries(${target} PUBLIC base protobuf::libprotobuf)
endfunction()
