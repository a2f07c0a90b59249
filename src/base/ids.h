#pragma once
// Identifiers: random ones for requests, spans and records; unguessable ones for keys.

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

/// Fast, not secret: a per-thread generator for span ids, sampling and jitter.
std::uint64_t RandomId();

/// `prefix` + 24 random base-62 characters (142 bits, from the system's generator): ids of records
/// that clients see.
std::string NewId(std::string_view prefix);
/// The same in form, but fast and not secret: of answers, which nobody asks for by their id.
std::string AnswerId(std::string_view prefix);

/// Lower-case hexadecimal of a 64-bit id, 16 characters.
std::string Hex(std::uint64_t id);
void AppendHex(std::string* text, std::uint64_t id);

}  // namespace tessera
