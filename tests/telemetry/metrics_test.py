#!/usr/bin/env python3
"""/metrics as Prometheus' own checker reads it, and the figures that OPEA's dashboards look for."""
import json
import shutil
import subprocess
import sys
import unittest

from platform_traces import TOKENS, TOPOLOGY, TraceCase, read_figures
from servers import wait_for


class Metrics(TraceCase):
    def test_promtool_finds_nothing(self):
        server = self.platform()
        status, _, text = self.call(server, "/v1/chatqna", {"messages": "Who designed the Zephyr engine?", "stream": True})
        self.assertEqual(status, 200, text)
        self.ask(server)
        self.call(server, "/v1/no-such-thing")
        metrics = self.call(server, "/metrics")[2]
        checked = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
        figure = {name: value for name, _, value in read_figures(metrics) if name.startswith("megaservice_")}
        self.assertEqual(figure["megaservice_request_pending"], 0)
        self.assertEqual(figure["megaservice_request_latency_count"], 1)
        self.assertEqual(figure["megaservice_first_token_latency_count"], 1)
        self.assertGreaterEqual(figure["megaservice_inter_token_latency_count"], 0)
        self.assertLessEqual(figure["megaservice_inter_token_latency_count"], len(TOKENS))
        self.assertLess(figure["megaservice_first_token_latency_sum"], figure["megaservice_request_latency_sum"] + 1e-9)
        self.assertTrue(server.ready())

    def test_every_process_tells(self):
        server = self.platform()
        self.ask(server)
        topology = json.loads(self.call(server, "/admin/v1/topology")[2])
        there = {(group["name"], process["name"]) for group in topology["groups"] for process in group["processes"]}
        self.assertEqual(len(there), {"each.yaml": 5, "three.yaml": 4, "replicas.yaml": 3}.get(TOPOLOGY, 1))
        told = {(labels["group"], labels["instance"])
                for name, labels, _ in read_figures(self.call(server, "/metrics")[2])
                if name == "process_resident_memory_bytes"}
        self.assertEqual(told, there)

    def history(self, server, query):
        status, _, text = self.call(server, f"/admin/v1/metrics/query?{query}")
        self.assertEqual(status, 200, text)
        return json.loads(text)["lines"]

    def test_figures_over_time(self):
        server = self.platform()
        query = "name=tessera_http_requests_total&function=increase&by=route"
        wait_for("a first reading", 30, lambda: "tessera_http_requests_total" in self.call(server, "/admin/v1/metrics")[2])
        for _ in range(3):
            self.assertEqual(self.call(server, "/v1/models")[0], 200)

        def counted():
            return {line["labels"]["route"]: sum(value or 0 for value in line["values"])
                    for line in self.history(server, query)}.get("/v1/models")

        wait_for("the three requests in the history", 30, lambda: counted() == 3)
        memory = self.history(server, "name=process_resident_memory_bytes&by=instance")
        self.assertTrue(all(max(value or 0 for value in line["values"]) > 1 << 20 for line in memory), memory)
        self.assertEqual(self.call(server, "/admin/v1/metrics/query?name=nothing_like_it")[0], 404)
        self.assertEqual(self.call(server, "/admin/v1/metrics/query?name=process_threads&where=x")[0], 400)


if __name__ == "__main__":
    if shutil.which("promtool") is None:
        print("skipped: promtool is not installed (Debian package: prometheus)")
        sys.exit(77)
    unittest.main()
