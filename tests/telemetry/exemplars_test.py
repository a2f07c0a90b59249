#!/usr/bin/env python3
"""OpenMetrics as its own parser reads it, and the way from a figure in a real Prometheus to the request's trace."""
import json
import os
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from platform_traces import GATEWAY, TOPOLOGY, TraceCase, read_figures, attributes
from servers import get_json, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import free_port  # noqa: E402

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OPEN_METRICS = "application/openmetrics-text"
# Of a chat over documents: the route, the model's first token, the calls between services.
WITH_EXEMPLARS = {"tessera_http_seconds", "tessera_llm_first_token_seconds", "tessera_llm_seconds", "tessera_call_seconds"}


class Exemplars(TraceCase):
    def metrics(self, server, accept=None):
        status, headers, text = self.call(server, "/metrics", headers={"Accept": accept} if accept else None)
        self.assertEqual(status, 200, text)
        return headers["Content-Type"], text

    def exemplars(self, text):
        """{family: [(labels of the series, labels of the exemplar)]} of OpenMetrics that its own parser takes."""
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.exemplar:
                    found.setdefault(family.name, []).append((sample.labels, sample.exemplar.labels))
        return found

    def test_openmetrics_is_for_those_who_ask(self):
        server = self.platform()
        for accept in (None, "*/*", "text/plain", f"{OPEN_METRICS};q=0.3,text/plain;q=0.9", f"{OPEN_METRICS};q=0"):
            kind, text = self.metrics(server, accept)
            self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8", accept)
            self.assertNotIn("# EOF", text)
        kind, text = self.metrics(server, f"{OPEN_METRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")
        self.assertEqual(kind, f"{OPEN_METRICS}; version=1.0.0; charset=utf-8")
        self.assertTrue(text.endswith("\n# EOF\n"))

    def test_sampled_requests_are_exemplars_and_others_are_not(self):
        server = self.platform()
        self.ask(server, headers={"traceparent": f"00-{'7' * 32}-{PARENT}-00"})
        self.assertEqual(self.exemplars(self.metrics(server, OPEN_METRICS)[1]), {})
        self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        text = self.metrics(server, OPEN_METRICS)[1]
        found = self.exemplars(text)
        self.assertLessEqual(WITH_EXEMPLARS, set(found))
        spans = {span["id"]: span for span in self.trace(TRACE)["spans"]}
        processes = set()
        for family in found:
            for series, exemplar in found[family]:
                self.assertEqual(exemplar["trace_id"], TRACE, family)
                # The span is one of the trace's, of the process that tells.
                span = spans[exemplar["span_id"]]
                self.assertEqual((span["group"], span["process"]), (series["group"], series["instance"]), (family, series, span))
                processes.add(span["process"])
        self.assertGreater(len(processes), 1) if TOPOLOGY else self.assertEqual(processes, {GATEWAY})
        # The same figures either way, but for those that reading them changes.
        plain = {name.removesuffix("_total") for name, _, _ in read_figures(self.metrics(server)[1])}
        self.assertEqual({sample.name.removesuffix("_total") for family in text_string_to_metric_families(text)
                          for sample in family.samples} - plain, set())

    def test_calls_use_and_cost_are_told(self):
        with open(self.config, "a") as file:
            file.write("    prices: {paced: {input: 2.0, output: 10.0}}\n")
        server = self.platform()

        def of(figure, /, **labels):
            return [value for n, l, value in figures if n == figure and labels.items() <= l.items()]

        missing = {"caller": "gateway", "method": "tessera.v1.Retrieval.GetCollection", "code": "NOT_FOUND"}
        figures = list(read_figures(self.metrics(server)[1]))
        before = sum(of("tessera_call_errors_total", **missing))
        self.ask(server, stream=True)
        self.call(server, "/api/v1/collections/no-such-thing")
        figures = list(read_figures(self.metrics(server)[1]))

        self.assertEqual(of("tessera_call_seconds_count", caller="orchestration", method="tessera.v1.Inference.Generate"), [1])
        self.assertEqual(of("tessera_call_errors_total", **missing), [before + 1])
        self.assertEqual(of("tessera_tenant_requests_total", tenant="owner", model="paced"), [1])
        self.assertEqual(of("tessera_tenant_tokens_total", tenant="owner", model="paced", direction="output"), [5])
        self.assertEqual(of("tessera_tenant_cost_total"), [20 * 2.0 / 1e6 + 5 * 10.0 / 1e6])
        self.assertEqual(of("tessera_llm_first_token_seconds_count", model="paced"), [1])
        for kind, name in (("threads", "cpu"), ("threads", "blocking"), ("loop", "io0"), ("queue", "writes"),
                           ("connections", "sqlite"), ("connections", "http"), ("requests", "edge")):
            self.assertGreater(max(of("tessera_resource_capacity", kind=kind, name=name)), 0, (kind, name))
        self.assertGreater(sum(of("tessera_resource_done_total", kind="queue", name="writes")), 0)
        self.assertGreater(sum(of("tessera_resource_busy_seconds_total", kind="loop")), 0)

    def test_the_keys_of_a_tenant_count_together(self):
        self.env |= {"FIRST": "first-key-of-acme", "SECOND": "second-key-of-acme", "ALONE": "a-key-of-nobodys"}
        with open(self.config, "a") as file:
            file.write("    prices: {paced: {input: 2.0, output: 10.0}}\nserver:\n  api_keys:\n"
                       + "".join(f"    - {{name: {name}, key: \"${{env:{name.upper()}}}\", tenant: \"{tenant}\"}}\n"
                                 for name, tenant in (("first", "acme & co"), ("second", "acme & co"), ("alone", ""))))
        server = self.platform()
        for name in ("FIRST", "SECOND", "ALONE", "FIRST"):
            status, _, text = self.ask(server, stream=True, headers={
                "Authorization": f"Bearer {self.env[name]}", "traceparent": f"00-{TRACE}-{PARENT}-01"})
            self.assertEqual(status, 200, text)
        asked, cost = {}, {}
        for name, labels, value in read_figures(self.metrics(server)[1]):
            if name == "tessera_tenant_requests_total" and labels["model"] == "paced":
                asked[labels["tenant"]] = asked.get(labels["tenant"], 0) + value
            if name == "tessera_tenant_cost_total" and labels["model"] == "paced":
                cost[labels["tenant"]] = cost.get(labels["tenant"], 0) + value
        self.assertEqual(asked, {"acme & co": 3, "key:alone": 1})
        self.assertAlmostEqual(cost["acme & co"], 3 * cost["key:alone"])
        spans = [span for span in self.trace(TRACE)["spans"] if span["name"] == "POST /v1/chat/completions"]
        self.assertEqual({attributes(span).get("tessera.tenant", "") for span in spans}, {"acme & co", ""})

    def prometheus(self, server):
        """A real one that reads the platform each second; its URL."""
        key = self.write("scrape.key", server.key())
        config = self.write("prometheus.yaml", json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "tessera", "honor_labels": True, "authorization": {"credentials_file": key},
                                "static_configs": [{"targets": [urllib.parse.urlsplit(server.url).netloc]}]}]}))
        address = f"127.0.0.1:{free_port()}"
        log = open(self.path("prometheus.log"), "w", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.path('tsdb')}",
                                    f"--web.listen-address={address}", "--enable-feature=exemplar-storage"],
                                   stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for("Prometheus", 60, lambda: get_json(f"http://{address}/api/v1/status/runtimeinfo"))
        return f"http://{address}"

    def test_prometheus_gives_the_trace_back(self):
        server = self.platform()
        url = self.prometheus(server)
        begin = time.time()
        self.ask(server, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

        def asked(family):
            query = urllib.parse.urlencode({"query": f"{family}_bucket", "start": begin - 60, "end": time.time() + 60})
            return get_json(f"{url}/api/v1/query_exemplars?{query}")["data"]

        for family in sorted(WITH_EXEMPLARS):
            rows = wait_for(f"exemplars of {family} in Prometheus", 60, lambda name=family: asked(name))
            for row in rows:
                self.assertTrue({"group", "instance", "le"} <= set(row["seriesLabels"]), row)
                for exemplar in row["exemplars"]:
                    self.assertEqual(exemplar["labels"]["trace_id"], TRACE)
        trace = rows[0]["exemplars"][0]["labels"]["trace_id"]
        self.assertEqual(self.trace(trace)["trace_id"], TRACE)
        # It says of itself what its scrapes were like.
        up = get_json(f"{url}/api/v1/query?query=up")["data"]["result"]
        self.assertEqual([row["value"][1] for row in up], ["1"])
        targets = get_json(f"{url}/api/v1/targets")["data"]["activeTargets"]
        self.assertEqual([target["lastError"] for target in targets], [""])


if __name__ == "__main__":
    if shutil.which("prometheus") is None:
        print("skipped: Prometheus is not installed (Debian package: prometheus)")
        sys.exit(77)
    unittest.main()
