#!/usr/bin/env python3
"""Objectives of a real platform: what is counted, alerts at a webhook and a real Alertmanager, and what a restart keeps."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import unittest

from platform_traces import HERE, TraceCase, read_figures
from harness import free_port  # noqa: E402
from servers import get_json, wait_for

# An hour's window: a page within seconds. The metrics' thresholds are powers of two.
SLOS = """
slos:
  objectives:
    - name: chats
      description: Chats are answered.
      target: 99
      window: 1h
      routes: [/v1/chat/completions]
    - name: quick
      target: 90
      window: 1h
      indicator: latency
      routes: [/v1/chat/completions]
      threshold: 32s
    - name: first-token
      target: 90
      window: 1h
      indicator: first_token
      threshold: 16s
    - name: search
      target: 90
      window: 1h
      contracts: [tessera.v1.Retrieval.Search]
  resolve_after: 5s
  notify:
    resend: 2s
    retry_max: 2s
    labels: {{service: tessera, stage: test}}
    webhooks: [{{url: "http://127.0.0.1:{webhook}/hook", headers: {{authorization: "${{file:{key}}}"}}}}]
    alertmanagers: [{{url: "http://127.0.0.1:{alertmanager}/"}}]
"""
KEY = "Bearer planted-9c1e7d"


class Hook(http.server.ThreadingHTTPServer):
    """Takes what a webhook is sent; refuses the first with 503."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Take)
        self.taken, self.refused = [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Take(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hook = self.server
        first = not hook.refused
        (hook.refused if first else hook.taken).append((self.path, self.headers["Authorization"], body))
        self.send_response(503 if first else 200)
        self.end_headers()


class Alertmanager:
    """The real one of Debian's package."""

    def __init__(self, case, port):
        self.url = f"http://127.0.0.1:{port}"
        self.config = case.write("alertmanager.yaml", json.dumps(
            {"route": {"receiver": "none"}, "receivers": [{"name": "none"}], "global": {"resolve_timeout": "5m"}}))
        self.log = open(case.path("alertmanager.log"), "w")
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", "--config.file", self.config, "--storage.path", case.path("am"),
             "--web.listen-address", f"127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=self.log, stderr=subprocess.STDOUT)
        case.addCleanup(self.end)
        wait_for("the Alertmanager", 60, lambda: get_json(self.url + "/api/v2/status"))

    def alerts(self, **labels):
        return [alert for alert in get_json(self.url + "/api/v2/alerts")
                if labels.items() <= alert["labels"].items()]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Slos(TraceCase):
    def setUp(self):
        super().setUp()
        self.hook = Hook()
        self.addCleanup(self.hook.server_close)
        self.addCleanup(self.hook.shutdown)
        self.alertmanager_port = free_port()
        key = self.write("hook.key", KEY)
        os.chmod(key, 0o600)
        with open(self.config, "a", encoding="utf-8") as file:
            file.write(SLOS.format(webhook=self.hook.server_address[1], key=key, alertmanager=self.alertmanager_port))

    def slo(self, server, name="chats"):
        status, _, text = self.call(server, f"/admin/v1/slos/{name}")
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def counted(self, server, name, total):
        wait_for(f"{total} events of {name}", 60, lambda: self.slo(server, name).get("total", 0) == total)
        return self.slo(server, name)

    def chats(self, server, count, status):
        for _ in range(count):
            self.assertEqual(self.ask(server)[0], status)

    def test_an_alert_fires_is_told_of_and_ends(self):
        server = self.platform()
        self.assertEqual(self.slo(server)["state"], "not_enough_data")
        self.chats(server, 20, 200)
        self.call(server, "/v1/chat/completions", {"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]})
        good = self.counted(server, "chats", 21)  # a 404 is no failure of the platform
        self.assertEqual(good["good"], 21)
        self.assertEqual(self.counted(server, "first-token", 20)["good"], 20)
        self.assertEqual(self.counted(server, "quick", 21)["good"], 21)
        self.assertEqual(self.slo(server, "quick")["state"], "met")
        searches = self.slo(server, "search")
        self.assertGreaterEqual(searches["good"], 20)
        self.assertEqual(searches["good"], searches["total"])

        self.models.fails = True
        self.chats(server, 30, 503)
        wait_for("a page and a ticket", 60, lambda: len(self.slo(server)["alerts"]) == 2)
        self.assertEqual(self.slo(server)["state"], "burning")  # 0.51 may fail: too few to say that it is missed
        said = self.tessera("topology", "plan", os.path.join(HERE, "../../deploy/topologies/one.yaml"), "--data", self.data)[1]
        self.assertIn("warning: chats pages", said)
        out = self.tessera("slo", "--data", self.data)[0]
        self.assertIn("PAGE of chats", out)
        self.assertEqual({slo["name"] for slo in self.tessera_json("slo", "--data", self.data)["slos"]},
                         {"chats", "quick", "first-token", "search"})
        self.assertIn("burns", self.tessera("slo", "chats", "--data", self.data)[0])
        figures = {(name, labels.get("slo"), labels.get("severity") or labels.get("result")): value
                   for name, labels, value in read_figures(self.call(server, "/metrics")[2])}
        self.assertEqual(figures["tessera_alert_firing", "chats", "page"], 1)
        self.assertEqual(figures["tessera_alert_firing", "quick", "page"], 0)
        self.assertEqual(figures["tessera_slo_events", "chats", "failed"], 30)

        # Nobody listens there yet: it is told when somebody does, again and again, and once that it is over.
        alertmanager = Alertmanager(self, self.alertmanager_port)
        wait_for("the alerts there", 60, lambda: len(alertmanager.alerts(slo="chats", stage="test")) == 2)
        page = alertmanager.alerts(slo="chats", severity="page")[0]
        self.assertEqual((page["labels"]["alertname"], page["labels"]["service"]), ("TesseraSloBurn", "tessera"))
        self.assertIn("requests failed", page["annotations"]["description"])
        wait_for("it is told again", 60,
                 lambda: alertmanager.alerts(slo="chats", severity="page")[0]["endsAt"] > page["endsAt"])
        wait_for("the webhook", 60, lambda: len(self.hook.taken) == 2)

        # It is over once the short window has none of it.
        self.models.fails = False
        wait_for("the end", 90, lambda: not json.loads(self.call(server, "/admin/v1/alerts?firing=true")[2])["alerts"])
        wait_for("its end there", 60, lambda: not alertmanager.alerts(slo="chats"))
        wait_for("the webhook", 60, lambda: len(self.hook.taken) == 4)
        events = [(body["event"], body["alert"]["severity"]) for _, _, body in self.hook.taken]
        self.assertEqual(sorted(events), [("firing", "page"), ("firing", "ticket"), ("resolved", "page"), ("resolved", "ticket")])
        self.assertEqual({(path, key) for path, key, _ in self.hook.taken}, {("/hook", KEY)})
        self.assertEqual(self.hook.refused[0][2], self.hook.taken[0][2])  # was sent a second time
        self.assertNotIn("planted-9c1e7d", server.said())
        history = json.loads(self.call(server, "/admin/v1/alerts?slo=chats")[2])["alerts"]
        self.assertEqual([alert["until_ms"] > alert["since_ms"] for alert in history], [True, True])

    def test_what_was_counted_outlives_the_platform(self):
        server = self.platform()
        self.chats(server, 5, 200)
        self.models.fails = True
        self.chats(server, 4, 503)
        before = self.counted(server, "chats", 9)
        wait_for("a page", 60, lambda: self.slo(server)["alerts"])
        server.stop(signal.SIGKILL)
        self.models.fails = False
        server = self.start(self.data, "--config", self.config)
        self.chats(server, 2, 200)
        after = self.counted(server, "chats", 11)
        self.assertEqual(after["good"], before["good"] + 2)
        ids = {alert["id"] for alert in before["alerts"]} | {alert["id"] for alert in after["alerts"]}
        self.assertLessEqual(len(ids), 2)  # the same ones go on

    def test_by_default_there_are_two(self):
        self.config = self.write("none.yaml", "{}")
        server = self.start(self.data, "--config", self.config)
        names = [slo["name"] for slo in json.loads(self.call(server, "/admin/v1/slos")[2])["slos"]]
        self.assertEqual(names, ["chat-availability", "chat-latency"])
        self.assertEqual(self.call(server, "/admin/v1/slos/none")[0], 404)
        self.assertEqual(self.call(server, "/admin/v1/alerts?limit=5000")[0], 400)
        self.assertIn("no requests yet", self.tessera("slo", "--data", self.data)[0])


if __name__ == "__main__":
    if shutil.which("prometheus-alertmanager") is None:
        print("skipped: there is no Alertmanager (Debian package: prometheus-alertmanager)")
        sys.exit(77)
    unittest.main()
