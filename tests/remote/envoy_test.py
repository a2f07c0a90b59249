"""Our servers and callers in cleartext under a mesh: a real Envoy beside each, which do mutual TLS between them.

    caller ── h2c ──▶ Envoy (egress) ══ mutual TLS ══▶ Envoy (ingress) ── h2c ──▶ our RemoteServer
                                                             └── health ──▶ its health port
"""
import concurrent.futures
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import envoy
import grpc

from grpcio_test import ANNA, BIG, Toy, messages_of

DOOR = os.environ["TOY_DOOR"]
ENVOY = os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy")
TYPES = "type.googleapis.com/envoy.extensions"
IDS = ("gateway=spiffe://tessera/gateway/gateway", "inference=spiffe://tessera/inference/inference")
RETRIES = {"retry_on": "refused-stream,connect-failure,reset-before-request", "num_retries": 5}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def at(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def tls(folder, name, peer):
    """What both ends of the mesh's TLS have in common."""
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["h2"],
        "tls_certificates": [{"certificate_chain": {"filename": f"{folder}/{name}.crt"},
                              "private_key": {"filename": f"{folder}/{name}.key"}}],
        "validation_context": {
            "trusted_ca": {"filename": f"{folder}/ca.crt"},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": peer}}]},
    }


def sidecar(admin, listen, downstream_tls, upstream, upstream_tls, health_port=None):
    """A sidecar's configuration: HTTP/2 in, HTTP/2 to `upstream`, refused streams sent again."""
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "next", "timeout": "0s", "retry_policy": RETRIES}}]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if downstream_tls:
        chain["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True, "common_tls_context": downstream_tls}}
    endpoint = {"address": at(upstream)}
    cluster = {
        "name": "next", "type": "STATIC", "connect_timeout": "2s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}},
    }
    cluster["circuit_breakers"] = {"thresholds": [{"max_retries": 1000}]}
    if upstream_tls:
        cluster["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": upstream_tls}}
    if health_port:
        endpoint["health_check_config"] = {"port_value": health_port}
        cluster["health_checks"] = [{
            "timeout": "1s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 2,
            "healthy_threshold": 1, "grpc_health_check": {"service_name": "tessera.toy.Toy"}}]
        cluster["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"}
    cluster["load_assignment"] = {"cluster_name": "next", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}
    return {"admin": {"address": at(admin)},
            "static_resources": {"listeners": [{"address": at(listen), "filter_chains": [chain]}], "clusters": [cluster]}}


