"""A platform with a paced engine behind it and a load before it, for the tests in this folder."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from harness import BIN, SLOWNESS, free_port, kept_environment, reports  # noqa: E402

PROGRAMS = os.environ.get("TESSERA_MOVE_PROGRAMS") or os.path.join(HERE, "../../build/release/tests/moves")
DOCUMENT = "The Zephyr engine was designed in 1987 by Ada Kowalska in Gdansk. Its boiler holds 400 litres."
CONFIG = """
services:
  inference:
    language_model: paced
    embedder: vectors
    models:
      paced: {{base_url: "http://127.0.0.1:{port}/v1", key: "${{env:ENGINE_KEY}}"}}
      vectors: {{kind: embedder, base_url: "http://127.0.0.1:{port}/v1", key: "${{env:ENGINE_KEY}}", dimension: 64}}
"""
SERVICES = ("gateway", "orchestration", "inference", "retrieval", "dataprep")
MOVED, REFUSED, ROLLED_BACK = 0, 1, 3


def topology(groups, versions=None, **move):
    """YAML of {name: {"services": […], …}}. A shared machine is no place to compare speeds, so that is off unless
    `move` says otherwise."""
    settings = {"step_time": "200ms", "steps": [0, 50, 100], "p50_max": 1000, "p99_max": 1000, "slack": "60s",
                "start_timeout": f"{int(60 * SLOWNESS)}s"} | move
    return json.dumps({"groups": groups, "versions": versions or {}, "move": settings})  # JSON is YAML


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def file_of(link):
    """Which file a descriptor is; None when it was closed meanwhile."""
    try:
        found = os.stat(link)
        return found.st_dev, found.st_ino
    except OSError:
        return None


def serving_processes(data, kinds=(b"serve",)):
    """The pids of the platform's child processes that hold this data folder's lock."""
    found = set()
    lock = file_of(os.path.join(data, "lock"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            held = [file_of(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if len(words) > 1 and words[1] in kinds and lock in held:
            found.add(int(pid))
    return found


def platform_processes(data):
    """Those, and the processes that take, or took, the place of the first one."""
    return serving_processes(data, (b"serve", b"succeed"))


class NewClients:
    """Clients that connect anew for every request, and what became of them."""

    def __init__(self, port, threads=2):
        self.port, self.answered, self.failed = port, 0, []
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.knock) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def knock(self):
        while not self.over.wait(0.01):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
                    client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    said = b""
                    while piece := client.recv(4096):
                        said += piece
                why = None if said.startswith(b"HTTP/1.1 200") else said[:100]
            except OSError as error:
                why = repr(error)
            with self.lock:
                if why is None:
                    self.answered += 1
                else:
                    self.failed.append(why)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Program:
    """A helper program that ends with its stdin and says things on stdout."""

    def __init__(self, name, *words):
        self.process = subprocess.Popen([os.path.join(PROGRAMS, name), *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        """Its last words."""
        said, _ = self.process.communicate(timeout=120 * SLOWNESS)
        return said

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Platform:
    """`tessera up` with one document in it, an engine behind it, and a load when it is asked for."""

    def __init__(self, case, groups=None, embed_ms=0, config="", options=()):
        self.case = case
        self.options = options  # of `tessera up`
        self.root = tempfile.mkdtemp(prefix="tessera-moves-")
        case.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.env = kept_environment() | {"HOME": self.root, "XDG_DATA_HOME": self.root, "COLUMNS": "100", "ENGINE_KEY": "usual"}
        self.env.setdefault("XDG_CACHE_HOME", os.path.join(os.path.expanduser("~"), ".cache"))
        self.engine = Program("paced_engine", embed_ms)
        case.addCleanup(self.engine.kill)
        self.engine_port = int(self.engine.line())
        self.config = self.write("config.yaml", CONFIG.format(port=self.engine_port) + config)
        self.data = os.path.join(self.root, "data")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self.load = None
        self.loads = 0
        self.log = open(os.path.join(self.root, "log"), "w+")
        case.addCleanup(self.end)
        self.up(groups)
        self.tessera("ingest", "--url", self.url, "--key", self.key, self.write("zephyr.txt", DOCUMENT))

    def write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def up(self, groups=None, **move):
        wanted = ("--topology", self.write("wanted.yaml", topology(groups, **move))) if groups else ()
        self.process = subprocess.Popen(
            [BIN, "up", "--data", self.data, "--http", f"127.0.0.1:{self.port}", "--config", self.config,
             *self.options, *wanted],
            env=self.env, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 120 * SLOWNESS
        while self.ask("/health/ready") != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no server (exit code {self.process.poll()}):\n{self.said()}")
            time.sleep(0.05)  # polls a process of another program; there is no event to wait for
        with open(os.path.join(self.data, "owner.key")) as file:
            self.key = file.read().strip()

    def ask(self, path):
        import urllib.error
        import urllib.request
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def sign_in(self):
        """The cookie of a browser."""
        import urllib.request
        request = urllib.request.Request(self.url + "/api/v1/session", json.dumps({"key": self.key}).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.headers["set-cookie"].split(";")[0]

    def upload(self, name):
        """The status of an upload of a small file."""
        import urllib.error
        import urllib.request
        mark = "----part"
        body = (f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
                f"Content-Type: text/plain\r\n\r\n{name} says that the boiler was cleaned.\r\n--{mark}--\r\n")
        request = urllib.request.Request(
            self.url + "/api/v1/collections/default/documents", body.encode(),
            {"Content-Type": f"multipart/form-data; boundary={mark}", "Authorization": f"Bearer {self.key}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def signed_in(self, cookie):
        """The status of a request that carries it."""
        import urllib.request
        request = urllib.request.Request(self.url + "/api/v1/collections", headers={"Cookie": cookie})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status

    def tessera(self, *words, codes=(0,), timeout=600):
        done = subprocess.run([BIN, *words], env=self.env, cwd=self.root, capture_output=True, text=True,
                              timeout=timeout * SLOWNESS)
        self.case.assertIn(done.returncode, codes, f"{words}\n{done.stdout}\n{done.stderr}\n{self.said()[-3000:]}")
        return done

    def begin_load(self, rate, streams, seconds, csv=""):
        self.loads += 1
        self.load = Program("move_load", self.url, self.key, f"run{self.loads}", rate, streams, seconds, csv)
        self.case.addCleanup(self.load.kill)
        self.case.assertEqual(self.load.line(), "ready")

    def end_load(self):
        load, self.load = self.load, None
        return json.loads(load.end())

    def engine_stats(self):
        import urllib.request
        with urllib.request.urlopen(f"http://127.0.0.1:{self.engine_port}/stats", timeout=30) as reply:
            return json.load(reply)

    def status(self):
        return json.loads(self.tessera("topology", "status", "--data", self.data, "--json").stdout)

    def start_apply(self, groups, **move):
        path = self.write("next.yaml", topology(groups, **move))
        return subprocess.Popen([BIN, "topology", "apply", path, "--data", self.data, "--json"], env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def apply(self, groups, **move):
        """(exit code, the move)."""
        path = self.write("next.yaml", topology(groups, **move))
        done = self.tessera("topology", "apply", path, "--data", self.data, "--json",
                            codes=(MOVED, REFUSED, ROLLED_BACK), timeout=900)
        self.case.assertNotEqual(done.returncode, REFUSED, done.stderr)
        return done.returncode, json.loads(done.stdout)

    def check_serves(self, groups):
        """What runs is what `groups` says, and nothing else."""
        status = self.status()
        root = next(name for name, group in groups.items() if "gateway" in group["services"])
        shown = {view["name"]: view for view in status["groups"]}
        self.case.assertEqual(set(shown), set(groups), status)
        pids = set()
        for name, group in groups.items():
            view = shown[name]
            self.case.assertEqual(len(view["processes"]), group.get("replicas", 1), status)
            for process in view["processes"]:
                has = sorted(one["service"] for one in process.get("instances", ()) if one["state"] == "serving")
                wants = sorted(set(group["services"]) - {"gateway"})
                self.case.assertEqual(has, wants, status)
                if name != root:
                    pids.add(process["pid"])
        deadline = time.monotonic() + 10 * SLOWNESS
        while serving_processes(self.data) != pids and time.monotonic() < deadline:
            time.sleep(0.05)
        self.case.assertEqual(serving_processes(self.data), pids, "processes that no topology has")
        return status

    def said(self):
        self.log.flush()
        with open(self.log.name) as file:
            return file.read()

    def stop(self):
        """As an operator would; no process of it is left."""
        self.process.send_signal(signal.SIGTERM)
        self.case.assertEqual(self.process.wait(90 * SLOWNESS), 0, self.said()[-3000:])
        self.case.assertEqual(platform_processes(self.data), set())

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 5 * SLOWNESS
        while platform_processes(self.data) and time.monotonic() < deadline:
            time.sleep(0.05)
        said = self.said()
        self.log.close()
        if reports(said):
            raise AssertionError(said)
