#!/usr/bin/env python3
"""The whole tree read back from a real OpenTelemetry Collector, and with --jaeger through it from a real Jaeger's query API."""
import os
import shutil
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
    def export(self, trace, **variables):
        """What was kept of a chat with that trace id, and what the collector has of it."""
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


if __name__ == "__main__":
    collector_program = program("otelcol")
    jaeger_program = program("jaeger") if WITH_JAEGER else None
    if collector_program is None or (WITH_JAEGER and jaeger_program is None):
        print("skipped: the servers are Go programs and need `go` 1.24 or newer, or TESSERA_TOOLS with them built")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0]] + [word for word in sys.argv[1:] if word != "--jaeger"])
