#!/usr/bin/env python3
"""deploy/observability: every expression of the dashboards and rules, asked of a real Prometheus that reads a real platform."""
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from platform_traces import TraceCase, read_figures
from harness import free_port  # noqa: E402
from servers import get_json, wait_for

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
FILES = os.path.join(ROOT, "deploy/observability")
RULES = ["tessera-alerts.yaml", "tessera-slo-rules.yaml"]
WINDOW_S = 40  # of rates, where two servers' figures are compared
OURS = re.compile(r"\b((?:tessera|megaservice|process)_\w+)(?:\{([^}]*)\})?")
# A language model of the test's own, besides the platform's, which it has in its memory as it comes.
CONFIG = """
services: {{inference: {{models: {{paced: {{base_url: "http://127.0.0.1:{port}/v1"}}}}}}}}
slos:
  objectives: [{{name: chats, target: 50, window: 1h, routes: [/v1/chat/completions]}}]
  notify: {{webhooks: [{{url: "http://127.0.0.1:9/"}}]}}
"""


def dashboards():
    for path in sorted(glob.glob(os.path.join(FILES, "grafana/dashboards/*.json"))):
        with open(path, encoding="utf-8") as file:
            yield os.path.basename(path), json.load(file)


def expressions():
    """(where, PromQL) of all dashboards, their variables and the rules."""
    for name, board in dashboards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']}", target["expr"]
        for note in board["annotations"]["list"]:
            yield f"{name}: annotation", note["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
                yield f"{name}: ${variable['name']}", f'{found[1]}{{{found[2]}!=""}}'
    for name in RULES:
        with open(os.path.join(FILES, "prometheus", name), encoding="utf-8") as file:
            text = file.read()
        for match in re.finditer(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", text):
            yield name, " ".join((match[1] or match[2]).split())


def with_values(expression):
    for name, value in (("$__rate_interval", "1m"), ("$route", ".*"), ("$group", ".*"), ("$model", ".*"), ("$slo", ".*")):
        expression = expression.replace(name, value)
    return expression


class Prometheus:
    def __init__(self, case, target, key, interval="1s"):
        self.url = f"http://127.0.0.1:{free_port()}"
        folder = case.path("prometheus")
        shutil.copytree(os.path.join(FILES, "prometheus"), folder)
        with open(os.path.join(folder, "tessera.key"), "w", encoding="utf-8") as file:
            file.write(key)
        config = os.path.join(folder, "prometheus.yaml")
        with open(config, encoding="utf-8") as file:
            text = file.read().replace("15s", interval).replace("127.0.0.1:8080", target)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        rules = os.path.join(folder, "tessera-slo-rules.yaml")
        with open(rules, encoding="utf-8") as file:
            text = file.read().replace("interval: 30s", "interval: 1s")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(text)
        self.log = open(case.path("prometheus.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(["prometheus", "--config.file", config, "--storage.tsdb.path", case.path("tsdb"),
                                         "--web.listen-address", self.url.removeprefix("http://")],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        case.addCleanup(self.end)
        wait_for("Prometheus", 60, lambda: get_json(self.url + "/api/v1/status/buildinfo"))

    def ask(self, expression, **more):
        try:
            answer = get_json(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression, **more})}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        return answer["data"]["result"]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Files(TraceCase):
    def test_rules_hold_in_promtool(self):
        folder = os.path.join(FILES, "prometheus")
        for words in (["check", "rules", *RULES], ["check", "config", "--syntax-only", "prometheus.yaml"],
                      ["test", "rules", "tessera-rules-test.yaml"]):
            done = subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(folder, "tessera-rules-test.yaml"), encoding="utf-8") as file:
            tried = set(re.findall(r"alertname: (\w+)", file.read()))
        for name in RULES:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertLessEqual(set(re.findall(r"alert: (\w+)", file.read())), tried, name)

    def test_dashboards_are_whole(self):
        uids = set()
        for name, board in dashboards():
            with self.subTest(name):
                self.assertNotIn(board["uid"], uids)
                uids.add(board["uid"])
                self.assertEqual(name, board["uid"] + ".json")
                ids = [panel["id"] for panel in board["panels"]]
                self.assertEqual(len(ids), len(set(ids)))
                taken = set()
                for panel in board["panels"]:
                    at = panel["gridPos"]
                    self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
                    cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
                    self.assertFalse(cells & taken, panel["title"])
                    taken |= cells
                    self.assertEqual(panel["type"] == "row", not panel.get("targets"), panel["title"])
                names = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
                used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"])))
                self.assertLessEqual(used, names)
        self.assertEqual(len(uids), 4)

    def test_a_platform_has_all_that_they_name(self):
        self.config = self.write("all.yaml", CONFIG.format(port=self.models.server_address[1]))
        server = self.platform_in_three()
        prometheus = Prometheus(self, server.url.removeprefix("http://"), server.key())

        def traffic():
            self.assertEqual(self.ask(server)[0], 200)
            self.call(server, "/v1/chatqna", {"messages": "Who designed the Zephyr engine?", "stream": True})
            self.models.fails = True
            self.assertEqual(self.ask(server)[0], 503)
            self.models.fails = False

        def seen():
            traffic()
            counted = prometheus.ask('tessera:chat_availability:error_ratio_rate5m > 0')
            told = prometheus.ask('tessera_alert_notifications_total')
            return len(prometheus.ask("tessera_llm_first_token_seconds_count")) > 0 and counted and told

        wait_for("a few readings", 90, seen)
        figures = {}
        for name, labels, _ in read_figures(self.call(server, "/metrics")[2]):
            figures.setdefault(name, set()).update(labels)
        recorded = {"up"}
        for where, expression in expressions():
            for name, selector in OURS.findall(expression):
                self.assertIn(name, figures, f"{where}: the platform has no such figure")
                labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
                self.assertLessEqual(labels, figures[name], f"{where}: {name} has no such label")
                recorded.add(name)
            prometheus.ask(with_values(expression))  # fails on what Prometheus does not understand
        self.assertGreater(len(recorded), 40)
        # What traffic leaves is seen on the dashboards, not only known by name.
        for board in ("overview", "models", "topology", "slos"):
            empty = [f"{where}: {expression}" for where, expression in expressions() if where.startswith(f"tessera-{board}.json")
                     and " > 0" not in expression and not prometheus.ask(with_values(expression))
                     and "annotation" not in where]
            self.assertEqual(empty, [])
        groups = get_json(prometheus.url + "/api/v1/rules")["data"]["groups"]
        sick = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]
        self.assertEqual(sick, [])
        firing = {(alert["labels"]["alertname"], alert["labels"].get("severity"))
                  for alert in get_json(prometheus.url + "/api/v1/alerts")["data"]["alerts"] if alert["state"] == "firing"}
        self.assertFalse({name for name, _ in firing} & {"TesseraDown", "TesseraProcessUnreachable", "TesseraCertificateNotRenewed"}, firing)

    def test_the_platform_answers_as_prometheus_does(self):
        """Every expression of the dashboards, of the same minute of the same platform, in both."""
        self.config = self.write("all.yaml", CONFIG.format(port=self.models.server_address[1]))
        server = self.platform_in_three()
        prometheus = Prometheus(self, server.url.removeprefix("http://"), server.key(), "5s")  # as the platform reads itself

        def traffic():
            for _ in range(5):
                self.assertEqual(self.ask(server)[0], 200)
                self.call(server, "/v1/chatqna", {"messages": "Who designed the Zephyr engine?", "stream": True})

        traffic()  # from here on both know all series
        asked = self.count_of_chats(server)
        wait_for("both to know the first chats", 60, lambda: self.both(server, prometheus, asked))
        # Their first readings leave the window that is compared; there is nothing to wait for but the time.
        began = time.time()
        wait_for("the window", 120, lambda: time.time() > began + WINDOW_S + 10)
        traffic()
        asked = self.count_of_chats(server)
        wait_for("both to know the last chats", 60, lambda: self.both(server, prometheus, asked))
        settled = time.time() + 6  # what is worked out of a reading is in the next one
        wait_for("another reading of both", 60, lambda: time.time() > settled)
        now = time.time()
        compared, aparts, unlike = 0, [], []
        for where, expression in expressions():
            if ".json: " not in where:
                continue
            expression = with_values(expression).replace("1m", f"{WINDOW_S}s")
            theirs = self.values(prometheus.ask(expression, time=now))
            ours = self.values(self.promql(server, "query", query=expression, time=now)["result"])
            compared += len(ours)
            apart = [self.apart(theirs[key], ours[key]) for key in theirs.keys() & ours.keys()]
            if ": $" in where or re.search(r"resource_(used|waiting)|_in_flight|_pending|_active", expression):
                apart = []  # lists of labels, and what changes from one moment to the next
            aparts += apart
            how_far = max(apart, default=0)
            # Both read every 5 s, not at the same moment: one step of a window's eight may be in the one and not in the other.
            grows = re.search(r"process_\w+|tessera_log_\w+|_sent_bytes|_free_bytes|trace_\w+|resource_\w+_total|mesh_\w+_total", expression)
            if theirs.keys() != ours.keys() or how_far > (0.5 if grows else 0.15):
                unlike.append((where, expression, theirs, ours))
        for where, expression, theirs, ours in unlike:
            print(f"{where}: {expression}\n  Prometheus {theirs}\n  Tessera    {ours}")
        print(f"{compared} series of both; values within 0.1 %: {sum(a <= 0.001 for a in aparts)}, within 2 %: "
              f"{sum(a <= 0.02 for a in aparts)}, within 10 %: {sum(a <= 0.1 for a in aparts)} of {len(aparts)}", flush=True)
        self.assertEqual(unlike, [])
        self.assertGreater(compared, 150)
        self.other_routes(server, now)

    @staticmethod
    def apart(one, other):
        if math.isnan(one) or math.isnan(other) or math.isinf(one):
            return 0 if str(one) == str(other) else math.inf
        return abs(one - other) / max(abs(one), abs(other), 1e-9)

    @staticmethod
    def values(result):
        return {tuple(sorted((k, v) for k, v in row["metric"].items() if k != "job")): float(row["value"][1]) for row in result}

    def promql(self, server, path, **query):
        status, _, text = self.call(server, f"/admin/v1/prometheus/api/v1/{path}?{urllib.parse.urlencode(query, doseq=True)}")
        answer = json.loads(text)
        self.assertEqual((status, answer["status"]), (200, "success"), f"{query}: {text}")
        return answer["data"]

    COUNTED = 'sum(tessera_http_requests_total{route=~"/v1/chat.*"})'

    def count_of_chats(self, server):
        return sum(value for name, labels, value in read_figures(self.call(server, "/metrics")[2])
                   if name == "tessera_http_requests_total" and labels["route"].startswith("/v1/chat"))

    def both(self, server, prometheus, wanted):
        ours = self.promql(server, "query", query=self.COUNTED)["result"]
        theirs = prometheus.ask(self.COUNTED)
        return ours and theirs and float(ours[0]["value"][1]) == float(theirs[0]["value"][1]) == wanted

    def other_routes(self, server, now):
        rows = self.promql(server, "query_range", query="sum by (route) (rate(tessera_http_requests_total[40s]))",
                           start=now - 60, end=now, step="5s")
        self.assertEqual(rows["resultType"], "matrix")
        self.assertGreaterEqual(max(len(row["values"]) for row in rows["result"]), 12)
        self.assertLessEqual({"__name__", "group", "instance", "route", "le"}, set(self.promql(server, "labels")))
        routes = self.promql(server, "label/route/values", **{"match[]": "tessera_http_requests_total"})
        self.assertIn("/v1/chat/completions", routes)
        series = self.promql(server, "series", **{"match[]": 'tessera_http_requests_total{route="/v1/chatqna"}'})
        self.assertEqual({one["route"] for one in series}, {"/v1/chatqna"})
        self.assertEqual(self.promql(server, "metadata", metric="tessera_http_seconds")["tessera_http_seconds"][0]["type"], "histogram")
        self.assertTrue(self.promql(server, "status/buildinfo")["version"])
        for path, status, kind in (("query?query=sum(", 400, "bad_data"), ("query_range?query=up&start=0&end=x&step=1", 400, "bad_data"),
                                   ("query?query=process_open_fds*on()process_open_fds", 422, "execution"), ("series", 400, "bad_data")):
            got, _, text = self.call(server, "/admin/v1/prometheus/api/v1/" + path)
            self.assertEqual((got, json.loads(text)["status"], json.loads(text)["errorType"]), (status, "error", kind), text)
        form = urllib.request.Request(server.url + "/admin/v1/prometheus/api/v1/query", data=b"query=vector(1)&time=5",
                                      headers={"Authorization": "Bearer " + server.key()})
        with urllib.request.urlopen(form, timeout=20) as reply:
            self.assertEqual(json.load(reply)["data"]["result"], [{"metric": {}, "value": [5, "1"]}])

    def platform_in_three(self):
        server = self.start(self.data, "--config", self.config, "--topology", os.path.join(ROOT, "deploy/topologies/three.yaml"))
        self.write("zephyr.txt", "The Zephyr engine was designed in 1987 by Ada Kowalska in Gdansk.")
        self.tessera("ingest", "--data", self.data, self.path("zephyr.txt"))
        return server


if __name__ == "__main__":
    if shutil.which("promtool") is None or shutil.which("prometheus") is None:
        print("skipped: Prometheus is not installed (Debian package: prometheus)")
        sys.exit(77)
    unittest.main()
