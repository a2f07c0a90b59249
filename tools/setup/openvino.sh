# OpenVINO's runtime: headers and the libraries that the CPU needs. Sourced.

openvino_key() { short_hash "$here/openvino.sh" "$here/pins/openvino.txt" < /dev/null | sed 's/^/2026.0.0-/'; }

make_openvino() {
  [ -e "$1/.complete" ] && return
  work=$(new_work openvino)
  say "fetching OpenVINO (53 MB)"
  # The platform is named, so that any Python can fetch this wheel: its Python parts are not used.
  fetch_pins "$here/pins/openvino.txt" "$work/download" --only-binary :all: --implementation cp --abi cp311 \
    --python-version 3.11 --platform manylinux_2_28_x86_64
  unpack_wheel "$work"/download/openvino-*.whl "$work/wheel"
  prefix=$work/prefix
  mkdir -p "$prefix/lib"
  mv "$work/wheel/openvino/include" "$prefix/include"
  cp -R "$work"/wheel/openvino-*.dist-info/licenses "$prefix/licenses"
  # Not kept: GPU, NPU, automatic and batching plugins, the front ends of other frameworks, GPU tuning tables.
  for library in libopenvino.so.2600 libopenvino_intel_cpu_plugin.so libopenvino_ir_frontend.so.2600 \
      libopenvino_onnx_frontend.so.2600 libtbb.so.12 libtbbmalloc.so.2 libhwloc.so.15; do
    mv "$work/wheel/openvino/libs/$library" "$prefix/lib/"
  done
  publish "$prefix" "$1"
  rm -rf "$work"
}
