#!/usr/bin/env python3
"""The whole tree read back from a real OpenTelemetry Collector, and with --jaeger through it from a real Jaeger's query API."""
import json
import os
import shutil
import subprocess
import sys
import unittest

from platform_traces import KEY_OF_UPSTREAM, PLANTED_DOCUMENT, PLANTED_PROMPT, TraceCase
from servers import Collector, Jaeger, program, temporary_folder, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import free_port  # noqa: E402

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WITH_JAEGER = "--jaeger" in sys.argv


def setUpModule():
    global collector, jaeger, folder, http_port, grpc_port
    folder = temporary_folder()
    http_port, grpc_port = free_port(), free_port()
    jaeger = None
    jaeger_port = free_port()
    if WITH_JAEGER:
        jaeger = Jaeger(jaeger_program, folder, free_port(), jaeger_port, (free_port(), free_port()))
    collector = Collector(collector_program, folder, http_port, grpc_port, jaeger_port if jaeger else None)


def tearDownModule():
    collector.end()
    if jaeger:
        jaeger.end()
    shutil.rmtree(folder, ignore_errors=True)


class Export(TraceCase):
    def export(self, trace, collector=None, **variables):
        """What was kept of a chat with that trace id, and what the collector has of it."""
        collector = collector or globals()["collector"]
        self.env |= {"OTEL_SERVICE_NAME": "shop", "OTEL_BSP_SCHEDULE_DELAY": "100",
                     "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=blue%20sky", **variables}
        server = self.platform()
        status, headers, text = self.ask(server, stream=True, headers={"traceparent": f"00-{trace}-{PARENT}-01"})
        self.assertEqual(status, 200, text)
        kept = self.trace(trace)
        got = wait_for("all spans in the collector", 30, lambda: [
            span for span in collector.spans() if span["Trace ID"] == trace] if sum(
                span.get("Trace ID") == trace for span in collector.spans()) >= len(kept["spans"]) else None)
        # Without a traceparent a trace begins here, and OpenTelemetry's default samples it.
        _, headers, _ = self.ask(server)
        own = self.trace(headers["X-Request-Id"])
        self.assertEqual(own["reason"], "sampled")
        wait_for("the second trace", 30, lambda: sum(
            span.get("Trace ID") == own["trace_id"] for span in collector.spans()) >= len(own["spans"]))
        return kept, got

    def check(self, kept, got):
        self.assertEqual(len(got), len(kept["spans"]))
        by_id = {span["ID"]: span for span in got}
        for span in kept["spans"]:
            other = by_id[span["id"]]
            self.assertEqual(other["Name"], span["name"])
            self.assertEqual(other["Parent ID"], span.get("parent_id", ""))
            self.assertEqual(other["Kind"].lower(), span["kind"])
            self.assertEqual(other["resource"]["service.name"], "shop")
            self.assertEqual(other["resource"]["service.instance.id"], span["process"])
            self.assertEqual(other["resource"]["tessera.group"], span["group"])
            self.assertEqual(other["resource"]["deployment.environment.name"], "test")
            self.assertEqual(other["resource"]["team"], "blue sky")
            self.assertEqual(other["resource"]["telemetry.sdk.name"], "opentelemetry")
        roots = [span for span in got if span["Parent ID"] not in by_id]
        self.assertEqual([span["Parent ID"] for span in roots], [PARENT])
        chat = next(span for span in got if span["Name"] == "chat")["attributes"]
        self.assertEqual((chat["gen_ai.request.model"], chat["gen_ai.usage.output_tokens"]), ("paced", "5"))
        root = roots[0]["attributes"]
        self.assertEqual((root["http.route"], root["http.response.status_code"]), ("/v1/chat/completions", "200"))
        search = next(span for span in got if span["Name"] == "sqlite search")["attributes"]
        self.assertEqual(search["db.system.name"], "sqlite")
        self.check_processes({span["resource"]["service.instance.id"] for span in got})
        for planted in (PLANTED_PROMPT, PLANTED_DOCUMENT, KEY_OF_UPSTREAM, "Kowalska"):
            self.assertNotIn(planted, collector.said())
        if jaeger:
            self.check_jaeger(kept)

    def check_jaeger(self, kept):
        trace = jaeger.trace(kept["trace_id"], len(kept["spans"]))
        spans = {span["spanID"]: span for span in trace["spans"]}
        self.assertEqual(set(spans), {span["id"] for span in kept["spans"]})
        for span in kept["spans"]:
            other = spans[span["id"]]
            self.assertEqual(other["operationName"], span["name"])
            parents = [reference["spanID"] for reference in other["references"] if reference["refType"] == "CHILD_OF"]
            self.assertEqual(parents, [span["parent_id"]])
            process = trace["processes"][other["processID"]]
            self.assertEqual(process["serviceName"], "shop")
            tags = {tag["key"]: tag["value"] for tag in process["tags"]}
            self.assertEqual(tags["service.instance.id"], span["process"])

    def test_http(self):
        self.check(*self.export(TRACE, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{http_port}",
                                OTEL_EXPORTER_OTLP_COMPRESSION="gzip"))

    def test_grpc(self):
        trace = TRACE[:-4] + "beef"
        self.check(*self.export(trace, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{grpc_port}",
                                OTEL_EXPORTER_OTLP_PROTOCOL="grpc"))


