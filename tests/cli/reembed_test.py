#!/usr/bin/env python3
"""A collection moves to another embedder, on the real program: through the command line and HTTP, and over a crash."""
import hashlib
import http.server
import json
import signal
import threading
import unittest
import urllib.request

from harness import Case

DIMENSION = 8  # not minilm's: vectors of the two cannot be taken for one another


class Embedder(http.server.ThreadingHTTPServer):
    """An OpenAI-compatible server of embeddings: words hashed into a few numbers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.texts = 0
        self.hold = threading.Event()  # while it is clear, calls wait
        self.hold.set()
        self.called = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.called.set()
        self.server.hold.wait(60)
        self.server.texts += len(body["input"])
        data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
        reply = json.dumps({"object": "list", "data": data, "model": body["model"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


def vector(text):
    numbers = [0.01] * DIMENSION
    for word in text.lower().split():
        numbers[hashlib.sha256(word.encode()).digest()[0] % DIMENSION] += 1.0
    return numbers


class Reembed(Case):
    def setUp(self):
        super().setUp()
        self.embedder = Embedder()
        self.addCleanup(self.embedder.shutdown)
        self.addCleanup(self.embedder.hold.set)
        self.data = self.path("data")
        self.write("docs/lease.md", "# Lease\n\nThe notice period is six weeks to the end of a quarter.\n")
        self.write("docs/tides.md", "# Tides\n\nHigh water at the pier comes forty minutes after the lighthouse.\n")
        config = self.write("tessera.yaml", f"""
services:
  inference:
    embedder: words
    models:
      words:
        kind: embedder
        base_url: {self.embedder.url}
        dimension: {DIMENSION}
        context_tokens: 512
""")
        self.config = ("--config", config)

    def embedder_of(self, *target):
        found = self.tessera_json("collections", "list", *target)["collections"]
        return {one["name"]: one["embedder"] for one in found}["default"]

    def search(self, *target):
        hits = self.tessera_json("search", "how long is the notice period", *target)["hits"]
        return hits[0]["document"]

    def request(self, server, method, path, body=None):
        request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {server.key()}", "Content-Type": "application/json"},
                                         method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def last_event(self, server, job):
        request = urllib.request.Request(f"{server.url}/api/v1/jobs/{job}/events",
                                         headers={"Authorization": f"Bearer {server.key()}"})
        last = None
        with urllib.request.urlopen(request, timeout=120) as reply:
            for line in reply:
                if line.startswith(b"data: "):
                    last = json.loads(line[6:])
        return last

    def test_on_a_server(self):
        server = self.start(self.data)
        self.tessera("ingest", "--data", self.data, self.path("docs"))
        self.assertEqual(server.stop(), 0)

        server = self.start(self.data, *self.config)
        target = ("--url", server.url, "--key", server.key())
        # Another embedder is the default now; the collection keeps to its own.
        self.assertEqual(self.embedder_of(*target), "minilm")
        self.assertEqual(self.search(*target), "lease.md")
        self.assertEqual(self.embedder.texts, 0)
        # And what comes in is embedded by that, also before anybody has asked for it.
        self.assertEqual(server.stop(), 0)
        server = self.start(self.data, *self.config)
        target = ("--url", server.url, "--key", server.key())
        self.write("docs/pier.md", "# Pier\n\nThe pier was built in 1911.\n")
        self.assertEqual(self.tessera_json("ingest", self.path("docs"), *target)["chunks"], 1)
        self.assertEqual(self.embedder.texts, 0)

        # Held half-way: old vectors go on, the job says where it is, a crash loses nothing.
        self.embedder.hold.clear()
        job = self.request(server, "POST", "/api/v1/collections/default/reembed", {})
        self.assertEqual((job["kind"], job["embedder"], job["chunks_total"]), ("reembed", "words", 3))
        self.assertTrue(self.embedder.called.wait(60))
        self.assertEqual(self.search(*target), "lease.md")
        server.stop(signal.SIGKILL)
        self.embedder.hold.set()
        server = self.start(self.data, *self.config)
        target = ("--url", server.url, "--key", server.key())
        ended = self.last_event(server, job["id"])
        self.assertEqual((ended["state"], ended["failed"], ended["chunks"]), ("done", 0, 3), ended)
        self.assertEqual(self.embedder_of(*target), "words")
        self.assertEqual(self.search(*target), "lease.md")
        self.assertEqual(self.tessera_json("ingest", self.path("docs"), *target)["unchanged"], 3)

        err = self.tessera("collections", "reembed", "default", *target, code=1)[1]
        self.assertIn("already", err)
        err = self.tessera("collections", "reembed", "default", "--model", "nobody", *target, code=1)[1]
        self.assertIn("nobody", err)
        out = self.tessera("collections", "reembed", "default", "--model", "minilm", *target)[0]
        self.assertIn('"default" has new vectors: 3 chunks', out)
        self.assertEqual(self.embedder_of(*target), "minilm")
        self.assertEqual(self.search(*target), "lease.md")

    def test_without_a_server(self):
        """The command line on a data folder asks by the collection's own embedder, not by the default."""
        target = ("--data", self.data)
        self.tessera("ingest", *target, self.path("docs"))
        self.assertEqual(self.search(*target, *self.config), "lease.md")
        self.assertEqual(self.embedder.texts, 0)
        report = self.tessera_json("collections", "reembed", "default", *target, *self.config)
        self.assertEqual(report["chunks"], 2)
        self.assertEqual(self.embedder.texts, 2)
        self.assertEqual(self.search(*target, *self.config), "lease.md")
        # Without that embedder the collection says how to go on.
        err = self.tessera("search", "notice", *target, code=1)[1]
        self.assertIn("tessera collections reembed default", err)
        self.tessera("collections", "reembed", "default", *target)
        self.assertEqual(self.search(*target), "lease.md")


if __name__ == "__main__":
    unittest.main(verbosity=1)
