"""The official Python gRPC library over mutual TLS: against our server, and behind our client."""
import concurrent.futures
import json
import os
import subprocess
import tempfile
import threading
import time
import unittest

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from grpcio_test import BIG, Toy, messages_of

DOOR = os.environ["TOY_DOOR"]
GATEWAY = "spiffe://tessera/gateway/gateway"
IDS = (f"gateway={GATEWAY}", "inference=spiffe://tessera/inference/inference",
       "stranger=spiffe://tessera/stranger/x", "chat=spiffe://tessera/chat/chat")


def read(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


class Mtls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.TemporaryDirectory()
        cls.folder = os.path.join(cls.root.name, "ours")
        cls.foreign = os.path.join(cls.root.name, "foreign")
        for folder in (cls.folder, cls.foreign):
            os.mkdir(folder)
            subprocess.run([DOOR, "issue", folder, *IDS], check=True)
        cls.server = subprocess.Popen(
            [DOOR, "serve", os.path.join(cls.folder, "toy.sock"), cls.folder, "inference"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.plain, cls.health, cls.tls = (int(cls.server.stdout.readline()) for _ in range(3))
        with grpc.insecure_channel(f"127.0.0.1:{cls.plain}") as channel:
            cls.messages = messages_of(channel)

    @classmethod
    def tearDownClass(cls):
        cls.server.stdin.close()
        rest = cls.server.stdout.read()
        cls.server.stdout.close()
        assert cls.server.wait(20) == 0, rest
        cls.root.cleanup()

    def say(self, line):
        self.server.stdin.write(line + "\n")
        self.server.stdin.flush()
        return self.server.stdout.readline().strip()

    def channel(self, name, folder=None):
        """A channel with the identity NAME; "" is none."""
        folder = folder or self.folder
        key = (read(folder, f"{name}.key"), read(folder, f"{name}.crt")) if name else (None, None)
        made = grpc.ssl_channel_credentials(read(self.folder, "ca.crt"), *key)
        return grpc.secure_channel(f"localhost:{self.tls}", made, options=BIG)

    def fails(self, code, channel):
        with channel, self.assertRaises(grpc.RpcError) as caught:
            Toy(channel, self.messages).ping(Toy(channel, self.messages).request("x"), timeout=10)
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return caught.exception.details()

    def audited(self, found):
        """Waits until the audit log, which is written in the background, has a line for which `found` holds."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            path = os.path.join(self.folder, "audit.jsonl")
            lines = read(path).split(b"\n")[:-1] if os.path.exists(path) else []
            if any(found(json.loads(line)) for line in lines):
                return
            threading.Event().wait(0.02)
        self.fail("the audit log does not say so")

    def test_calls_and_streams(self):
        with self.channel("gateway") as channel:
            toy = Toy(channel, self.messages)
            calls = [toy.ping.future(toy.request("x" * 10_000, i)) for i in range(200)]
            self.assertEqual([c.result(20).id for c in calls], list(range(200)))
            self.assertEqual(len(toy.ping(toy.request("y" * (4 << 20)), timeout=20).text), 4 << 20)
            # Who proves who it is, is believed whom it calls for.
            anna = (("tessera-principal", "anna"), ("tessera-scopes", "*"))
            items = list(toy.tell(self.messages["TellRequest"](count=1000, text_bytes=500), timeout=20, metadata=anna))
            self.assertEqual([item.number for item in items], list(range(1000)))
            who = toy.ping(toy.request("who"), timeout=10, metadata=anna).text
            self.assertTrue(who.startswith("anna|"), who)

    def test_strangers(self):
        unavailable = grpc.StatusCode.UNAVAILABLE
        self.fails(unavailable, self.channel(""))
        self.fails(unavailable, self.channel("gateway", self.foreign))
        self.fails(unavailable, grpc.insecure_channel(f"localhost:{self.tls}"))
        self.fails(unavailable, grpc.secure_channel(f"localhost:{self.plain}", grpc.ssl_channel_credentials()))
        for reason in ("shows no certificate", "comes from no authority", "does not speak TLS"):
            self.audited(lambda line: reason in line.get("reason", ""))

    def test_policy(self):
        denied = grpc.StatusCode.PERMISSION_DENIED
        self.assertIn("the group stranger may not call tessera.toy.Toy", self.fails(denied, self.channel("stranger")))
        with self.channel("chat") as channel:
            toy = Toy(channel, self.messages)
            self.assertEqual(toy.ping(toy.request("x"), timeout=10).text, "x")
            self.assertEqual(self.say("deny chat"), "denied")
            # Its connection is cut; the next one is refused call by call.
            self.assertIn("the group chat is revoked", self.fails(denied, self.channel("chat")))
        self.audited(lambda line: line.get("peer") == "spiffe://tessera/chat/chat" and
                     line["method"] == "tessera.toy.Toy.Ping" and line["event"] == "call_refused")

    def test_health_has_a_port_of_its_own(self):
        with grpc.insecure_channel(f"127.0.0.1:{self.health}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            self.assertEqual(health.Check(health_pb2.HealthCheckRequest(), timeout=10).status,
                             health_pb2.HealthCheckResponse.SERVING)
        self.fails(grpc.StatusCode.UNIMPLEMENTED, grpc.insecure_channel(f"127.0.0.1:{self.health}"))

    def test_a_python_server_stands_in(self):
        m = self.messages

        def add(request, context):
            peer = context.auth_context()["x509_subject_alternative_name"]
            assert b"spiffe://tessera/gateway/gateway" in peer, peer
            return m["AddReply"](id=request.id, text=request.text[:80])

        def tell(request, context):
            for number in range(min(request.count, 20)):
                yield m["TellItem"](number=number)

        handlers = {
            "Add": grpc.unary_unary_rpc_method_handler(add, m["AddRequest"].FromString, m["AddReply"].SerializeToString),
            "Tell": grpc.unary_stream_rpc_method_handler(tell, m["TellRequest"].FromString, m["TellItem"].SerializeToString),
        }
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=BIG)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tessera.toy.Toy", handlers),))
        credentials = grpc.ssl_server_credentials(
            [(read(self.folder, "inference.key"), read(self.folder, "inference.crt"))],
            read(self.folder, "ca.crt"), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()

        def call(folder, expected):
            done = subprocess.run([DOOR, "call", f"127.0.0.1:{port}", folder, "gateway", expected],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.splitlines()

        lines = call(self.folder, "spiffe://tessera/inference/")
        self.assertEqual(lines[0], "5 hello 5")
        self.assertEqual(lines[4:], ["5 items, OK", "13 items, OK", "20 items, OK"])
        for line in call(self.folder, "spiffe://tessera/retrieval/"):
            self.assertIn("the peer is spiffe://tessera/inference/inference, but spiffe://tessera/retrieval/ was", line)
        for line in call(self.foreign, ""):
            self.assertIn("comes from no authority of the trust bundle", line)
        server.stop(None)


if __name__ == "__main__":
    unittest.main()
