#!/usr/bin/env python3
"""What probes are told: by a platform that is well, one of whose processes hangs, and that is stopping."""
import http.client
import json
import os
import signal
import time
import unittest

from harness import Case

INFERENCE_APART = """groups:
  front: {services: [gateway, orchestration, retrieval, dataprep]}
  models: {services: [inference]}
"""
LOOKS_OFTEN = "mesh: {defaults: {health: {every: 100ms, timeout: 200ms}}}\n"


class Health(Case):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")

    def ask(self, server, path="/health/ready", key=None):
        """(status, JSON); (None, None) while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        except OSError:
            return None, None
        finally:
            connection.close()

    def wait_for(self, server, status):
        deadline = time.monotonic() + 60
        while True:
            found, report = self.ask(server)
            if found == status:
                return report
            self.assertLess(time.monotonic(), deadline, (found, report))
            time.sleep(0.005)  # another program's state; there is no event to wait for

    def test_says_which_service_cannot_be_called(self):
        server = self.start(self.data, "--topology", self.write("apart.yaml", INFERENCE_APART),
                            "--config", self.write("tessera.yaml", LOOKS_OFTEN))
        for path in ("/health/live", "/health/startup"):
            self.assertEqual(self.ask(server, path), (200, {"status": "live"}))
        well = self.wait_for(server, 200)
        self.assertEqual([check["name"] for check in well["checks"]],
                         ["dataprep", "inference", "orchestration", "retrieval", "disk"])
        groups = self.tessera_json("topology", "status", "--data", self.data)["groups"]
        pid = next(one["pid"] for group in groups if group["name"] == "models" for one in group["processes"])
        os.kill(pid, signal.SIGSTOP)  # it hangs: its connections stay, and nothing answers
        try:
            report = self.wait_for(server, 503)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(report["status"], "not_ready")
        failed = [check for check in report["checks"] if check["status"] == "failed"]
        self.assertEqual([check["name"] for check in failed], ["inference"])
        self.assertIn("0 of 1 instances take calls", failed[0]["reason"])
        self.assertEqual(self.wait_for(server, 200)["status"], well["status"])

    def test_is_not_ready_while_it_stops_and_still_serves(self):
        server = self.start(self.data, "--config", self.write("tessera.yaml", "server: {stop_delay: 3s}\n"))
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        report = self.wait_for(server, 503)
        self.assertIn({"name": "platform", "status": "failed", "reason": "it is stopping"}, report["checks"])
        self.assertEqual(self.ask(server, "/api/v1/system", server.key())[0], 200)
        self.assertEqual(server.process.wait(60), 0)
        self.assertGreaterEqual(time.monotonic() - begin, 3)


if __name__ == "__main__":
    unittest.main()
