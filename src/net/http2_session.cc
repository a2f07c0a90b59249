#include "net/http2_session.h"

#include <algorithm>
#include <array>

#include <nghttp2/nghttp2.h>

namespace tessera {
namespace {

std::uint8_t* Bytes(std::string_view text) {
  // nghttp2 takes pointers to non-const and copies what they point to.
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

nghttp2_nv Nv(std::string_view name, std::string_view value, bool indexed) {
  return {Bytes(name), Bytes(value), name.size(), value.size(),
          static_cast<std::uint8_t>(indexed ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX)};
}

constexpr std::size_t kSkippedMax = 64;  // ranges of stream ids: peers have none as a rule
constexpr std::size_t kFieldsMax = 48;   // of a block that this side sends

struct NvBlock {
  explicit NvBlock(std::span<const Http2Field> fields) {
    CHECK(fields.size() <= kFieldsMax);
    for (const Http2Field& field : fields) nv[size++] = Nv(field.name, field.value, field.indexed);
  }
  std::array<nghttp2_nv, kFieldsMax> nv;
  std::size_t size = 0;
};

}  // namespace

/// What nghttp2 calls.
struct Http2Callbacks {
  static Http2Stream* Find(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  static int BeginFrame(nghttp2_session* session, const nghttp2_frame_hd* head, void* user) {
    Http2Session& self = Self(user);
    if (head->type != NGHTTP2_HEADERS || self.side_ != Http2Session::Side::kServer) return 0;
    // nghttp2 takes these for late frames of a closed stream; RFC 9113, 5.1.1 wants the error.
    if (!self.NoteStreamId(head->stream_id)) {
      nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
    }
    return 0;
  }

  static int BeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Self(user);
    if (self.side_ != Http2Session::Side::kServer || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
      return 0;
    }
    const std::int32_t id = frame->hd.stream_id;
    auto stream = std::make_shared<Http2Stream>(&self, id);
    nghttp2_session_set_stream_user_data(session, id, stream.get());
    self.streams_.emplace(id, std::move(stream));
    return 0;
  }

