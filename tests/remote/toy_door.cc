// The toy service as a program, for tests that need another process:
//   toy_door serve UNIX_PATH   serves it over TCP and at the path, prints the port, ends with stdin
//   toy_door call ADDRESS      calls a toy service that somebody else serves, prints what came
//   toy_door follow ADDRESS    reads a stream without end, prints its first item and how it ended
#include <iostream>
#include <string>

#include "remote/remote_toy.h"

namespace tessera {
namespace {

Result<Principal> KnowsAnna(std::string_view authorization) {
  if (authorization.empty()) return Principal();
  if (authorization != "Bearer anna") return absl::UnauthenticatedError("no such key");
  Principal principal;
  principal.id = "anna";
  principal.scopes = {"*"};
  return principal;
}

int Serve(const std::string& path) {
  IoLoops loops(2);
  ThreadPool cpu("cpu", 1);
  RouteTable table;
  ToyRouter router(table);
  table.Set(router.route().id(), {{MakeInstance<Toy>("toy", std::make_shared<EchoToy>()), 1}});
  RemoteServerConfig config;
  config.listeners = {{.address = "127.0.0.1:0", .compresses = true},
                      {.address = StrCat("unix:", path), .trusts_identity = true}};
  config.authenticate = &KnowsAnna;
  RemoteServer server(config, loops, cpu);
  server.Serve(Bind(static_cast<Toy&>(router)));
  const Status started = server.Start();
  if (!started.ok()) {
    std::cerr << started << "\n";
    return 1;
  }
  std::cout << server.port() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "not serving") server.SetServing("tessera.toy.Toy", false);
  }
  const Status drained = SyncWait(server.Drain(Ctx().WithTimeout(std::chrono::seconds(5))));
  std::cout << "drained " << drained << std::endl;
  return drained.ok() ? 0 : 1;
}

void CallAll(Toy& toy) {
  const auto add = [&toy](const std::string& text, Duration timeout) {
    toy::AddRequest request;
    request.set_id(5);
    request.set_text(text);
    const auto reply = SyncWait(toy.Add(SystemCtx().WithTimeout(timeout), request));
    if (reply.ok()) {
      std::cout << reply->id() << " " << reply->text().substr(0, 80) << " " << reply->text().size();
    } else {
      std::cout << reply.status().ToString(absl::StatusToStringMode::kWithNoExtraData)
                << " retry=" << RetryAfterOf(reply.status());
    }
    std::cout << std::endl;
  };
  add("hello", std::chrono::seconds(10));
  add(std::string(3 << 20, 'x'), std::chrono::seconds(20));
  add("fail", std::chrono::seconds(10));
  add("sleep", std::chrono::milliseconds(200));
  toy::TellRequest request;
  for (const std::uint32_t count : {5U, 13U, 99U}) {
    request.set_count(count);
    const auto stream = SyncWait(toy.Tell(SystemCtx(), request));
    int items = 0;
    Status end = stream.status();
    while (end.ok()) {
      const auto item = SyncWait((*stream)->Next(SystemCtx()));
      end = item.status();
      if (!item.ok() || !item->has_value()) break;
      ++items;
    }
    std::cout << items << " items, " << end.ToString(absl::StatusToStringMode::kWithNoExtraData)
              << std::endl;
  }
}

int Call(const std::string& address) {
  IoLoops loops(1);
  RemoteChannel channel({.address = address, .gzip_bytes_min = 1024}, loops);
  ToyRemote toy(channel);
  CallAll(toy);
  return SyncWait(channel.Close()).ok() ? 0 : 1;
}

int Follow(const std::string& address) {
  IoLoops loops(1);
  RemoteChannel channel({.address = address, .send_identity = true}, loops);
  ToyRemote toy(channel);
  toy::TellRequest request;
  request.set_count(4'000'000'000);
  request.set_text_bytes(100);
  {
    const auto stream = SyncWait(toy.Tell(SystemCtx(), request));
    Status end = stream.status();
    for (int items = 0; end.ok(); ++items) {
      const auto item = SyncWait((*stream)->Next(SystemCtx()));
      end = item.status();
      if (item.ok() && !item->has_value()) break;
      if (items == 0) std::cout << "first" << std::endl;
    }
    std::cout << end.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  }
  return SyncWait(channel.Close()).ok() ? 0 : 1;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "serve") return tessera::Serve(argv[2]);
  if (argc == 3 && std::string(argv[1]) == "call") return tessera::Call(argv[2]);
  if (argc == 3 && std::string(argv[1]) == "follow") return tessera::Follow(argv[2]);
  std::cerr << "toy_door serve UNIX_PATH | call ADDRESS | follow ADDRESS\n";
  return 2;
}
