#!/usr/bin/env python3
"""Traces of the real program: one tree over all processes, kept, found and shown; nothing private in it."""
import json
import os
import re
import time
import unittest

from platform_traces import KEY_OF_UPSTREAM, PLANTED_DOCUMENT, PLANTED_PROMPT, TOKENS, TOPOLOGY, TraceCase, attributes, read_figures
from servers import wait_for

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Traces(TraceCase):
    def test_one_tree_over_all_processes(self):
        server = self.platform()
        status, headers, text = self.ask(server, stream=True, headers={
            "traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1", "baggage": "shop=17"})
        self.assertEqual(status, 200, text)
        self.assertIn(TOKENS[1], text)
        trace = self.trace(TRACE)
        self.assertEqual(trace["request_id"], headers["X-Request-Id"])
        self.assertEqual(trace["reason"], "sampled")
        self.assertEqual(trace["http_status"], 200)
        spans = trace["spans"]
        by_id = self.check_tree(spans, PARENT)
        names = [span["name"] for span in spans]
        for name in ("POST /v1/chat/completions", "tessera.v1.Orchestration/Run", "step retrieve", "step generate",
                     "tessera.v1.Inference/Embed", "embeddings", "tessera.v1.Retrieval/Search", "sqlite search",
                     "tessera.v1.Inference/Generate", "chat", "POST"):
            self.assertIn(name, names)
        self.assertFalse([span["name"] for span in spans if span.get("error") or span.get("unfinished")])
        chat = next(span for span in spans if span["name"] == "chat")
        said = attributes(chat)
        self.assertEqual(said["gen_ai.request.model"], "paced")
        self.assertEqual(said["gen_ai.usage.output_tokens"], len(TOKENS))
        self.assertEqual(said["gen_ai.response.finish_reasons"], "stop")
        self.assertGreater(said["gen_ai.server.time_to_first_token"], 0)
        root = attributes(next(span for span in spans if span["name"].startswith("POST /v1/chat")))
        self.assertEqual(root["http.route"], "/v1/chat/completions")
        self.assertEqual(root["http.response.status_code"], 200)
        processes = {span["process"] for span in spans}
        self.check_processes(processes)
        if TOPOLOGY:
            servers = [span for span in spans if span["kind"] == "server" and span["name"].startswith("tessera.")]
            self.assertTrue(servers)
            for span in servers:  # the call that left one process arrived in the other
                caller = by_id[span["parent_id"]]
                self.assertEqual((caller["kind"], caller["name"]), ("client", span["name"]))
                self.assertNotEqual(caller["process"], span["process"])
        # What was sent to the models names spans of this trace.
        sent = [headers for _, headers in self.models.seen if headers.get("traceparent", "").split("-")[1:2] == [TRACE]]
        self.assertGreaterEqual(len(sent), 2)
        for headers in sent:
            self.assertEqual(by_id[headers["traceparent"].split("-")[2]]["name"], "POST")
            self.assertTrue(headers["traceparent"].endswith("-01"))
            self.assertEqual(headers["tracestate"], "vendor=1")
            self.assertEqual(headers["baggage"], "shop=17")
        self.check_private(server)

    def check_private(self, server):
        listed = self.tessera_json("trace", "--data", self.data)["traces"]
        self.assertGreaterEqual(len(listed), 2)  # ingest and ask
        everything = json.dumps([self.trace(row["trace_id"]) for row in listed])
        with open(os.path.join(self.data, "traces.db"), "rb") as file:
            everything += file.read().decode("latin-1")
        if os.path.exists(os.path.join(self.data, "traces.db-wal")):
            with open(os.path.join(self.data, "traces.db-wal"), "rb") as file:
                everything += file.read().decode("latin-1")
        for planted in (PLANTED_PROMPT, PLANTED_DOCUMENT, KEY_OF_UPSTREAM, server.key(), "Kowalska"):
            self.assertNotIn(planted, everything)

    def test_found_by_request_id_and_shown_as_a_tree(self):
        server = self.platform()
        status, headers, text = self.ask(server)
        self.assertEqual(status, 200, text)
        request = headers["X-Request-Id"]
        text, _ = self.tessera("trace", request, "--data", self.data)
        self.assertIn("POST /v1/chat/completions", text)
        self.assertRegex(text, r"└ .*POST →")
        self.assertIn("gen_ai.usage.output_tokens=5", text)
        _, said = self.tessera("trace", "no-such-request", "--data", self.data, code=1)
        self.assertIn("no trace is kept of \"no-such-request\"", said)
        # The same over the native API and Jaeger's.
        trace = json.loads(self.call(server, f"/admin/v1/traces/{request}")[2])
        found = json.loads(self.call(server, "/admin/v1/traces?route=chat&http_status=2&text=sqlite")[2])["traces"]
        self.assertEqual([row["trace_id"] for row in found], [trace["trace_id"]])
        self.assertEqual(json.loads(self.call(server, "/api/services")[2])["data"], ["tessera"])
        jaeger = json.loads(self.call(server, f"/api/traces/{trace['trace_id']}")[2])["data"][0]
        self.assertEqual({span["spanID"] for span in jaeger["spans"]}, {span["id"] for span in trace["spans"]})
        listed = json.loads(self.call(
            server, "/api/traces?service=tessera&operation=POST%20/v1/chat/completions&limit=5&minDuration=1us&tags="
            "%7B%22http.status_code%22%3A%22200%22%7D")[2])["data"]
        self.assertEqual([row["traceID"] for row in listed], [trace["trace_id"]])
        self.assertEqual(self.call(server, "/api/traces?minDuration=fast")[0], 400)
        # And from the file, when no server runs.
        self.assertEqual(server.stop(), 0)
        self.assertEqual(self.trace(request)["trace_id"], trace["trace_id"])

    def test_what_was_refused_to_a_caller_who_is_known_is_found_too(self):
        server = self.platform()
        status, _, text = self.call(server, "/v1/embeddings", {}, headers={
            "Content-Type": "text/plain", "traceparent": f"00-{TRACE}-{PARENT}-01"})
        self.assertEqual(status, 415, text)
        trace = wait_for("the refused request", 20, lambda: self.find(server, TRACE))
        self.assertEqual((trace["route"], trace["http_status"]), ("POST /v1/embeddings", 415))
        stranger = "7" * 32
        status, _, _ = self.call(server, "/v1/embeddings", {}, headers={
            "Authorization": "Bearer tsr_wrong", "traceparent": f"00-{stranger}-{PARENT}-01"})
        self.assertEqual(status, 401)
        time.sleep(1.2)  # two rounds of the collector
        self.assertIsNone(self.find(server, stranger))

    def find(self, server, trace):
        status, _, text = self.call(server, f"/admin/v1/traces/{trace}")
        return json.loads(text) if status == 200 else None

    def test_a_failure_is_kept_whatever_was_sampled(self):
        server = self.platform()
        self.models.fails = True
        status, headers, _ = self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        self.assertEqual(status, 503)
        trace = self.trace(headers["X-Request-Id"])
        self.assertEqual((trace["trace_id"], trace["reason"], trace["error"]), (TRACE, "error", True))
        spans = trace["spans"]
        self.check_tree(spans, PARENT)
        failed = {span["name"] for span in spans if span.get("error")}
        self.assertIn("POST /v1/chat/completions", failed)
        self.assertIn("chat", failed)
        self.check_processes({span["process"] for span in spans})
        listed, _ = self.tessera("trace", "--errors", "--data", self.data)
        self.assertEqual(re.findall(r"[0-9a-f]{32}", listed), [TRACE])

    def requests(self, server):
        """Chats that have ended, by class of status."""
        return {labels["status"]: value for name, labels, value in read_figures(self.call(server, "/metrics")[2])
                if name == "tessera_http_requests_total" and labels["route"] == "/v1/chat/completions" and value}

    def test_a_stream_that_breaks_off_has_failed(self):
        """Its client has read 200, tokens, and an error event."""
        server = self.platform()
        self.assertEqual(self.ask(server, stream=True)[0], 200)
        self.models.breaks = True
        status, headers, text = self.ask(server, stream=True, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        self.assertEqual(status, 200)
        self.assertIn(TOKENS[1], text)
        self.assertIn('"error"', text)
        self.assertNotIn("[DONE]", text)
        wait_for("both requests in the figures", 10, lambda: self.requests(server) == {"2xx": 1, "5xx": 1})
        trace = self.trace(headers["X-Request-Id"])
        self.assertEqual((trace["reason"], trace["error"], trace["http_status"]), ("error", True, 200))
        root = next(span for span in trace["spans"] if span["name"] == "POST /v1/chat/completions")
        self.assertTrue(root.get("error"), root)
        self.assertIn("error.type", attributes(root))
        broke = self.tessera_json("logs", "--text", "broke off", "--data", self.data)
        self.assertEqual(broke["request_id"], headers["X-Request-Id"])
        # Whoever leaves in the middle has not seen it fail.
        self.models.breaks, self.models.pause = False, 0.2
        gone = self.open_stream(server)
        self.assertTrue(gone.readline())
        gone.close()
        wait_for("the one that left", 20, lambda: self.requests(server) == {"2xx": 2, "5xx": 1})

    def test_a_job_is_shown_in_the_trace_of_its_request(self):
        server = self.platform()
        ingest = wait_for("the ingest's trace", 10, lambda: next(
            (row for row in self.tessera_json("trace", "--data", self.data)["traces"]
             if row["route"].startswith("POST /api/v1/collections/")), None))  # kept a moment after the request
        spans = wait_for("the job's part", 10, lambda: [
            span for found in [self.trace(ingest["trace_id"])["spans"]] for span in found
            if any(other["name"] == "job" for other in found)])  # it ends a moment after the request
        self.check_tree(spans, "")
        names = {span["name"] for span in spans}
        self.assertLessEqual({"job", "ingest source", "tessera.v1.Dataprep/Ingest"}, names)
        self.assertTrue(server.ready())

    def slow_ones(self, count):
        """Records of the log about slow requests, once there are so many."""
        return wait_for("records of slow requests", 15, lambda: (lambda said: said if len(said) >= count else None)(
            [record for record in map(json.loads, self.tessera("logs", "--json", "--text", "a request was slow", "--data",
                                                               self.data)[0].splitlines())]))

    def test_the_log_says_what_a_slow_request_waited_for(self):
        with open(self.config, "a") as file:
            file.write('telemetry: {slow_requests: {after: 0s, routes: {"POST /v1/chat/completions": 500ms}}}\n')
        server = self.platform()
        self.assertEqual(self.ask(server)[0], 200)  # quick
        self.models.pause = 0.3
        status, headers, _ = self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        self.assertEqual(status, 200)
        said = self.slow_ones(1)
        self.assertEqual(len(said), 1, said)
        record, fields = said[0], said[0]["fields"]
        self.assertEqual((record["trace_id"], record["request_id"]), (TRACE, headers["X-Request-Id"]))
        self.assertEqual((fields["route"], fields["status"], fields["limit_ms"]),
                         ("POST /v1/chat/completions", "200", "500"))
        self.assertGreaterEqual(int(fields["waited_ms"]), 1500)
        # The model is in another process where there are several; its span says how long it took.
        where = {name: int(ms) for name, ms in re.findall(r"([^,]+?) (\d+) ms(?:, )?", fields["where"])}
        self.assertGreaterEqual(where.get("upstream", 0) + where.get("model decode", 0) + where.get("model first token", 0),
                                1400, fields)
        self.assertIn(fields["most"], ("upstream", "model decode", "model first token"))
        self.assertLessEqual(abs(sum(where.values()) - int(fields["total_ms"])), 20, fields)
        self.assertEqual(self.trace(TRACE)["reason"], "slow")
        # A stream is judged by its first text: 0.3 s here, then 0.9 s.
        self.assertEqual(self.ask(server, stream=True)[0], 200)
        self.models.pause = 0.9
        status, headers, _ = self.ask(server, stream=True)
        said = self.slow_ones(2)
        self.assertEqual([record["request_id"] for record in said[1:]], [headers["X-Request-Id"]])
        self.assertLess(int(said[1]["fields"]["waited_ms"]), 2500)
        self.assertGreater(int(said[1]["fields"]["total_ms"]), 4000)

    def test_switched_off_nothing_is_recorded(self):
        self.env["OTEL_SDK_DISABLED"] = "true"
        server = self.platform()
        status, headers, _ = self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        self.assertEqual(status, 200)
        _, said = self.tessera("trace", headers["X-Request-Id"], "--data", self.data, code=1)
        self.assertIn("no traces were kept", said)


if __name__ == "__main__":
    unittest.main()