class UnderAMesh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.TemporaryDirectory()
        folder = cls.root.name
        subprocess.run([DOOR, "issue", folder, *IDS], check=True)
        cls.server = subprocess.Popen([DOOR, "serve", f"{folder}/toy.sock"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        plain, health = (int(cls.server.stdout.readline()) for _ in range(2))
        cls.egress, cls.ingress, *cls.admins = free_ports(4)
        ids = [one.partition("=")[2] for one in IDS]
        configs = {
            "egress": sidecar(cls.admins[0], cls.egress, None, cls.ingress, tls(folder, "gateway", ids[1])),
            "ingress": sidecar(cls.admins[1], cls.ingress, tls(folder, "inference", ids[0]), plain, None, health),
        }
        cls.sidecars = []
        for number, (name, config) in enumerate(configs.items()):
            with open(f"{folder}/{name}.json", "w") as file:
                json.dump(config, file)
            with open(f"{folder}/{name}.log", "w") as log:
                cls.sidecars.append(subprocess.Popen(
                    [ENVOY, "-c", f"{folder}/{name}.json", "--concurrency", "1", "--disable-hot-restart",
                     "--log-level", "warning"], stdout=log, stderr=log))
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{cls.egress}", options=BIG)
        try:
            grpc.channel_ready_future(cls.channel).result(60)
            cls.wait_until(lambda: cls.answers(cls))
            cls.toy = Toy(cls.channel, messages_of(cls.channel))
        except BaseException:
            for name in configs:
                with open(f"{folder}/{name}.log") as log:
                    sys.stderr.write(log.read()[-4000:])
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        for one in cls.sidecars:
            one.send_signal(signal.SIGTERM)
        for one in cls.sidecars:
            one.wait(20)
        cls.server.stdin.close()
        rest = cls.server.stdout.read()
        cls.server.stdout.close()
        cls.root.cleanup()
        assert cls.server.wait(20) == 0, rest

    @staticmethod
    def wait_until(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited too long"
            threading.Event().wait(0.02)

    def answers(self):
        try:
            return bool(messages_of(self.channel))
        except Exception:  # reflection gives several kinds while the sidecars start
            return False

    def say(self, line):
        self.server.stdin.write(line + "\n")
        self.server.stdin.flush()

    def stat(self, sidecar_number, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admins[sidecar_number]}/stats?filter={name}", timeout=10) as got:
            return sum(int(line.rpartition(b": ")[2]) for line in got.read().splitlines())

    def test_calls_and_streams(self):
        before = self.stat(0, "cluster.next.ssl.handshake$"), self.stat(1, "ssl.handshake$")
        self.assertGreater(min(before), 0, "the two sidecars speak TLS")
        for size in (1, 1000, 4 << 20):
            self.assertEqual(len(self.toy.ping(self.toy.request("x" * size), timeout=30).text), size)
        items = self.toy.tell(self.toy.messages["TellRequest"](count=2000, text_bytes=500), timeout=30, metadata=ANNA)
        self.assertEqual([item.number for item in items], list(range(2000)))

    def test_metadata_arrives(self):
        sent = (("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"), ("x-request-id", "mesh-7"))
        who = self.toy.ping(self.toy.request("who"), timeout=10, metadata=ANNA + sent).text
        principal, scopes, tenant, request_id, trace, deadline = who.split("|")
        self.assertEqual((principal, scopes, tenant, request_id), ("anna", "*,", "", "mesh-7"))
        self.assertEqual(trace, "0123456789abcdef0123456789abcdef")
        self.assertEqual(deadline, "deadline")

    def test_errors_and_deadlines_come_back(self):
        for text, code in (("fail", grpc.StatusCode.INVALID_ARGUMENT), ("busy", grpc.StatusCode.RESOURCE_EXHAUSTED)):
            with self.assertRaises(grpc.RpcError) as caught:
                self.toy.ping(self.toy.request(text), timeout=10)
            self.assertEqual(caught.exception.code(), code)
        with self.assertRaises(grpc.RpcError) as caught:
            self.toy.ping(self.toy.request("wait"), timeout=0.3)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.wait_until(lambda: self.toy.ping(self.toy.request("stats"), timeout=10).text.startswith("0|"))

    def test_our_caller_goes_through(self):
        done = subprocess.run([DOOR, "call", f"127.0.0.1:{self.egress}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("UNAUTHENTICATED", done.stdout, "no key was given: the answer is the server's own")
        self.assertNotIn("UNAVAILABLE", done.stdout)

    def test_a_replaced_server_loses_and_doubles_nothing(self):
        ids = itertools.count(1)
        stop = threading.Event()
        count = itertools.count()
        done = [0]

        def add():
            made = []
            while not stop.is_set():
                number = next(ids)
                reply = self.toy.add(self.toy.request("x", number), timeout=30, metadata=ANNA)
                self.assertEqual(reply.id, number)
                made.append(number)
                done[0] = next(count)
            return made

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            callers = [pool.submit(add) for _ in range(8)]
            try:
                for _ in range(6):
                    before = done[0]
                    self.wait_until(lambda: done[0] > before + 50)
                    self.say("replace")
                    self.assertIn("replaced OK", self.server.stdout.readline())
            finally:
                stop.set()
            made = [number for caller in callers for number in caller.result(60)]
        self.assertGreater(len(made), 200)
        for number in made:
            self.assertEqual(self.toy.ping(self.toy.request("seen", number), timeout=10).text, "1", number)

    def test_health_has_its_own_port(self):
        """The sidecar asks there, and sends nothing to a server that is not serving."""
        self.toy.ping(self.toy.request("x"), timeout=10)
        self.say("not serving")
        self.wait_until(lambda: self.stat(1, "cluster.next.membership_healthy$") == 0)
        with self.assertRaises(grpc.RpcError) as caught:
            self.toy.ping(self.toy.request("x"), timeout=10)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.say("serving")
        self.wait_until(lambda: self.stat(1, "cluster.next.membership_healthy$") == 1)
        self.toy.ping(self.toy.request("x"), timeout=10, wait_for_ready=True)


if __name__ == "__main__":
    unittest.main()