  static int Header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    Http2Stream* const stream = Find(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    Http2Headers& headers = stream->has_headers_ ? stream->trailers_ : stream->headers_;
    if (headers.bytes() + name_size + value_size + 32 > Self(user).limits_.header_bytes_max) {
      stream->too_large_ = true;
      return 0;
    }
    headers.Add({reinterpret_cast<const char*>(name), name_size},
                {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }

  static void EndOfHeaders(Http2Session& self, Http2Stream& stream) {
    if (stream.has_headers_) return;  // trailers
    // 1xx: the real head follows.
    const auto status = stream.headers_.Find(":status");
    if (status && status->starts_with('1')) {
      stream.headers_ = {};
      return;
    }
    stream.has_headers_ = true;
    if (self.side_ == Http2Session::Side::kServer) {
      stream.user_ = self.accept_(stream.shared_from_this());
    }
  }

  static int FrameReceived(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Self(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        const bool empty = frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0;
        const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (empty && !end) {
          if (!self.SpendControl()) return NGHTTP2_ERR_CALLBACK_FAILURE;
        } else {
          self.EarnControl();
        }
        Http2Stream* const stream = Find(session, frame->hd.stream_id);
        if (stream == nullptr) return 0;
        if (frame->hd.type == NGHTTP2_HEADERS) EndOfHeaders(self, *stream);
        if (end) stream->ended_ = true;
        self.QueueEvent(*stream);
        return 0;
      }
      case NGHTTP2_SETTINGS:
        self.hello_ = true;
        return self.SpendControl() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
      case NGHTTP2_GOAWAY:
        self.going_away_ = true;
        return 0;
      case NGHTTP2_RST_STREAM:
        return 0;  // nghttp2 counts them, and closes the stream
      default:
        return self.SpendControl() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int Data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                  std::size_t size, void* user) {
    // A reader that is slow on one stream must not hold up the others, so the connection's window
    // is given back at once; what one connection can have buffered is streams × stream window.
    nghttp2_session_consume_connection(session, size);
    Http2Stream* const stream = Find(session, id);
    if (stream == nullptr) {
      nghttp2_session_consume_stream(session, id, size);
      return 0;
    }
    if (stream->in_begin_ == stream->in_.size()) {
      stream->in_.clear();
      stream->in_begin_ = 0;
    }
    stream->in_.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int StreamClosed(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
    Self(user).Release(id, static_cast<Http2Error>(error));
    return 0;
  }

  static int FrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    // A server that has said all while the caller still sends: the caller need not.
    if (Self(user).side_ != Http2Session::Side::kServer ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
      return 0;
    }
    const Http2Stream* const stream = Find(session, frame->hd.stream_id);
    if (stream != nullptr && !stream->ended_) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static ssize_t Read(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t length,
                      std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    const std::size_t left = stream.unsent();
    if (left == 0 && !stream.out_ended_) {
      stream.out_deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const std::size_t count = std::min(left, length);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (count == left && stream.out_ended_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!stream.out_trailers_.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        std::array<nghttp2_nv, kFieldsMax> nv;
        std::size_t fields = 0;
        for (const auto& [name, value] : stream.out_trailers_) nv[fields++] = Nv(name, value, true);
        if (nghttp2_submit_trailer(session, id, nv.data(), fields) != 0) {
          return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
      }
    }
    return static_cast<ssize_t>(count);
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                      std::size_t length, nghttp2_data_source* source, void* user) {
    Http2Session& self = Self(user);
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    self.out_->append(reinterpret_cast<const char*>(head), 9);
    self.out_->append(stream.out_, stream.out_sent_, length);
    self.EarnControl();  // a peer answers data with window updates
    stream.out_sent_ += length;
    if (stream.out_sent_ == stream.out_.size()) {
      stream.out_.clear();
      stream.out_sent_ = 0;
    }
    if (stream.was_full_ && stream.unsent() <= self.limits_.unsent_bytes_high / 2) {
      stream.was_full_ = false;
      self.QueueEvent(stream);
    }
    return 0;
  }

  static nghttp2_session_callbacks* Make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &BeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &BeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &Header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &FrameReceived);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &StreamClosed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &FrameSent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, &SendData);
    return callbacks;
  }
};

Http2Session::Http2Session(Side side, const Http2Limits& limits, Accept accept, Hooks hooks)
    : side_(side),
      limits_(limits),
      accept_(std::move(accept)),
      hooks_(std::move(hooks)),
      control_credit_(limits.control_frames_burst),
      control_time_(Now()) {
  static nghttp2_session_callbacks* const callbacks = Http2Callbacks::Make();
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  // A server remembers closed streams, to tell late frames from wrong ones.
  nghttp2_option_set_no_closed_streams(option, side == Side::kClient ? 1 : 0);
  nghttp2_option_set_stream_reset_rate_limit(option, limits.resets_burst, limits.resets_per_second);
  const int made = side == Side::kServer
                       ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                       : nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  CHECK(made == 0);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_bytes_max},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, side == Side::kServer ? limits.streams_max : 0},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings,
                                side == Side::kServer ? 3 : 4) == 0);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits.connection_window_bytes));
}

Http2Session::~Http2Session() {
  CloseAll(Http2Error::kCancel, "the connection has gone");
  nghttp2_session_del(session_);
}

bool Http2Session::NoteStreamId(std::int32_t id) {
  if (id > last_opened_) {
    const std::int32_t next = last_opened_ + (last_opened_ == 0 ? 1 : 2);
    if (id > next && skipped_.size() < kSkippedMax) skipped_.emplace_back(next, id);
    last_opened_ = id;
    return true;
  }
  return std::none_of(skipped_.begin(), skipped_.end(),
                      [id](const auto& range) { return range.first <= id && id < range.second; });
}

Status Http2Session::Feed(std::string_view bytes) {
  const ssize_t used = nghttp2_session_mem_recv(session_, Bytes(bytes), bytes.size());
  if (used >= 0) return absl::OkStatus();
  if (used == NGHTTP2_ERR_CALLBACK_FAILURE) {
    GoAway(Http2Error::kEnhanceYourCalm);
    return absl::ResourceExhaustedError("the peer floods the connection with control frames");
  }
  GoAway(Http2Error::kProtocolError);
  return absl::UnavailableError(
      StrCat("the peer does not keep to HTTP/2: ", nghttp2_strerror(static_cast<int>(used))));
}

bool Http2Session::Produce(std::string& out, std::size_t bytes_max) {
  const std::size_t before = out.size();
  out_ = &out;
  while (out.size() - before < bytes_max) {
    const std::size_t mark = out.size();
    const std::uint8_t* piece = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &piece);
    if (size < 0) break;  // out of memory only
    out.append(reinterpret_cast<const char*>(piece), static_cast<std::size_t>(size));
    if (size == 0 && out.size() == mark) break;
  }
  out_ = nullptr;
  return out.size() > before;
}

