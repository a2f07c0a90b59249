#!/usr/bin/env python3
"""/metrics as Prometheus' own checker reads it, and the figures that OPEA's dashboards look for."""
import re
import shutil
import subprocess
import sys
import unittest

from platform_traces import TOKENS, TraceCase


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
        figure = {name: float(value) for name, value in re.findall(r"^(megaservice_\w+) (\S+)$", metrics, re.M)}
        self.assertEqual(figure["megaservice_request_pending"], 0)
        self.assertEqual(figure["megaservice_request_latency_count"], 1)
        self.assertEqual(figure["megaservice_first_token_latency_count"], 1)
        self.assertGreaterEqual(figure["megaservice_inter_token_latency_count"], 0)
        self.assertLessEqual(figure["megaservice_inter_token_latency_count"], len(TOKENS))
        self.assertLess(figure["megaservice_first_token_latency_sum"], figure["megaservice_request_latency_sum"] + 1e-9)
        self.assertTrue(server.ready())


if __name__ == "__main__":
    if shutil.which("promtool") is None:
        print("skipped: promtool is not installed (Debian package: prometheus)")
        sys.exit(77)
    unittest.main()
