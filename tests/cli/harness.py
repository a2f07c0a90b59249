"""Runs the tessera binary for the tests in this folder."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

SLOWNESS = float(os.environ.get("TESSERA_TEST_SLOWNESS", "1"))  # of a program that a sanitizer watches
BIN = os.environ.get("TESSERA_BIN") or os.path.join(os.path.dirname(__file__), "../../build/release/tessera")


def topology_options():
    """Of `tessera up`: the topology in the file that TESSERA_TEST_TOPOLOGY names; none: as it comes."""
    file = os.environ.get("TESSERA_TEST_TOPOLOGY")
    return ["--topology", file] if file else []


def reports(said):
    """True when a sanitizer has found something in the program or in a child of it."""
    return any(word in said for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"))


def kept_environment():
    """What the program and its sanitizers take from the caller's environment."""
    keep = ("PATH", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "LANG", "TBB_ENABLE_SANITIZERS")
    return {k: v for k, v in os.environ.items()
            if k in keep or k.startswith("TESSERA_TEST") or k.endswith("SAN_OPTIONS")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Case(unittest.TestCase):
    """A temporary folder, and nothing of the caller's own configuration."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="tessera-cli-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.env = kept_environment()
        self.env |= {"HOME": self.root, "XDG_DATA_HOME": self.root, "COLUMNS": "100"}
        self.env.setdefault("XDG_CACHE_HOME", os.path.join(os.path.expanduser("~"), ".cache"))

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode) as file:
            file.write(text)
        return path

    def tessera(self, *words, code=0, input=None, timeout=300):
        """Runs it to its end; checks the exit code; gives (stdout, stderr)."""
        done = subprocess.run([BIN, *words], env=self.env, cwd=self.root, input=input, capture_output=True, text=True,
                              timeout=timeout * SLOWNESS)
        self.assertFalse(reports(done.stderr), done.stderr)
        self.assertEqual(done.returncode, code, f"{words}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        return done.stdout, done.stderr

    def tessera_json(self, *words, code=0):
        return json.loads(self.tessera(*words, "--json", code=code)[0])

    def start(self, data, *options, port=None):
        server = Server(self, data, port or free_port(), options)
        self.addCleanup(server.end)
        return server


def memory_bytes(pid):
    """What it holds itself, without the pages of files that are mapped."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))


class Server:
    """A running `tessera up`."""

    def __init__(self, case, data, port, options, wait=True):
        self.data, self.port, self.url = data, port, f"http://127.0.0.1:{port}"
        self.log = open(os.path.join(case.root, f"server-{port}.log"), "w+")
        self.process = subprocess.Popen([BIN, "up", "--data", data, "--http", f"127.0.0.1:{port}",
                                         *topology_options(), *options],
                                        env=case.env, cwd=case.root, stdout=self.log, stderr=self.log)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + 120 * SLOWNESS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no server (exit code {self.process.poll()}):\n{self.said()}")
            time.sleep(0.05)  # polls a process of another program; there is no event to wait for

    def ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def said(self):
        self.log.flush()
        with open(self.log.name) as file:
            return file.read()

    def key(self):
        with open(os.path.join(self.data, "owner.key")) as file:
            return file.read().strip()

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(timeout=60 * SLOWNESS)

    def end(self):
        """At the end of a test: it drains when told, and has had no accident."""
        try:
            if self.process.poll() is None and self.stop() != 0:
                raise AssertionError(f"exit code {self.process.returncode} after SIGTERM:\n{self.said()}")
            if reports(self.said()):
                raise AssertionError(self.said())
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
