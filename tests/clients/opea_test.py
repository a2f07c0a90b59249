"""A plain OPEA client (no key, as OPEA's own send none) against the program: ingest, retrieve, answer, stream, errors."""
import json
import unittest
import urllib.error
import urllib.request
import uuid

from tessera_server import PASSAGE, SLOWNESS, Server

HARBOUR = "The harbour of Ostrow is dredged every March, when the ice has gone."


def setUpModule():
    global server
    server = Server("--no-auth")
    server.ingest()


def tearDownModule():
    status = server.stop()
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")


def post(path, body, headers=None, raw=None):
    data = raw if raw is not None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data,
                                     {"Content-Type": "application/json", "Authorization": "Bearer None", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=120 * SLOWNESS) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def stream_text(body):
    """What an OPEA front end makes of a stream: the b'…' of each data line, decoded, until [DONE]."""
    text, done = b"", False
    for line in body.splitlines():
        if line == "data: [DONE]":
            done = True
        elif line.startswith("data: b"):
            text += eval(line[len("data: "):], {"__builtins__": {}})  # OPEA's format is a Python bytes literal
    return text.decode(), done


class Opea(unittest.TestCase):
    def test_ingest(self):
        boundary = uuid.uuid4().hex
        raw = (f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="harbour.txt"\r\n'
               f"Content-Type: text/plain\r\n\r\n{HARBOUR}\r\n--{boundary}--\r\n").encode()
        status, _, body = post("/v1/dataprep/ingest", None, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, raw)
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body)["status"], 200)
        status, _, body = post("/v1/chatqna", {"messages": "When is the harbour dredged?", "stream": False})
        self.assertEqual(status, 200, body)
        self.assertIn("March", json.loads(body)["choices"][0]["message"]["content"])
        status, _, body = post("/v1/dataprep/get", {})
        self.assertEqual(status, 200, body)
        self.assertIn("harbour.txt", body)

    def test_chatqna_stream(self):
        status, headers, body = post("/v1/chatqna", {"messages": "Who designed the Zephyr engine?"})
        self.assertEqual(status, 200, body)
        self.assertTrue(headers["Content-Type"].startswith("text/event-stream"))
        text, done = stream_text(body)
        self.assertIn("Kowalska", text)
        self.assertTrue(done, body)

    def test_chatqna_whole(self):
        status, _, body = post("/v1/chatqna", {"messages": "At what pressure does the boiler work?", "stream": False})
        self.assertEqual(status, 200, body)
        self.assertIn("12 bar", json.loads(body)["choices"][0]["message"]["content"])

    def test_components(self):
        status, _, body = post("/v1/embeddings", {"input": "boiler"})
        self.assertEqual(status, 200, body)
        vector = json.loads(body)["data"][0]["embedding"]
        status, _, body = post("/v1/retrieval", {"text": "boiler", "embedding": vector})
        self.assertEqual(status, 200, body)
        self.assertIn("12 bar", json.dumps(json.loads(body)["retrieved_docs"]))

    def test_docsum(self):
        status, _, body = post("/v1/docsum", {"type": "text", "messages": PASSAGE, "max_tokens": 32, "stream": False})
        self.assertEqual(status, 200, body)

    def test_errors_say_what_and_where(self):
        for raw, words in ((b"{", "json"), (b'{"messages": 5}', "messages"), (b'{}', "messages")):
            status, headers, body = post("/v1/chatqna", None, raw=raw)
            self.assertGreaterEqual(status, 400)
            self.assertLess(status, 500)
            self.assertIn("json", headers["Content-Type"])
            json.loads(body)
            self.assertIn(words, body.lower())


if __name__ == "__main__":
    unittest.main()
