#!/usr/bin/env python3
"""`tessera topology`, its exit codes, and the file of `tessera up --topology`, as an operator uses them."""
import http.server
import json
import os
import signal
import threading
import time
import unittest
import urllib.request

from harness import Case

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/topologies")
QUICK = "move: {step_time: 20ms, steps: [0, 50, 100]}\n"
ONE = "groups:\n  all: {services: [gateway, orchestration, inference, retrieval, dataprep]}\n" + QUICK
DATA_APART = """groups:
  front: {services: [gateway, orchestration, inference]}
  data: {services: [retrieval, dataprep]%s}
""" + QUICK


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Theirs(http.server.ThreadingHTTPServer):
    """Answers everything with {"theirs": 1}."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"theirs": 1}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/search"


class Topology(Case):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")

    def status(self):
        return self.tessera_json("topology", "status", "--data", self.data)

    def processes(self):
        """group -> list of (pid, services inside)."""
        return {group["name"]: [(one["pid"], sorted(i["service"] for i in one["instances"]))
                                for one in group["processes"]] for group in self.status()["groups"]}

    def wait_until(self, what, holds):
        deadline = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)  # another program's state; there is no event to wait for

    def apply(self, text, code=0):
        return self.tessera("topology", "apply", self.write("wanted.yaml", text), "--data", self.data, code=code)

    def test_moves_and_goes_back(self):
        server = self.start(self.data, "--topology", os.path.join(SHIPPED, "one.yaml"))
        self.assertEqual(list(self.processes()), ["all"])
        root = self.processes()["all"][0][0]
        plan = self.tessera_json("topology", "plan", self.write("p.yaml", DATA_APART % ""), "--data", self.data)
        self.assertEqual([(s["action"], s["service"]) for s in plan["steps"]],
                         [("move", "retrieval"), ("move", "dataprep")])
        self.tessera("ingest", self.write("cat.txt", "The cat sat on the mat in Bremen."), "--data", self.data)

        out, said = self.apply(DATA_APART % "")
        self.assertEqual(out, "moved\n")
        self.assertIn("handing over what retrieval has written", said)
        there = self.processes()
        self.assertEqual(there["front"], [(root, ["inference", "orchestration"])])
        self.assertEqual(there["data"][0][1], ["dataprep", "retrieval"])
        self.assertNotEqual(there["data"][0][0], root)
        self.assertIn("Bremen", self.tessera("ask", "Where did the cat sit?", "--data", self.data)[0])

        self.apply(DATA_APART % ', revision: "2"')  # replaced by another process
        replaced = self.processes()["data"][0][0]
        self.assertFalse(alive(there["data"][0][0]))
        self.tessera("topology", "rollback", "--data", self.data)
        self.assertNotEqual(self.processes()["data"][0][0], replaced)
        self.assertIn("Bremen", self.tessera("ask", "Where did the cat sit?", "--data", self.data)[0])
        children = [one[0] for group in self.processes().values() for one in group if one[0] != root]
        server.stop()
        self.assertEqual([pid for pid in children if alive(pid)], [])

    def test_says_why_it_refuses(self):
        self.start(self.data)
        _, said = self.apply("groups: {a: {services: [gateway]}}", code=1)
        self.assertIn("is in no group", said)
        _, said = self.apply("groups: [", code=1)
        self.assertIn("wanted.yaml:1", said)
        _, said = self.tessera("topology", "rollback", "--data", self.data, code=1)
        self.assertIn("no topology before this one", said)
        self.assertIn("FILE is missing", self.tessera("topology", "apply", "--data", self.data, code=2)[1])
        # Never answers: the old topology goes on.
        sleeper = self.write("sleeper", "#!/bin/sh\nexec sleep 1000\n")
        os.chmod(sleeper, 0o700)
        slow = (DATA_APART % f', binary: "{sleeper}"').replace("move: {", "move: {start_timeout: 1s, ")
        out, _ = self.apply(slow, code=3)
        self.assertIn("rolled back", out)
        self.assertEqual(list(self.processes()), ["all"])

    def test_two_versions_side_by_side(self):
        """In the gateway's own process and in another one; the weights are one edit."""
        shared = """groups:
  all: {services: [gateway, orchestration, inference, retrieval, dataprep]}
  next: {services: [inference], revision: b}
versions:
  inference: {all: %d, next: %d}
""" + QUICK
        self.start(self.data)
        for canary in 10, 40:
            self.apply(shared % (100 - canary, canary))
            said, _ = self.tessera("topology", "status", "--data", self.data)
            self.assertRegex(said, rf"calls of inference\n +{100 - canary} % all .*\n +{canary} % next ")
        weights = {view["group"]: view["weight"] for view in self.status()["clusters"] if view["service"] == "inference"}
        self.assertEqual(weights, {"all": 60, "next": 40})
        _, said = self.apply(shared % (60, 50), code=1)
        self.assertIn("these make 110", said)
        _, said = self.apply(shared.replace("services: [inference]", "services: [inference, retrieval]") % (60, 40), code=1)
        self.assertIn("retrieval is in several (all, next); give it one", said)
        self.tessera("topology", "rollback", "--data", self.data)
        said, _ = self.tessera("topology", "status", "--data", self.data)
        self.assertRegex(said, "90 % all ")

    def test_without_a_server(self):
        _, said = self.tessera("topology", "status", "--data", self.data, code=1)
        self.assertIn("no server runs", said)
        out, _ = self.tessera("topology", "plan", os.path.join(SHIPPED, "three.yaml"), "--data", self.data)
        self.assertIn("move inference from the gateway's process (all) to 2 processes inference", out)

    def test_follows_its_file_and_restarts_where_it_was(self):
        file = self.write("topology.yaml", ONE)
        server = self.start(self.data, "--topology", file)
        self.write("topology.yaml", "groups: {all: {services: [gatewya]}}\n")
        self.wait_until("the mistake is told", lambda: "not followed" in server.said())
        self.assertIn("there is no service \\\"gatewya\\\"", server.said())
        self.write("topology.yaml", DATA_APART % "")
        self.wait_until("the platform follows its file", lambda: "data" in self.processes())
        self.wait_until("the move ends", lambda: self.status()["move"]["state"] == "moved")
        children = [one[0] for one in self.processes()["data"]]
        server.stop(signal.SIGKILL)
        self.wait_until("the children end with the first process", lambda: not any(map(alive, children)))
        self.start(self.data)  # without the file: what was reached last
        self.assertEqual(sorted(self.processes()), ["data", "front"])

    def test_routes_and_flags_follow_the_topology(self):
        route = "POST /api/v1/collections/{collection}/search"
        server = self.start(self.data)
        other = threading.Thread(target=(there := Theirs()).serve_forever)
        other.start()
        self.addCleanup(other.join)
        self.addCleanup(there.server_close)
        self.addCleanup(there.shutdown)
        latest, failed, stop = [None], [], threading.Event()

        def ask():
            while not stop.is_set():
                request = urllib.request.Request(
                    server.url + "/api/v1/collections/default/search", b'{"query": "q"}',
                    {"Authorization": f"Bearer {server.key()}", "Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=30) as reply:
                        latest[0] = "theirs" in json.load(reply)
                except OSError as error:
                    failed.append(str(error))

        client = threading.Thread(target=ask)
        client.start()
        try:
            groups = {"all": {"services": ["gateway", "orchestration", "inference", "retrieval", "dataprep"]}}
            flag = {"key": "dark", "variants": {"on": True, "off": False}, "default_variant": "off"}
            sections = {"routes": [{"route": route, "targets": [{"name": "theirs", "http": there.url}]}], "flags": [flag]}
            err = self.apply(json.dumps({"groups": groups, **sections, "routes": [{"route": "GET /no", "targets": []}]}), 1)[1]
            self.assertIn("there is no such route", err)
            err = self.apply(json.dumps({"groups": groups, "flags": [flag | {"default_variant": "none"}]}), 1)[1]
            self.assertIn("flags[0].default_variant", err)
            out = self.apply(json.dumps({"groups": groups, **sections}))[0]
            self.wait_until("the other answers", lambda: latest[0] is True)
            self.assertEqual(self.flag("dark")["changed_by"], "topology")
            self.tessera("flags", "set", "dark", "--default", "on", "--data", self.data)
            # The topology as it is reported is one that can be applied; what was changed since holds.
            self.apply(self.status()["yaml"])
            self.assertEqual(self.flag("dark")["default_variant"], "on")
            self.tessera("topology", "rollback", "--data", self.data)
            self.wait_until("its own handler answers", lambda: latest[0] is False)
        finally:
            stop.set()
            client.join()
        self.assertEqual(failed, [], out)

    def flag(self, key):
        return self.tessera_json("flags", "get", key, "--data", self.data)

    def test_a_child_that_dies_comes_back(self):
        self.start(self.data, "--topology", self.write("t.yaml", DATA_APART % ""))
        first = self.processes()["data"][0][0]
        os.kill(first, signal.SIGKILL)
        out, _ = self.tessera("collections", "list", "--data", self.data)  # waits for it
        self.assertIn("default", out)
        again = self.processes()["data"][0]
        self.assertNotEqual(again[0], first)
        self.assertEqual(again[1], ["dataprep", "retrieval"])
        restarts = [p["restarts"] for g in self.status()["groups"] if g["name"] == "data" for p in g["processes"]]
        self.assertEqual(restarts, [1])

    def test_calls_between_processes_are_named_and_fenced(self):
        self.start(self.data, "--topology", self.write("t.yaml", DATA_APART % ""))
        address = [p["address"] for g in self.status()["groups"] if g["name"] == "data" for p in g["processes"]][0]
        import socket
        with socket.socket(socket.AF_UNIX) as plain:  # cleartext is not answered
            plain.connect(address.removeprefix("unix:"))
            plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            plain.settimeout(30)
            reply = plain.recv(100)
            while reply and not reply.startswith(b"\x15"):  # a TLS alert, or the end
                reply = plain.recv(100)
        self.apply((DATA_APART % "").replace("groups:", "revoked: {groups: [gone]}\ngroups:"))
        self.wait_until("the revocation is audited", self.revocation_is_audited)

    def revocation_is_audited(self):
        with open(self.path("data", "audit.jsonl")) as audit:
            return any(json.loads(line).get("denied_groups") == "1" for line in audit)


if __name__ == "__main__":
    unittest.main()
