#include "net/http2_stream.h"

#include "net/http2_session.h"

namespace tessera {

void Http2Stream::Drop(std::size_t bytes) {
  in_begin_ += bytes;
  CHECK(in_begin_ <= in_.size());
  if (in_begin_ == in_.size()) {
    in_.clear();
    in_begin_ = 0;
  } else if (in_begin_ > (64 << 10) && in_begin_ > in_.size() / 2) {
    in_.erase(0, in_begin_);
    in_begin_ = 0;
  }
}

void Http2Stream::Consume(std::size_t bytes) {
  if (session_ != nullptr && bytes > 0) session_->Consume(id_, bytes);
}

void Http2Stream::SendHeaders(std::span<const Http2Field> fields, bool end) {
  if (session_ == nullptr) return;
  if (end) out_ended_ = true;
  session_->SendHeaders(*this, fields, end);
}

void Http2Stream::Write(std::string bytes) {
  if (session_ == nullptr || out_ended_) return;
  if (out_.empty()) {
    out_ = std::move(bytes);
  } else {
    out_.append(bytes);
  }
  session_->Resume(*this);
}

void Http2Stream::End(std::span<const Http2Field> trailers) {
  if (session_ == nullptr || out_ended_) return;
  out_ended_ = true;
  for (const Http2Field& field : trailers) out_trailers_.emplace_back(field.name, field.value);
  session_->Resume(*this);
}

void Http2Stream::Reset(Http2Error error) {
  if (session_ != nullptr) session_->Reset(id_, error);
}

bool Http2Stream::writable() {
  if (session_ == nullptr || unsent() < session_->limits_.unsent_bytes_high) return true;
  was_full_ = true;
  return false;
}

void Http2Stream::SetDeadline(SteadyTime deadline) {
  deadline_ = deadline;
  if (session_ != nullptr) session_->hooks_.on_deadline(deadline);
}

}  // namespace tessera
