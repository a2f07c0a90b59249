# openvino::runtime: the shared library in the cache, found at run time through the program's rpath. Its CPU plugin and
# front ends (IR, ONNX) lie beside it and are loaded when first needed; an installation copies the folder lib/ whole.
add_library(openvino::runtime SHARED IMPORTED)
set_target_properties(openvino::runtime PROPERTIES
  IMPORTED_LOCATION ${TESSERA_OPENVINO_DIR}/lib/libopenvino.so.2600
  IMPORTED_SONAME libopenvino.so.2600)
target_include_directories(openvino::runtime SYSTEM INTERFACE ${TESSERA_OPENVINO_DIR}/include)
