"""The official Python gRPC library against our server, and behind our client. No generated code: the messages come
from our own reflection service."""
import concurrent.futures
import os
import subprocess
import tempfile
import threading
import time
import unittest

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

BIG = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
ANNA = (("authorization", "Bearer anna"),)


class Toy:
    """The toy service's methods on a channel."""

    def __init__(self, channel, messages):
        def method(kind, name, request, reply):
            return kind(f"/tessera.toy.Toy/{name}", request_serializer=messages[request].SerializeToString,
                        response_deserializer=messages[reply].FromString)
        self.messages = messages
        self.add = method(channel.unary_unary, "Add", "AddRequest", "AddReply")
        self.ping = method(channel.unary_unary, "Ping", "AddRequest", "AddReply")
        self.tell = method(channel.unary_stream, "Tell", "TellRequest", "TellItem")

    def request(self, text, number=1):
        return self.messages["AddRequest"](id=number, text=text)


def messages_of(channel):
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    names = ("AddRequest", "AddReply", "TellRequest", "TellItem")
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tessera.toy.{n}")) for n in names}


class Door(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.folder.name, "toy.sock")
        cls.server = subprocess.Popen([os.environ["TOY_DOOR"], "serve", cls.path], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        cls.port = int(cls.server.stdout.readline())
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{cls.port}", options=BIG)
        cls.toy = Toy(cls.channel, messages_of(cls.channel))

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        cls.server.stdin.close()
        rest = cls.server.stdout.read()
        cls.server.stdout.close()
        assert cls.server.wait(20) == 0, rest
        cls.folder.cleanup()

    def stats(self):
        waiting, cancelled, streams = self.toy.ping(self.toy.request("stats")).text.split("|")
        return int(waiting), int(cancelled), int(streams)

    def eventually(self, condition):
        end = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), end, "waited ten seconds")
            threading.Event().wait(0.01)

    def fails(self, code, call, *arguments, **named):
        with self.assertRaises(grpc.RpcError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return caught.exception

    def test_unary(self):
        reply = self.toy.ping(self.toy.request("grüße", 42), timeout=10)
        self.assertEqual((reply.id, reply.text), (42, "grüße"))

    def test_many_at_once(self):
        calls = [self.toy.ping.future(self.toy.request("x" * 1000, i)) for i in range(500)]
        self.assertEqual([c.result().id for c in calls], list(range(500)))

    def test_metadata_and_identity(self):
        self.fails(grpc.StatusCode.UNAUTHENTICATED, self.toy.add, self.toy.request("who"))
        self.fails(grpc.StatusCode.UNAUTHENTICATED, self.toy.add, self.toy.request("who"),
                   metadata=(("authorization", "Bearer eve"),))
        forged = (("tessera-principal", "root"), ("tessera-scopes", "*"))
        self.fails(grpc.StatusCode.UNAUTHENTICATED, self.toy.add, self.toy.request("who"), metadata=forged)
        trace = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        reply = self.toy.add(self.toy.request("who"), metadata=ANNA + (trace, ("x-request-id", "abc")), timeout=30)
        self.assertEqual(reply.text, "anna|*,||abc|0af7651916cd43dd8448eb211c80319c|deadline")

    def test_unix_socket_trusts_identity(self):
        with grpc.insecure_channel(f"unix:{self.path}") as channel:
            toy = Toy(channel, self.toy.messages)
            reply = toy.add(toy.request("who"), metadata=(("tessera-principal", "b%C3%B6b"), ("tessera-scopes", "a *"),
                                                          ("tessera-tenant", "t")))
            self.assertEqual(reply.text.split("|")[:3], ["böb", "a,*,", "t"])

    def test_server_stream(self):
        request = self.toy.messages["TellRequest"](count=2000, text_bytes=1000)
        numbers = [item.number for item in self.toy.tell(request, metadata=ANNA)]
        self.assertEqual(numbers, list(range(2000)))

    def test_deadline(self):
        start = time.monotonic()
        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED, self.toy.add, self.toy.request("wait"), metadata=ANNA, timeout=0.2)
        self.assertLess(time.monotonic() - start, 5)
        self.eventually(lambda: self.stats()[0] == 0)

    def test_cancel(self):
        _, before, _ = self.stats()
        call = self.toy.add.future(self.toy.request("wait"), metadata=ANNA)
        self.eventually(lambda: self.stats()[0] == 1)
        call.cancel()
        self.eventually(lambda: self.stats()[0] == 0 and self.stats()[1] > before)

    def test_cancelled_stream_ends_at_the_server(self):
        items = self.toy.tell(self.toy.messages["TellRequest"](count=10_000_000, text_bytes=1000), metadata=ANNA)
        self.assertEqual(next(items).number, 0)
        items.cancel()
        self.eventually(lambda: self.stats()[2] == 0)

    def test_big_messages_and_compression(self):
        text = "".join(chr(97 + i * i % 23) for i in range(100_000)) * 80
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            reply = self.toy.ping(self.toy.request(text), compression=compression)
            self.assertTrue(reply.text == text)
        error = self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, self.toy.ping, self.toy.request("x" * (17 << 20)))
        self.assertIn("at most", error.details())
        # A bomb: small on the wire, too large once it is open.
        self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, self.toy.ping, self.toy.request("x" * (40 << 20)),
                   compression=grpc.Compression.Gzip)

    def test_errors(self):
        busy = self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, self.toy.ping, self.toy.request("busy"))
        self.assertIn(b"google.rpc.RetryInfo", dict(busy.trailing_metadata())["grpc-status-details-bin"])
        fail = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.toy.ping, self.toy.request("fail"))
        self.assertIn("– 100%", fail.details())
        self.assertIn(b"google.rpc.BadRequest", dict(fail.trailing_metadata())["grpc-status-details-bin"])
        self.fails(grpc.StatusCode.UNIMPLEMENTED, self.channel.unary_unary("/tessera.toy.Toy/Nope"), b"")
        self.fails(grpc.StatusCode.UNIMPLEMENTED, self.channel.unary_unary("/nowhere"), b"")
        self.fails(grpc.StatusCode.INTERNAL, self.channel.unary_unary("/tessera.toy.Toy/Ping"), b"\xff\xff\xff")

    def test_reflection(self):
        for version in ("v1alpha", "v1"):
            ask = self.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                             request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                             response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
            asked = [reflection_pb2.ServerReflectionRequest(list_services="*"),
                     reflection_pb2.ServerReflectionRequest(file_containing_symbol="tessera.toy.Toy.Tell"),
                     reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health"),
                     reflection_pb2.ServerReflectionRequest(file_by_filename="no/such.proto")]
            replies = list(ask(iter(asked)))
            names = [s.name for s in replies[0].list_services_response.service]
            self.assertIn("tessera.toy.Toy", names)
            self.assertIn(f"grpc.reflection.{version}.ServerReflection", names)
            self.assertGreaterEqual(len(replies[1].file_descriptor_response.file_descriptor_proto), 2)
            self.assertEqual(len(replies[2].file_descriptor_response.file_descriptor_proto), 1)
            self.assertEqual(replies[3].error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])

    def test_health(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ("", "tessera.toy.Toy"):
            self.assertEqual(health.Check(health_pb2.HealthCheckRequest(service=service)).status, serving)
        self.fails(grpc.StatusCode.NOT_FOUND, health.Check, health_pb2.HealthCheckRequest(service="nobody"))
        watch = health.Watch(health_pb2.HealthCheckRequest(service="tessera.toy.Toy"))
        self.assertEqual(next(watch).status, serving)
        self.server.stdin.write("not serving\n")
        self.server.stdin.flush()
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.NOT_SERVING)
        watch.cancel()
        unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
        self.assertEqual(next(unknown).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        unknown.cancel()

    def test_a_server_that_is_killed_ends_streams_with_an_error(self):
        path = os.path.join(self.folder.name, "killed.sock")
        server = subprocess.Popen([os.environ["TOY_DOOR"], "serve", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(server.stdout.readline())
        for address in (f"unix:{path}", f"127.0.0.1:{port}"):
            reader = subprocess.Popen([os.environ["TOY_DOOR"], "follow", address], stdout=subprocess.PIPE, text=True)
            if address.startswith("unix"):
                self.assertEqual(reader.stdout.readline(), "first\n")
                server.kill()
                server.wait()
            end = reader.communicate(timeout=30)[0].strip()
            self.assertTrue(end.startswith("UNAVAILABLE: "), end)
            self.assertEqual(reader.returncode, 0)
        server.stdin.close()
        server.stdout.close()
        # Its socket file is stale: a successor takes the name.
        successor = subprocess.Popen([os.environ["TOY_DOOR"], "serve", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertGreater(int(successor.stdout.readline()), 0)
        with grpc.insecure_channel(f"unix:{path}") as channel:
            self.assertEqual(Toy(channel, self.toy.messages).ping(self.toy.request("x"), timeout=10).text, "x")
        successor.communicate(timeout=20)
        self.assertEqual(successor.returncode, 0)

    def test_a_python_server_stands_in(self):
        """Thirty lines of Python behind our client."""
        m = self.toy.messages

        def add(request, context):
            if request.text == "fail":
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nicht möglich")
            if request.text == "sleep":
                threading.Event().wait(2)
            return m["AddReply"](id=request.id, text=request.text)

        def tell(request, context):
            if request.count == 13:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such tale")
            for number in range(min(request.count, 20)):
                yield m["TellItem"](number=number)
            if request.count == 99:
                context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")

        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=BIG, compression=grpc.Compression.Gzip)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tessera.toy.Toy", {
            "Add": grpc.unary_unary_rpc_method_handler(add, m["AddRequest"].FromString, m["AddReply"].SerializeToString),
            "Tell": grpc.unary_stream_rpc_method_handler(tell, m["TellRequest"].FromString, m["TellItem"].SerializeToString),
        }),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        done = subprocess.run([os.environ["TOY_DOOR"], "call", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60)
        server.stop(None)
        self.assertEqual(done.stdout.splitlines(), [
            "5 hello 5",
            f"5 {'x' * 80} {3 << 20}",
            "FAILED_PRECONDITION: nicht möglich retry=0",
            "DEADLINE_EXCEEDED: the deadline of the call has passed retry=0",
            "5 items, OK",
            "0 items, NOT_FOUND: no such tale",
            "20 items, DATA_LOSS: in the middle",
        ], done.stderr)
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
