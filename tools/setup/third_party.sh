#!/bin/sh
# Fetches, checks and builds the third-party parts that are no Debian packages, once per user, into
# ${TESSERA_CACHE:-${XDG_CACHE_HOME:-~/.cache}/tessera}. Prints where they are, as NAME=PATH lines; says the rest on stderr.
# Usage: third_party.sh [MARCH]   (MARCH: -march value, default x86-64-v3)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"
. "$here/llama.sh"
. "$here/openvino.sh"
. "$here/models.sh"
march=${1:-x86-64-v3}

llama_dir=$cache/llama-$(llama_key "$march")
openvino_dir=$cache/openvino-$(openvino_key)
models_dir=$cache/models-$(models_key)

[ -e "$llama_dir/.complete" ] || with_lock llama make_llama "$march" "$llama_dir"
[ -e "$openvino_dir/.complete" ] || with_lock openvino make_openvino "$openvino_dir"
[ -e "$models_dir/.complete" ] || with_lock models make_models "$models_dir" "$openvino_dir"

echo "TESSERA_LLAMA_DIR=$llama_dir"
echo "TESSERA_OPENVINO_DIR=$openvino_dir"
echo "TESSERA_MODELS_DIR=$models_dir"
