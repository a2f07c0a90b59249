#pragma once
// A TCP connection on an io loop, awaited from tasks. Only for net's own .cc files: it brings asio.

#include <array>
#include <coroutine>
#include <functional>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <sys/uio.h>

#include "base/cancel.h"
#include "base/task.h"
#include "net/io_loop.h"

namespace tessera {

using IoExecutor = boost::asio::io_context::executor_type;
using TcpSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, IoExecutor>;
using boost::system::error_code;

/// Awaits one asio operation: `start(handler)` begins it, the handler resumes the awaiter on the
/// loop. The object lives in the awaiting coroutine's frame until then.
template <class Start>
class IoWait {
 public:
  explicit IoWait(Start start) : start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    start_(Done{this});
  }
  error_code await_resume() const noexcept { return error_; }

 private:
  struct Done {
    IoWait* wait;
    void operator()(const error_code& error, std::size_t = 0) const {
      wait->error_ = error;
      wait->handle_.resume();
    }
    template <class T>
      requires(!std::integral<T>)
    void operator()(const error_code& error, const T&) const {
      (*this)(error);
    }
  };
  Start start_;
  std::coroutine_handle<> handle_;
  error_code error_;
};

/// "127.0.0.1:80", "[::1]:80".
std::string FormatEndpoint(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace tessera
