"""A plain OPEA client (no key, as OPEA's own send none) against the program: ingest, retrieve, answer, stream, errors."""
import io
import json
import unittest
import urllib.error
import urllib.request
import uuid
import zipfile
from urllib.parse import urlencode

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


def post_form(path, fields, files):
    boundary = uuid.uuid4().hex
    raw = b""
    for name, value in fields.items():
        raw += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, content in files:
        raw += (f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
                f"Content-Type: application/octet-stream\r\n\r\n").encode() + content + b"\r\n"
    raw += f"--{boundary}--\r\n".encode()
    return post(path, None, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, raw)


def docx(text):
    """The least that is a Word file."""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                               '<Default Extension="xml" ContentType="application/xml"/>'
                               '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                               '<Override PartName="/word/document.xml" ContentType='
                               '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
                       'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
                       'Target="word/document.xml"/></Relationships>',
        "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
                             f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>",
    }
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return memory.getvalue()


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
        status, _, body = post_form("/v1/dataprep/ingest", {}, [("harbour.txt", HARBOUR.encode())])
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

    def test_docsum_form(self):
        """As OPEA's front ends and its documented curl calls send it: multipart with files, every field a text."""
        fields = {"type": "text", "messages": "", "max_tokens": "24", "language": "en", "summary_type": "auto"}
        files = [("harbour.txt", HARBOUR.encode()), ("page.html", f"<h1>Harbour</h1><p>{HARBOUR}</p>".encode()),
                 ("letter.docx", docx("The pier was built in 1911."))]
        status, headers, body = post_form("/v1/docsum", fields | {"stream": "True"}, files)
        self.assertEqual(status, 200, body)
        self.assertTrue(headers["Content-Type"].startswith("text/event-stream"))
        text, done = stream_text(body)
        self.assertTrue(done and text.strip(), body)
        for line in body.splitlines():
            self.assertRegex(line, r"""^(|data: \[DONE\]|data: b('.*'|".*"))$""")
        status, headers, body = post_form("/v1/docsum", fields | {"stream": "false"}, files)
        self.assertEqual(status, 200, body)
        reply = json.loads(body)
        self.assertEqual((reply["object"], reply["model"]), ("chat.completion", "docsum"))
        self.assertTrue(reply["choices"][0]["message"]["content"].strip())
        # What is read is the text of the files: the same words as JSON give the same prompt.
        status, _, as_json = post("/v1/docsum", {"messages": "The pier was built in 1911.", "stream": False, "max_tokens": 4})
        self.assertEqual(status, 200, as_json)
        status, _, as_file = post_form("/v1/docsum", {"stream": "False", "max_tokens": "4"},
                                       [("letter.docx", docx("The pier was built in 1911."))])
        self.assertEqual(status, 200, as_file)
        self.assertEqual(json.loads(as_file)["usage"]["prompt_tokens"], json.loads(as_json)["usage"]["prompt_tokens"])

    def test_docsum_urlencoded(self):
        raw = urlencode({"type": "text", "messages": PASSAGE, "max_tokens": "16", "stream": "False"}).encode()
        for path in ("/v1/docsum", "/v1/faqgen"):
            status, _, body = post(path, None, {"Content-Type": "application/x-www-form-urlencoded"}, raw)
            self.assertEqual(status, 200, body)
            self.assertTrue(json.loads(body)["choices"][0]["message"]["content"].strip())

    def test_docsum_form_errors(self):
        file = [("a.txt", b"Some text.")]
        cases = (({"type": "video"}, file, 422, "transcribe"), ({"type": "audio"}, file, 422, "transcribe"),
                 ({}, [("song.mp3", b"ID3\x03\x00\x00\x00\x00\x00\x20" + bytes(64))], 422, "song.mp3"),
                 ({"max_tokens": "many"}, file, 422, "max_tokens"), ({"summary_typ": "auto"}, file, 422, "summary_type"),
                 ({"messages": ""}, [], 422, "messages"))
        for fields, files, wanted, words in cases:
            status, headers, body = post_form("/v1/docsum", {"stream": "False"} | fields, files)
            self.assertEqual(status, wanted, body)
            self.assertIn("json", headers["Content-Type"])
            self.assertIn(words, body)
            self.assertIn("loc", json.loads(body)["detail"][0])
        status, _, body = post_form("/v1/chatqna", {"messages": "What?"}, [])
        self.assertEqual(status, 415, body)  # OPEA's ChatQnA takes JSON alone too

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
