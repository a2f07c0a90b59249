#pragma once
// Turns a model's pieces (bytes) into text that may be shown: whole characters, nothing of a stop
// string.

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// Holds back what is not yet decided: the start of a character, the start of a stop string. Not
/// thread-safe.
class TextFilter {
 public:
  /// Empty stop strings are ignored.
  explicit TextFilter(std::vector<std::string> stops);

  /// Takes a piece and returns the text that is certain now: valid UTF-8, bytes that are none
  /// become U+FFFD. Once stopped() it returns nothing more.
  std::string Push(std::string_view piece);
  /// What was held back, when the model ends; an unfinished character is dropped.
  std::string Finish();
  /// A stop string was met; neither it nor what follows is ever returned.
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string bytes_;  // not yet whole characters
  std::string text_;   // whole characters, perhaps the start of a stop string
  bool stopped_ = false;
};

/// Moves the whole characters at the front of `bytes` to the end of `text`; what is no UTF-8
/// becomes U+FFFD, an unfinished character stays in `bytes`.
void MoveWholeCharacters(std::string& bytes, std::string& text);

}  // namespace tessera
