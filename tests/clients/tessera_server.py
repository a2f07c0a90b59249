"""The real program on a free port with a data folder of its own, for the client tests."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import topology_options  # noqa: E402

SLOWNESS = float(os.environ.get("TESSERA_TEST_SLOWNESS", "1"))  # of a program that a sanitizer watches
PASSAGE = """The Zephyr engine

The Zephyr engine was designed in 1987 by Ada Kowalska in Gdansk. Its boiler holds 400 litres of water and works at a
pressure of 12 bar. The last engine left the works in 1994.

Maintenance

The valves are greased with tallow every second Tuesday. A worn gasket shows as a whistling sound above 9 bar.
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, *options):
        self.program = os.environ["TESSERA_BIN"]
        self.data = tempfile.mkdtemp(prefix="tessera-clients-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(self.data, "..", os.path.basename(self.data) + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([self.program, "up", "--data", self.data, "--http", f"127.0.0.1:{self.port}",
                                         *topology_options(), *options], stdout=self.log, stderr=subprocess.STDOUT)
        self._wait()
        self.key = None
        if "--no-auth" not in options:
            with open(os.path.join(self.data, "owner.key"), encoding="utf-8") as file:
                self.key = file.read().strip()

    def _wait(self):
        until = time.monotonic() + 90 * SLOWNESS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.url + "/health/ready", timeout=5) as reply:
                    if reply.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        raise RuntimeError("the program is not ready:\n" + self.log.read())

    def ingest(self, name="zephyr.txt", text=PASSAGE):
        """Through the command line, as the README does."""
        folder = tempfile.mkdtemp(prefix="tessera-documents-")
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        key = ["--key", self.key] if self.key else []
        done = subprocess.run([self.program, "ingest", "--url", self.url, *key, path], capture_output=True, text=True, timeout=120 * SLOWNESS)
        shutil.rmtree(folder)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)

    def stop(self):
        """Ends it as an operator would; the exit status, 0 when it drained."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60 * SLOWNESS)
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        os.unlink(self.log.name)
        shutil.rmtree(self.data, ignore_errors=True)
        if any(word in said for word in ("Sanitizer", "runtime error:")):
            raise RuntimeError(said)
        return status