void Http2Session::RunEvents() {
  // Users may cause further events; those wait for the next round, so that no user starves others.
  for (int round = 0; round < 4 && !events_.empty(); ++round) {
    running_events_.swap(events_);
    for (Http2StreamPtr& stream : running_events_) {
      stream->event_queued_ = false;
      const std::shared_ptr<Http2User> user = stream->user_;
      const bool last = stream->closed();
      if (last) stream->user_.reset();
      if (user) user->OnEvent();
    }
    running_events_.clear();
  }
  if (!events_.empty()) WantFlush();  // its turn runs the rest
}

void Http2Session::QueueEvent(Http2Stream& stream) {
  if (stream.event_queued_ || !stream.user_) return;
  stream.event_queued_ = true;
  events_.push_back(stream.shared_from_this());
}

Result<Http2StreamPtr> Http2Session::Open(std::span<const Http2Field> fields, bool end,
                                          std::shared_ptr<Http2User> user) {
  if (going_away_ || !closing_.empty()) {
    return absl::UnavailableError("the connection takes no more calls");
  }
  auto stream = std::make_shared<Http2Stream>(this, 0);
  const NvBlock block(fields);
  nghttp2_data_provider provider{{.ptr = stream.get()}, &Http2Callbacks::Read};
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, block.nv.data(), block.size,
                                                 end ? nullptr : &provider, stream.get());
  if (id < 0) {
    going_away_ = true;  // out of stream ids: a new connection has new ones
    return absl::UnavailableError(
        StrCat("the connection takes no more calls: ", nghttp2_strerror(id)));
  }
  stream->id_ = id;
  stream->user_ = std::move(user);
  streams_.emplace(id, stream);
  WantFlush();
  return stream;
}

void Http2Session::SendHeaders(Http2Stream& stream, std::span<const Http2Field> fields, bool end) {
  const NvBlock block(fields);
  nghttp2_data_provider provider{{.ptr = &stream}, &Http2Callbacks::Read};
  nghttp2_submit_response(session_, stream.id_, block.nv.data(), block.size,
                          end ? nullptr : &provider);
  WantFlush();
}

void Http2Session::Reset(std::int32_t id, Http2Error error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, static_cast<std::uint32_t>(error));
  WantFlush();
}

void Http2Session::Consume(std::int32_t id, std::size_t bytes) {
  nghttp2_session_consume_stream(session_, id, bytes);
  if (nghttp2_session_want_write(session_)) WantFlush();
}

void Http2Session::Resume(Http2Stream& stream) {
  if (stream.out_deferred_) {
    stream.out_deferred_ = false;
    nghttp2_session_resume_data(session_, stream.id_);
  }
  WantFlush();
}

void Http2Session::Release(std::int32_t id, Http2Error error) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const Http2StreamPtr stream = std::move(found->second);
  streams_.erase(found);
  stream->session_ = nullptr;
  stream->error_ = error;
  stream->why_closed_ = closing_;
  QueueEvent(*stream);
}

void Http2Session::AnnounceGoAway() {
  nghttp2_submit_shutdown_notice(session_);
  WantFlush();
}

void Http2Session::GoAway(Http2Error error) {
  going_away_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_),
                        static_cast<std::uint32_t>(error), nullptr, 0);
  WantFlush();
}

void Http2Session::Ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  WantFlush();
}

void Http2Session::CloseAll(Http2Error error, const std::string& reason) {
  closing_ = reason;
  while (!streams_.empty()) {
    const std::int32_t id = streams_.begin()->first;
    nghttp2_session_set_stream_user_data(session_, id, nullptr);
    Release(id, error);
  }
}

SteadyTime Http2Session::PassDeadlines(SteadyTime now) {
  SteadyTime next = SteadyTime::max();
  for (const auto& [id, stream] : streams_) {
    if (stream->deadline_passed_) continue;
    if (stream->deadline_ <= now) {
      stream->deadline_passed_ = true;
      QueueEvent(*stream);
    } else {
      next = std::min(next, stream->deadline_);
    }
  }
  return next;
}

bool Http2Session::finished() const {
  return !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
}

void Http2Session::EarnControl() {
  control_credit_ =
      std::min(control_credit_ + 4, static_cast<double>(limits_.control_frames_burst));
}

void Http2Session::RefillControl() {
  const SteadyTime now = Now();
  const double seconds = std::chrono::duration<double>(now - control_time_).count();
  control_time_ = now;
  control_credit_ = std::min(control_credit_ + seconds * limits_.control_frames_per_second,
                             static_cast<double>(limits_.control_frames_burst));
}

bool Http2Session::SpendControl() {
  if (control_credit_ < 1) RefillControl();
  if (control_credit_ < 1) return false;
  control_credit_ -= 1;
  return true;
}

}  // namespace tessera
