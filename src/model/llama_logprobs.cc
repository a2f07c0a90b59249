#include "model/llama_logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "model/text_filter.h"

namespace tessera {
namespace {

void Fill(const LlamaText& text, std::int32_t token, double logprob, v1::TokenLogprob& out) {
  std::string bytes = text.Piece(token);
  out.set_bytes(bytes);
  out.set_logprob(static_cast<float>(logprob));
  std::string shown;
  MoveWholeCharacters(bytes, shown);
  if (!bytes.empty()) shown += "\xEF\xBF\xBD";  // a part of a character
  out.set_token(std::move(shown));
}

}  // namespace

v1::TokenLogprob LogprobOf(const LlamaText& text, std::span<const float> logits, std::int32_t token,
                           std::uint32_t top) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  const double norm = highest + std::log(sum);
  v1::TokenLogprob made;
  Fill(text, token, static_cast<double>(logits[static_cast<std::size_t>(token)]) - norm, made);
  if (top == 0) return made;
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&logits](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  };
  const auto end = order.begin() + std::min<std::ptrdiff_t>(top, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), likelier);
  for (auto at = order.begin(); at != end; ++at) {
    Fill(text, *at, static_cast<double>(logits[static_cast<std::size_t>(*at)]) - norm,
         *made.add_top());
  }
  return made;
}

}  // namespace tessera
