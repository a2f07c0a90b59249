"""A change of a flag is in every process of the platform when the call returns: while children are killed and services move."""
import contextlib
import http.client
import json
import os
import signal
import threading
import time
import unittest

from tessera_server import SLOWNESS, Server

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def topology(name):
    return os.path.join(ROOT, "deploy", "topologies", name + ".yaml")


def call(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60 * SLOWNESS)
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"authorization": "Bearer " + server.key, "content-type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    if reply.status != 200:
        raise AssertionError(f"{method} {path}: {reply.status} {text}")
    return json.loads(text)


def put(key, value):
    return call("POST", "/admin/v1/flags", {"flag": {"key": key, "type": "string", "variants": {"a": value}, "default_variant": "a"}})["version"]


def processes():
    return [process for group in call("GET", "/admin/v1/topology")["groups"] for process in group["processes"]]


def behind(version):
    """Processes that serve, but not by the flags of `version`."""
    return [process for process in processes() if process["instances"] and process["flags_version"] < version]


def running(name):
    """A process of that group, once there is one again."""
    until = time.monotonic() + 60 * SLOWNESS
    while time.monotonic() < until:
        for process in processes():
            if process["name"].startswith(name) and process["pid"]:
                return process
        time.sleep(0.02)
    raise AssertionError(f"no process {name} comes back")


def setUpModule():
    global server
    server = Server("--topology", topology("each"))


def tearDownModule():
    status = server.stop()
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")


class Processes(unittest.TestCase):
    def test_a_change_is_everywhere_when_the_call_returns(self):
        self.assertEqual(len(processes()), 5)
        for i in range(30):
            self.assertEqual(behind(put("plain", str(i))), [])

    def test_while_services_move_and_children_die(self):
        stop = threading.Event()
        faults = []

        def change(name):
            count = 0
            while not stop.is_set():
                try:
                    late = behind(put(name, str(count)))
                    if late:
                        faults.append(late)
                except (AssertionError, OSError) as error:
                    faults.append(error)
                count += 1

        writers = [threading.Thread(target=change, args=(f"writer-{i}",)) for i in range(2)]
        for writer in writers:
            writer.start()
        try:
            for name in ("three", "each"):
                with contextlib.suppress(ProcessLookupError):  # it may be the one before, not buried yet
                    os.kill(running("inference")["pid"], signal.SIGKILL)
                with open(topology(name), encoding="utf-8") as file:
                    move = call("POST", "/admin/v1/topology/apply", {"yaml": file.read()})
                until = time.monotonic() + 120 * SLOWNESS
                while move["state"] not in ("moved", "rolled_back") and time.monotonic() < until:
                    time.sleep(0.05)
                    move = call("GET", f"/admin/v1/topology/moves/{move['id']}")
                self.assertIn(move["state"], ("moved", "rolled_back"), "a child that dies in it may take it back")
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        self.assertEqual(faults, [])
        last = put("plain", "last")
        self.assertEqual(behind(last), [])


if __name__ == "__main__":
    unittest.main()
