"""A platform whose log is looked at, and servers that take records from it, well or badly."""
import gzip
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "clients"))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from harness import memory_bytes  # noqa: E402, F401
from tessera_server import PASSAGE, SLOWNESS, free_port  # noqa: E402, F401


def wait_until(what, seconds=60, step=0.05):
    """The first true value of what(), or a failure after so long."""
    until = time.monotonic() + seconds * SLOWNESS
    while True:
        value = what()
        if value or time.monotonic() > until:
            return value
        time.sleep(step)


class Platform:
    """`tessera up` on a folder that outlives it; one may be started on it again."""

    def __init__(self, case, config="", topology=None, options=(), environment=None):
        self.case = case
        folder = tempfile.TemporaryDirectory(prefix="tessera-logs-")
        case.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "tessera.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.topology = topology
        self.options = options
        self.environment = {**os.environ, **(environment or {})}
        self.output = os.path.join(self.folder, "output")
        self.process = None
        case.addCleanup(self.kill)

    def start(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [os.environ["TESSERA_BIN"], "up", "--data", self.data, "--config", self.config,
                   "--http", f"127.0.0.1:{self.port}", *self.options]
        if self.topology:
            command += ["--topology", os.path.join(ROOT, "deploy", "topologies", self.topology)]
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=self.environment)
        self.case.assertTrue(wait_until(self._ready, 120), self.said())
        with open(os.path.join(self.data, "owner.key"), encoding="utf-8") as file:
            self.key = file.read().strip()
        return self

    def _ready(self):
        self.case.assertIsNone(self.process.poll(), self.said())
        try:
            with urllib.request.urlopen(self.url + "/health/ready", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def said(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def request(self, path, body=None, headers=None, key=None):
        request = urllib.request.Request(self.url + path, headers={"Authorization": "Bearer " + (key or self.key), **(headers or {})})
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        return urllib.request.urlopen(request, timeout=60)

    def call(self, path, body=None, headers=None):
        with self.request(path, body, headers) as reply:
            return json.load(reply)

    def logs(self, **query):
        words = "&".join(f"{name}={urllib.request.quote(str(value))}" for name, value in query.items())
        return self.call("/admin/v1/logs?" + words)

    def all_logs(self):
        records, after = [], 0
        while True:
            reply = self.logs(limit=10000) if after == 0 else self.logs(limit=10000, after=after)
            records += reply["records"]
            if not reply["records"] or after == 0:
                return records
            after = reply["last"]

    def metric(self, name, **labels):
        with self.request("/metrics") as reply:
            lines = reply.read().decode().splitlines()
        total = 0.0
        for line in lines:
            if line.startswith(name) and line[len(name)] in "{ " and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def command(self, *words, code=0):
        done = subprocess.run([os.environ["TESSERA_BIN"], *words, "--data", self.data], capture_output=True, text=True,
                              timeout=60 * SLOWNESS, env=self.environment)
        self.case.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def ask(self, text="When was the Zephyr engine designed?", headers=None):
        return self.call("/v1/chat/completions", {"model": "rag", "messages": [{"role": "user", "content": text}],
                                                  "answer_mode": "extractive"}, headers)

    def ingest(self, text=PASSAGE, name="zephyr.txt"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.command("ingest", path)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.case.assertEqual(self.process.wait(60 * SLOWNESS), 0, self.said())

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Sink:
    """A server that takes _bulk bodies. `mode`: well, refusing (503), garbage, slow (a byte a second), some (each third item
    429 at first, each item of 7 for ever 400); stopped, nobody listens."""

    def __init__(self, case):
        self.port = free_port()
        self.mode = "well"
        self.lock = threading.Lock()
        self.documents = {}
        self.order = []
        self.rejected = set()
        self.refused_once = set()
        self.requests = 0
        self.problems = []
        self.server = None
        case.addCleanup(self.stop)
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                try:
                    sink.answer(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, handler, body):
        if self.server is None:  # a connection that was there before
            handler.close_connection = True
            return None
        with self.lock:
            self.requests += 1
            mode = self.mode
        if mode == "refusing":
            return self.send(handler, 503, b"busy")
        if mode == "garbage":
            return self.send(handler, 200, os.urandom(300))
        if mode == "slow":
            handler.send_response(200)
            handler.send_header("content-length", "1000")
            handler.end_headers()
            while self.mode == "slow":
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(1)
            handler.close_connection = True
            return None
        items = []
        lines = body.decode().splitlines()
        with self.lock:
            for action, document in zip(lines[::2], lines[1::2]):
                name = json.loads(action)["create"]["_id"]
                document = json.loads(document)
                status = 201
                if name in self.documents:
                    status = 409
                elif mode == "some" and document["event.sequence"] % 7 == 0:
                    status = 400
                    self.rejected.add(name)
                elif mode == "some" and document["event.sequence"] % 3 == 0 and name not in self.refused_once:
                    status = 429
                    self.refused_once.add(name)
                else:
                    self.documents[name] = document
                    self.order.append(name)
                items.append({"create": {"_id": name, "status": status, **({"error": {"type": "x", "reason": "y"}} if status in (400, 429) else {})}})
        return self.send(handler, 200, json.dumps({"took": 1, "errors": any(i["create"]["status"] > 299 for i in items), "items": items}).encode())

    @staticmethod
    def send(handler, status, body):
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def name_of(record):
    """The id under which a record of the admin API is sent."""
    return f"{record['epoch_us']:016x}-{record['pid']}-{record['number']}"