class Certificates:
    """An authority of the test's own, and what it has issued."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", *self.new_key("ca"), "-out", self.ca, "-days", "2", "-subj", f"/CN={name}")

    def path(self, name):
        return os.path.join(self.folder, f"{self.name}-{name}")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def new_key(self, name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key")

    def issue(self, name, names):
        """The files of a certificate for `names` and of its key."""
        request, extensions, certificate = (self.path(f"{name}.{end}") for end in ("csr", "ext", "pem"))
        self.openssl("req", *self.new_key(name), "-out", request, "-subj", f"/CN={name}")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.path("ca.key"), "-CAcreateserial",
                     "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, self.path(f"{name}.key")


class Secured(Export):
    """A collector that speaks TLS and wants to see a certificate."""

    def setUp(self):
        super().setUp()
        self.ports = free_port(), free_port()
        authority = Certificates(self.path("."), "authority")
        certificate, key = authority.issue("collector", "DNS:localhost,IP:127.0.0.1")
        self.files = {"OTEL_EXPORTER_OTLP_CERTIFICATE": authority.ca}
        self.files |= dict(zip(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
                               authority.issue("platform", "DNS:platform")))
        self.authority = authority
        self.secured = Collector(collector_program, self.path("."), *self.ports, tls={
            "cert_file": certificate, "key_file": key, "client_ca_file": authority.ca, "min_version": "1.2"})
        self.addCleanup(self.secured.end)

    def arrives(self, trace, **variables):
        kept, got = self.export(trace, self.secured, **self.files, **variables)
        self.assertEqual({span["id"] for span in kept["spans"]}, {span["ID"] for span in got})

    def test_grpc(self):
        self.arrives(TRACE, OTEL_EXPORTER_OTLP_ENDPOINT=f"https://localhost:{self.ports[1]}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")

    def test_grpc_without_a_scheme_by_address(self):
        self.arrives(TRACE, OTEL_EXPORTER_OTLP_ENDPOINT=f"127.0.0.1:{self.ports[1]}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")

    def test_http(self):
        self.arrives(TRACE, OTEL_EXPORTER_OTLP_ENDPOINT=f"https://localhost:{self.ports[0]}")

    def refused(self, why, **variables):
        """Nothing arrives, the log says why, and requests do not mind."""
        self.env |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
                     "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{self.ports[1]}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                     **variables}
        server = self.platform()
        self.assertEqual(self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})[0], 200)
        said = wait_for("the log", 60, lambda: self.tessera(
            "logs", "--json", "--text", "spans could not be sent", "--data", self.data)[0].splitlines())
        self.assertRegex(json.loads(said[0])["fields"]["reason"], why)
        self.assertEqual(self.secured.spans(), [])

    def test_without_a_certificate_nothing_is_taken(self):
        self.refused("certificate", OTEL_EXPORTER_OTLP_CERTIFICATE=self.authority.ca)

    def test_a_collector_of_another_authority_gets_nothing(self):
        self.refused("certificate", **self.files | {"OTEL_EXPORTER_OTLP_CERTIFICATE": Certificates(self.path("."), "stranger").ca})

    def test_a_collector_of_another_name_gets_nothing(self):
        self.secured.end()
        certificate, key = self.authority.issue("elsewhere", "DNS:elsewhere.example")
        self.secured = Collector(collector_program, self.path("."), *self.ports, tls={"cert_file": certificate, "key_file": key})
        self.addCleanup(self.secured.end)
        self.refused("localhost|host|name", **self.files)


if __name__ == "__main__":
    collector_program = program("otelcol")
    jaeger_program = program("jaeger") if WITH_JAEGER else None
    if collector_program is None or (WITH_JAEGER and jaeger_program is None):
        print("skipped: the servers are Go programs and need `go` 1.24 or newer, or TESSERA_TOOLS with them built")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0]] + [word for word in sys.argv[1:] if word != "--jaeger"])
