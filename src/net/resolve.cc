#include "net/resolve.h"

#include <algorithm>

#include <boost/asio/ip/tcp.hpp>

#include "net/socket.h"
#include "net/stream_address.h"

namespace tessera {

using boost::asio::ip::tcp;
using Resolver = boost::asio::ip::basic_resolver<tcp, IoExecutor>;

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): loops outlive their work
Task<Result<std::vector<std::string>>> ResolveAll(IoLoop& loop, Ctx ctx, std::string name) {
  CO_TRY(const StreamAddress address, ParseStreamAddress(name));
  if (address.is_unix) co_return absl::InvalidArgumentError("a Unix socket is no name");
  Executor* const home = Executor::Current();
  co_await SwitchTo(loop);
  CO_TRY(ctx.Check());
  Resolver resolver(loop.context().get_executor());
  std::vector<std::string> found;
  const std::string port = std::to_string(address.port);
  const auto resolve = [&](auto done) {
    resolver.async_resolve(
        address.host, port, boost::asio::ip::resolver_base::numeric_service,
        [&found, &address, done](const error_code& error, const auto& entries) {
          for (const auto& entry : entries) {
            found.push_back(
                StreamAddress{.host = entry.endpoint().address().to_string(), .port = address.port}
                    .ToString());
          }
          done(error);
        });
  };
  IoWait resolved(resolve);
  const error_code error = co_await resolved;
  if (home != nullptr) co_await SwitchTo(*home);
  if (error) {
    co_return absl::UnavailableError(
        StrCat("cannot find the host of ", address.ToString(), ": ", error.message()));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  co_return found;
}

}  // namespace tessera
