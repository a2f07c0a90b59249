#!/usr/bin/env python3
"""deploy/observability: every expression of the dashboards and rules, asked of a real Prometheus that reads a real platform."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse

from platform_traces import TraceCase, read_figures
from harness import free_port  # noqa: E402
from servers import get_json, wait_for

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
FILES = os.path.join(ROOT, "deploy/observability")
RULES = ["tessera-alerts.yaml", "tessera-slo-rules.yaml"]
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
    def __init__(self, case, target, key):
        self.url = f"http://127.0.0.1:{free_port()}"
        folder = case.path("prometheus")
        shutil.copytree(os.path.join(FILES, "prometheus"), folder)
        with open(os.path.join(folder, "tessera.key"), "w", encoding="utf-8") as file:
            file.write(key)
        config = os.path.join(folder, "prometheus.yaml")
        with open(config, encoding="utf-8") as file:
            text = file.read().replace("15s", "1s").replace("127.0.0.1:8080", target)
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

    def ask(self, expression):
        try:
            answer = get_json(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
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
