"""A tessera of the release build, started and ended for a benchmark."""
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "tessera"
SECONDS_MAX = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`tessera up` on a data folder while the context lasts; `seconds`: from start to ready."""

    def __init__(self, folder, *options, environment=None):
        self.environment = os.environ | (environment or {})
        self.folder = pathlib.Path(folder)
        self.options = options
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        begin = time.perf_counter()
        self.process = subprocess.Popen([BIN, "up", "--data", self.folder, "--http", f"127.0.0.1:{self.port}",
                                         *self.options],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        end = time.monotonic() + SECONDS_MAX
        while not self.ready():
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise RuntimeError("the server did not become ready")
            time.sleep(0.005)
        self.seconds = time.perf_counter() - begin
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS_MAX)

    def ready(self):
        try:
            with urllib.request.urlopen(self.url + "/health/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def key(self):
        return (self.folder / "owner.key").read_text().strip()
