"""A platform over a model server of the test's own, for the tests of traces."""
import contextlib
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from harness import SLOWNESS, Case, memory_bytes  # noqa: E402, F401

DIMENSION = 16
PLANTED_DOCUMENT = "zanzibarite"
PLANTED_PROMPT = "quokkanomicon"
DOCUMENT = f"The Zephyr engine was designed in 1987 by Ada Kowalska in Gdansk. It runs on {PLANTED_DOCUMENT}."
KEY_OF_UPSTREAM = "sk-planted-7f3a9c51d2"
TOPOLOGY = os.path.basename(os.environ.get("TESSERA_TEST_TOPOLOGY", ""))
# The process with the gateway, which is called as its group.
GATEWAY = {"each.yaml": "gateway", "three.yaml": "front", "replicas.yaml": "front"}.get(TOPOLOGY, "all")
TOKENS = ["Ada", " Kowalska", " designed", " it", "."]


def read_figures(text):
    """Prometheus text as (name, labels, value)."""
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        yield name, dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value)


class Models(http.server.ThreadingHTTPServer):
    """OpenAI's embeddings and chat, which notes what headers it was sent; `fails` makes chats answer 500, `breaks` cuts
    streams after the second token."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.seen = []
        self.fails = self.breaks = False
        self.pause = 0  # before each token
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def end(self):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if self.path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            self.reply(200, {"data": [{"index": i, "embedding": vector(text)} for i, text in enumerate(texts)]})
        elif self.server.fails:
            self.reply(500, {"error": {"message": "the model is on fire"}})
        elif body.get("stream"):
            with contextlib.suppress(BrokenPipeError):  # whoever asked has left
                self.stream()
        else:
            time.sleep(self.server.pause * len(TOKENS))
            self.reply(200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(TOKENS)},
                                          "finish_reason": "stop"}],
                             "usage": {"prompt_tokens": 20, "completion_tokens": len(TOKENS), "total_tokens": 25}})

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for token in TOKENS[:2] if self.server.breaks else TOKENS:
            time.sleep(self.server.pause)
            self.event({"choices": [{"index": 0, "delta": {"content": token}}]})
        if self.server.breaks:
            return
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 20, "completion_tokens": len(TOKENS), "total_tokens": 25}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, value):
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")


def vector(text):
    found = [0.01] * DIMENSION
    for word in re.findall(r"[a-z]+", text.lower()):
        found[sum(word.encode()) % DIMENSION] += 1
    return found


CONFIG = """
services:
  inference:
    language_model: paced
    embedder: vectors
    models:
      paced: {{base_url: "http://127.0.0.1:{port}/v1", key: "${{file:{key}}}"}}
      vectors: {{kind: embedder, base_url: "http://127.0.0.1:{port}/v1", dimension: {dimension}, key: "${{file:{key}}}"}}
"""


class TraceCase(Case):
    def setUp(self):
        super().setUp()
        self.models = Models()
        self.addCleanup(self.models.end)
        key = self.write("upstream.key", KEY_OF_UPSTREAM)
        os.chmod(key, 0o600)
        self.config = self.write("tessera.yaml", CONFIG.format(port=self.models.server_address[1], key=key,
                                                               dimension=DIMENSION))
        self.data = self.path("data")

    def platform(self):
        server = self.start(self.data, "--config", self.config)
        self.write("zephyr.txt", DOCUMENT)
        self.tessera("ingest", "--data", self.data, self.path("zephyr.txt"))
        return server

    def ask(self, server, stream=False, headers=None, question=None):
        """(status, headers, text) of a chat over the documents."""
        body = {"model": "rag:default:paced", "stream": stream, "answer_mode": "generative",
                "messages": [{"role": "user", "content": question or f"Who designed the Zephyr {PLANTED_PROMPT} engine?"}]}
        return self.call(server, "/v1/chat/completions", body, headers)

    def request(self, server, path, body=None, headers=None):
        return urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode(),
                                      {"Content-Type": "application/json", "Authorization": f"Bearer {server.key()}",
                                       **(headers or {})})

    def open_stream(self, server):
        """A chat whose answer is not read yet."""
        body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": "Who?"}]}
        return urllib.request.urlopen(self.request(server, "/v1/chat/completions", body), timeout=60 * SLOWNESS)

    def call(self, server, path, body=None, headers=None):
        request = self.request(server, path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60 * SLOWNESS) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def check_processes(self, processes):
        """Those that a chat over documents runs through."""
        if TOPOLOGY == "each.yaml":
            self.assertEqual(len(processes), 4, processes)  # dataprep has no part in it
        elif TOPOLOGY:
            self.assertGreater(len(processes), 1, processes)
        else:
            self.assertEqual(processes, {GATEWAY})

    def trace(self, name, code=0):
        return self.tessera_json("trace", name, "--data", self.data, code=code)

    def check_tree(self, spans, parent):
        """All of one piece: every span but the first has its parent in the trace; gives names by id."""
        by_id = {span["id"]: span for span in spans}
        self.assertEqual(len(by_id), len(spans))
        roots = [span for span in spans if span.get("parent_id", "") not in by_id]
        self.assertEqual([root.get("parent_id", "") for root in roots], [parent], [span["name"] for span in roots])
        for span in spans:
            self.assertGreaterEqual(span["duration_ns"], 0)
        return by_id


def attributes(span):
    return {entry["key"]: next(entry[k] for k in ("text", "integer", "number", "flag") if k in entry)
            for entry in span.get("attributes", []) if len(entry) > 1}
