#!/usr/bin/env python3
"""Collectors that are down, slow, refuse or answer nonsense: requests do not feel it, and every span is accounted for."""
import http.server
import json
import os
import socket
import threading
import time
import unittest

from platform_traces import TraceCase, read_figures, memory_bytes
from protobuf_wire import wire_fields
from servers import wait_for

SECONDS = float(os.environ.get("TESSERA_TEST_SINK_SECONDS", "3"))
GROWTH_MAX = 32 << 20  # of memory, while a collector misbehaves: its queue, and what an allocator keeps
LISTED_MAX = 1000  # traces
OUTCOMES = ("exported", "rejected", "queue_full", "failed")


def fields(data):
    """(number, value) of a protobuf message's length-delimited fields; others are passed over."""
    return [(number, value) for number, kind, value in wire_fields(data) if kind == 2]


def spans_in(request):
    return sum(1 for number, resource in fields(request) if number == 1
               for number, scope in fields(resource) if number == 2
               for number, _ in fields(scope) if number == 2)


class Sink(http.server.ThreadingHTTPServer):
    """A collector that behaves as told: well, refuses, breaks (503), garbage, rejects (one span of each request)."""
    daemon_threads = True

    def __init__(self, behaviour):
        super().__init__(("127.0.0.1", 0), Answer)
        self.behaviour = behaviour
        self.spans = 0
        self.requests = 0
        self.headers = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sink = self.server
        if self.path.endswith(("/v1/logs", "/v1/metrics")):  # these go to the same address
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        sink.requests += 1
        sink.headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = {"well": (200, b""), "refuses": (401, b"no"), "breaks": (503, b""), "garbage": (200, b"\xff\xff hello"),
                          "rejects": (200, b"\x0a\x02\x08\x01")}[sink.behaviour]
        if status == 200:
            sink.spans += spans_in(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Slow:
    """Takes a connection and a byte a second, and answers nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.stopping = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            threading.Thread(target=self.sip, args=(connection,), daemon=True).start()

    def sip(self, connection):
        with connection:
            while not self.stopping.wait(1):
                try:
                    if not connection.recv(1):
                        return
                except OSError:
                    return

    def end(self):
        self.stopping.set()
        self.socket.close()


class Sinks(TraceCase):
    def serve(self, port, **variables):
        self.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "500",
                     "OTEL_BSP_SCHEDULE_DELAY": "200", **variables}
        with open(self.config, "a") as file:
            file.write("telemetry: {traces: {sampled_per_second: 100000}}\n")
        return self.platform()

    def figures(self, server):
        text = self.call(server, "/metrics")[2]
        figures = list(read_figures(text))
        found = {labels["outcome"]: int(value) for name, labels, value in figures if name == "tessera_otlp_spans_total"}
        self.assertEqual(set(found), set(OUTCOMES))
        found["waiting"] = next(int(value) for name, _, value in figures if name == "tessera_otlp_queue_spans")
        return found

    def load(self, server, seconds=SECONDS):
        """Latencies of requests, one after the other. What is kept of them for a while has its bounds: after a third of the
        time memory has stopped growing."""
        took = []
        before = None
        start = time.monotonic()
        until = start + seconds
        while time.monotonic() < until:
            begin = time.monotonic()
            status, _, _ = self.call(server, "/v1/models")
            self.assertEqual(status, 200)
            took.append(time.monotonic() - begin)
            if before is None and len(took) >= 500 and begin >= start + seconds / 3:
                before = memory_bytes(server.process.pid)
        if before is not None:
            grown = memory_bytes(server.process.pid) - before
            self.assertLess(grown, GROWTH_MAX)
            print(f"{len(took)} requests, {grown >> 10} KB more")
        took.sort()
        print(f"p50 {1000 * took[len(took) // 2]:.2f} ms, p99 {1000 * took[len(took) * 99 // 100]:.2f} ms", flush=True)
        return took

    def settled(self, server):
        """The figures once nothing waits any more."""
        wait_for("an empty queue", 60, lambda: self.figures(server)["waiting"] == 0)
        last = None
        while last != (last := self.figures(server)):
            time.sleep(1.2)  # longer than a span waits anywhere
        return last

    def spans_kept(self, server):
        """How many spans the store has, all that were sampled; None when its list cannot hold them."""
        listed = json.loads(self.call(server, f"/admin/v1/traces?limit={LISTED_MAX}")[2])["traces"]
        return sum(row["span_count"] for row in listed) if len(listed) < LISTED_MAX else None

    def check(self, behaviour, outcome, port=None):
        sink = None
        if port is None:
            sink = Sink(behaviour)
            self.addCleanup(sink.server_close)
            self.addCleanup(sink.shutdown)
            port = sink.server_address[1]
        server = self.serve(port)
        took = self.load(server)
        self.assertLess(took[len(took) // 2], 0.1)
        self.assertLess(took[-1], 2)
        found = self.settled(server)
        self.assertGreater(found[outcome], 0, found)
        for other in OUTCOMES:
            if other != outcome and (behaviour, other) != ("rejects", "exported"):
                self.assertEqual(found[other], 0, found)
        return server, sink, found

    def test_one_that_works_gets_every_span_that_was_kept(self):
        server, sink, found = self.check("well", "exported")
        self.assertEqual(sink.spans, found["exported"])
        self.assertEqual(sink.headers["content-type"], "application/x-protobuf")
        kept = self.spans_kept(server)
        if kept is not None:
            # Reading the figures and the list were requests themselves; what came before is the same.
            self.assertGreaterEqual(kept, found["exported"])

    def test_spans_that_are_rejected_are_counted_as_that(self):
        _, sink, found = self.check("rejects", "rejected")
        self.assertEqual(found["rejected"], sink.requests)
        self.assertEqual(found["rejected"] + found["exported"], sink.spans)

    def test_one_that_refuses(self):
        _, sink, _ = self.check("refuses", "failed")
        self.assertGreater(sink.requests, 0)

    def test_one_that_answers_nonsense(self):
        _, sink, found = self.check("garbage", "failed")
        self.assertEqual(found["failed"], sink.spans)  # sent once

    def test_headers_compression_and_a_whole_url(self):
        sink = Sink("well")
        self.addCleanup(sink.server_close)
        self.addCleanup(sink.shutdown)
        port = sink.server_address[1]
        server = self.serve(1, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{port}/somewhere/else",
                            OTEL_EXPORTER_OTLP_HEADERS="x-api-key=se%20cret", OTEL_EXPORTER_OTLP_COMPRESSION="none")
        self.load(server, 1)
        wait_for("spans", 20, lambda: sink.requests)
        self.assertEqual(sink.headers["x-api-key"], "se cret")

    def test_one_that_is_down_and_comes_back(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = self.serve(port)
        took = self.load(server)
        self.assertLess(took[len(took) // 2], 0.1)
        sink = Sink("well")
        sink.server_close()
        sink.shutdown()
        sink = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
        sink.behaviour, sink.spans, sink.requests = "well", 0, 0
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        self.addCleanup(sink.server_close)
        self.addCleanup(sink.shutdown)
        found = self.settled(server)
        self.assertEqual(found["exported"], sink.spans)
        self.assertGreater(found["exported"], 0)

    def test_a_slow_one_costs_requests_nothing_and_what_finds_no_room_is_counted(self):
        slow = Slow()
        self.addCleanup(slow.end)
        server = self.serve(slow.port, OTEL_BSP_MAX_QUEUE_SIZE="64", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="32")
        took = self.load(server)
        self.assertLess(took[len(took) // 2], 0.1)
        self.assertLess(took[-1], 2)
        found = self.figures(server)
        self.assertEqual(found["exported"], 0)
        self.assertGreater(found["queue_full"], 0)
        self.assertLessEqual(found["waiting"], 64)


if __name__ == "__main__":
    unittest.main()
