#!/usr/bin/env python3
"""Figures and log records as a real OpenTelemetry Collector gets them: all of them, from every process, with their traces."""
import json
import os
import shutil
import socket
import sys
import time
import unittest

from platform_traces import KEY_OF_UPSTREAM, PLANTED_DOCUMENT, PLANTED_PROMPT, TOPOLOGY, TraceCase, read_figures
from servers import Collector, program, temporary_folder, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import free_port  # noqa: E402

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
# Change while they are looked at, or come of looking.
RESTLESS = ("process_", "tessera_resource_", "tessera_log_", "tessera_otlp_", "tessera_http_", "tessera_trace_", "tessera_mesh_",
            "tessera_call_", "tessera_slo")


class Signals(TraceCase):
    def setUp(self):
        super().setUp()
        self.folder = temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.http_port, self.grpc_port = free_port(), free_port()
        self.collector = Collector(collector_program, self.folder, self.http_port, self.grpc_port)
        self.addCleanup(self.collector.end)
        self.env |= {"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
                     "OTEL_METRIC_EXPORT_INTERVAL": "2000"}
        self.processes = {"each.yaml": 5, "three.yaml": 4, "replicas.yaml": 3}.get(TOPOLOGY, 1)

    def check_resource(self, resource):
        self.assertEqual(resource["service.name"], "shop")
        self.assertEqual(resource["deployment.environment.name"], "test")
        self.assertEqual(resource["telemetry.sdk.name"], "opentelemetry")
        self.assertTrue(resource["service.version"])
        return resource["tessera.group"], resource["service.instance.id"]

    def check_metrics(self, server):
        self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        told = list(read_figures(self.call(server, "/metrics")[2]))
        wanted = {(name, labels["instance"]): value for name, labels, value in told if name.endswith("_count")}
        chat = "tessera_llm_first_token_seconds_count"

        def latest():
            points = self.collector.points()
            has = {point["metric"].get("Name") for point in points}
            return points if chat.removesuffix("_count") in has else None

        wait_for("the chat's figures", 30, latest)
        time.sleep(4.5)  # two more rounds: all that was told above has been sent
        points = self.collector.points()
        self.assertEqual(len({self.check_resource(point["resource"]) for point in points}), self.processes)
        for point in points:
            point["resource"].pop("process.pid", None)
        # Every series of /metrics has arrived, and no sum is less than it was there.
        arrived = {}
        for point in points:
            key = (point["metric"]["Name"], frozenset(point["attributes"].items()), point["resource"]["service.instance.id"])
            arrived[key] = point  # the last
        missing, different = [], []
        for name, labels, value in told:
            family = name if not name.endswith(("_bucket", "_sum", "_count")) or (name, labels["instance"]) not in wanted \
                and not name.endswith(("_bucket", "_sum")) else name.rsplit("_", 1)[0]
            own = {k: v for k, v in labels.items() if k not in ("group", "instance", "le")}
            instance = labels["instance"]
            point = arrived.get((family, frozenset(own.items()), instance)) or arrived.get((name, frozenset(own.items()), instance))
            if point is None:
                missing.append((name, own, instance))
            elif point["metric"]["DataType"] != "Gauge" and not name.startswith(RESTLESS) \
                    and not name.endswith(("_bucket", "_sum")):
                if float(point.get("Count") or point.get("Value")) < value:
                    different.append((name, own, instance, value, point))
        self.assertEqual((missing, different), ([], []))
        counters = [point for point in points if point["metric"]["Name"] == "tessera_http_requests_total"]
        self.assertEqual({(point["metric"]["DataType"], point["metric"]["AggregationTemporality"], point["metric"]["IsMonotonic"])
                          for point in counters}, {("Sum", "Cumulative", "true")})
        exemplars = {(point["metric"]["Name"], exemplar["Trace ID"]) for point in points for exemplar in point["exemplars"]}
        self.assertLessEqual({(name, TRACE) for name in ("tessera_http_seconds", "tessera_call_seconds",
                                                         "tessera_llm_first_token_seconds")}, exemplars)
        outcomes = {labels["outcome"]: value for name, labels, value in read_figures(self.call(server, "/metrics")[2])
                    if name == "tessera_otlp_points_total"}
        self.assertGreater(outcomes["exported"], 0)
        self.assertEqual((outcomes["rejected"], outcomes["failed"]), (0, 0))

    def test_metrics_over_http(self):
        self.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.http_port}", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        self.check_metrics(self.platform())

    def test_metrics_over_grpc(self):
        self.env |= {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{self.grpc_port}",
                     "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}
        server = self.platform()
        self.check_metrics(server)
        self.assertEqual(self.collector.spans(), [])
        self.assertEqual(self.collector.records(), [])

    def check_logs(self):
        with open(self.config, "a") as file:
            file.write("logs: {level: debug, per_second: 0, otlp: {delay: 100ms}}\n")
        server = self.platform()
        self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        kept = {}

        def all_there():
            listed = json.loads(self.call(server, "/admin/v1/logs?limit=1000&level=info")[2])["records"]
            kept.update({f"{row['process']}/{row['number']}": row for row in listed if row["module"] != "logs"})
            traced = json.loads(self.call(server, f"/admin/v1/logs?limit=1000&trace={TRACE}")[2])["records"]
            kept.update({f"{row['process']}/{row['number']}": row for row in traced})
            got = {(record["resource"]["service.instance.id"], record["Body"], record["Timestamp"])
                   for record in self.collector.records()}
            return traced and all((row["process"], f"Str({row['message']})", stamp(row["time_us"])) in got
                                  for row in kept.values())

        wait_for("every record", 30, all_there)
        records = self.collector.records()
        groups = {self.check_resource(record["resource"]) for record in records}
        self.assertEqual(len(groups), self.processes, groups)
        for group, process in groups:
            self.assertTrue(process.startswith(group), (group, process))
        traced = [record for record in records if record.get("Trace ID") == TRACE]
        spans = {span["id"] for span in self.trace(TRACE)["spans"]}
        self.assertTrue(traced)
        for record in traced:
            self.assertIn(record["Span ID"], spans | {""})
        uids = [record["attributes"]["log.record.uid"] for record in records]
        self.assertEqual(len(uids), len(set(uids)))
        for planted in (PLANTED_PROMPT, PLANTED_DOCUMENT, KEY_OF_UPSTREAM, "Kowalska"):
            self.assertNotIn(planted, self.collector.said())

    def test_logs_over_http(self):
        self.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.http_port}"}
        self.check_logs()

    def test_logs_over_grpc(self):
        self.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.grpc_port}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        self.check_logs()

    def test_a_collector_that_is_down_costs_requests_nothing_and_gets_the_sums_later(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.env |= {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{port}/v1/metrics",
                     "OTEL_METRIC_EXPORT_INTERVAL": "100"}
        server = self.platform()
        took = []
        for _ in range(100):
            begin = time.monotonic()
            self.assertEqual(self.call(server, "/v1/models")[0], 200)
            took.append(time.monotonic() - begin)
        self.assertLess(sorted(took)[50], 0.1)

        def points(outcome):
            return sum(value for name, labels, value in read_figures(self.call(server, "/metrics")[2])
                       if name == "tessera_otlp_points_total" and labels["outcome"] == outcome)

        wait_for("an attempt that failed", 20, lambda: points("failed") > 0)
        self.assertEqual(points("exported"), 0)
        late = Collector(collector_program, self.folder, port, free_port())
        self.addCleanup(late.end)

        def counted():
            return sum(float(value) for value in {
                frozenset(point["attributes"].items()): point["Value"] for point in late.points()
                if point["metric"]["Name"] == "tessera_http_requests_total"
                and point["attributes"].get("route") == "/v1/models"}.values())

        wait_for("the sums", 30, lambda: counted() >= 100)


def stamp(time_us):
    """As the Collector writes a time."""
    seconds, micros = divmod(int(time_us), 1_000_000)
    fraction = f".{micros:06}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + fraction + " +0000 UTC"


if __name__ == "__main__":
    collector_program = program("otelcol")
    if collector_program is None:
        print("skipped: the Collector is a Go program and needs `go` 1.24 or newer, or TESSERA_TOOLS with it built")
        sys.exit(77)
    unittest.main()
