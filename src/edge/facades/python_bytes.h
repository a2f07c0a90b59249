#pragma once
// OPEA's megaservices stream each token as the Python repr of its UTF-8 bytes: data: b' tok'.

#include <string>
#include <string_view>

namespace tessera {

/// b'…' or b"…" exactly as CPython's repr(bytes) writes it.
std::string PythonBytesRepr(std::string_view bytes);

}  // namespace tessera
