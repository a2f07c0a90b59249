"""Clients that write to a server until it dies, and note in a ledger what it acknowledged."""
import http.client
import json
import random
import threading
import time
import urllib.parse
import uuid

from documents import make_file
from ledger import ABSENT, gone, outcome_of, places_of

DIED = (OSError, http.client.HTTPException)  # what a request meets when its server is killed


class Wrong(Exception):
    """The server answered, but not as it must."""


class Api:
    """Requests to one server; a connection for each thread."""

    def __init__(self, port, key):
        self.port, self.key, self.kept = port, key, threading.local()

    def call(self, method, path, body=None, type="application/json", pieces=None, timeout=120):
        """(status, bytes). `pieces` sends the body in so many parts and calls the function with the fraction sent."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = getattr(self.kept, "connection", None)
        if connection is None:
            connection = self.kept.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, path)
            connection.putheader("Authorization", f"Bearer {self.key}")
            if body is not None:
                connection.putheader("Content-Type", type)
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            if body is not None and pieces is None:
                connection.send(body)
            elif body is not None:
                step = len(body) // 40 + 1
                for at in range(0, len(body), step):
                    connection.send(body[at:at + step])
                    pieces((at + step) / len(body))
            reply = connection.getresponse()
            return reply.status, reply.read()
        except BaseException:
            connection.close()
            self.kept.connection = None
            raise

    def close(self):
        """Of this thread's connection."""
        connection = getattr(self.kept, "connection", None)
        if connection is not None:
            connection.close()

    def json(self, method, path, body=None, **more):
        status, data = self.call(method, path, body, **more)
        if status not in (200, 201, 202):
            raise Wrong(f"{method} {path}: {status} {data.decode(errors='replace')[:500]}")
        return json.loads(data)

    def upload(self, path, files, field, fields=None, pieces=None):
        boundary = uuid.uuid4().hex
        body = b""
        for name, value in (fields or {}).items():
            body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for file in files:
            body += (f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{file.name}"\r\n'
                     "Content-Type: application/octet-stream\r\n\r\n").encode() + file.content + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        return self.json("POST", path, body, type=f"multipart/form-data; boundary={boundary}", pieces=pieces)

    def ingest(self, collection, files, pieces=None):
        return self.upload(f"/api/v1/collections/{collection}/documents", files, "files", pieces=pieces)["id"]

    def job(self, id):
        return self.json("GET", f"/api/v1/jobs/{id}")

    def documents(self, collection):
        token, found = "", []
        while True:
            query = urllib.parse.urlencode({"limit": 1000, "page_token": token})
            page = self.json("GET", f"/api/v1/collections/{collection}/documents?{query}")
            found += page.get("documents", [])
            token = page.get("next_page_token")
            if not token:
                return found

    def store_id(self, name):
        stores = self.json("GET", "/v1/vector_stores")["data"]
        return next(store["id"] for store in stores if store["name"] == name)


class Round:
    """One round's clients. `seen` holds the events that a killer waits for."""

    def __init__(self, number, seed, api, ledger):
        self.number, self.api, self.ledger = number, api, ledger
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.seen = {name: threading.Event() for name in ("sent", "accepted", "embedding", "committed", "deleted")}
        self.send_until = self.random.random()  # of the big upload, before "sent" is seen
        self.faults = []
        self.busy = {}
        self.threads = [threading.Thread(target=self.run, args=(work, random.Random(self.random.random())))
                        for work in (self.many_small, self.one_big, self.openai, self.opea, self.changes)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]

    def run(self, work, random):
        try:
            work(random)
        except DIED as died:
            if not self.over.is_set():
                self.over.wait(5)  # the killer says so a moment after it struck
                if not self.over.is_set():
                    self.faults.append(Wrong(f"{work.__name__}: {died!r} although the server lived"))
        except Exception as fault:
            self.faults.append(fault)
        finally:
            self.busy.pop(threading.get_ident(), None)

    def doing(self, what):
        self.busy[threading.get_ident()] = what

    # A job of many small files, then another.
    def many_small(self, random):
        for n in range(3):
            files = [make_file(random, f"r{self.number}-small{n}-{i}") for i in range(random.randint(3, 8))]
            self.ingest("default", files)

    # A file that takes long to send and to embed, alone in its job.
    def one_big(self, random):
        kind = random.choice(("pdf", "html"))
        file = make_file(random, f"r{self.number}-big", kind, paragraphs=60, ballast=1_500_000)

        def sent(fraction):
            if fraction >= self.send_until:
                self.seen["sent"].set()
            time.sleep(0.002)  # the network's pace, not a wait

        job = self.ingest("default", [file], sent)
        self.doing("watch")
        while True:
            now = self.api.job(job)
            if now.get("chunks", 0):
                self.seen["embedding"].set()
            if now["state"] not in ("queued", "running"):
                return
            time.sleep(0.01)  # another program's progress

    def ingest(self, collection, files, pieces=None):
        places = [place for file in files for place in places_of(collection, file)]
        self.ledger.ask(places, outcome_of(*files))
        self.doing("upload")
        job = self.api.ingest(collection, files, pieces)
        # A 202: the job and so its documents have to be there in the end, whatever happens.
        self.ledger.acknowledge(places, outcome_of(*files))
        self.ledger.promise(job)
        self.seen["accepted"].set()
        return job

    # Files as OpenAI has them: acknowledged when searchable; attached to a store, some deleted again.
    def openai(self, random):
        store = self.api.store_id("default")
        for n in range(4):
            file = make_file(random, f"r{self.number}-file{n}", random.choice(("txt", "md", "docx", "csv")))
            id = self.synchronous("files", file, lambda: self.api.upload("/v1/files", [file], "file", {"purpose": "assistants"}))["id"]
            self.seen["committed"].set()
            self.synchronous("default", file,
                             lambda: self.api.json("POST", f"/v1/vector_stores/{store}/files", {"file_id": id}))
            if n % 2:
                self.delete(places_of("files", file), lambda: self.api.json("DELETE", f"/v1/files/{id}"))

    def opea(self, random):
        for n in range(4):
            file = make_file(random, f"r{self.number}-opea{n}", random.choice(("txt", "html", "json")))
            self.synchronous("opea", file,
                             lambda: self.api.upload("/v1/dataprep/ingest", [file], "files", {"index_name": "opea"}))
            if n % 2:
                self.delete(places_of("opea", file), lambda: self.api.json(
                    "POST", "/v1/dataprep/delete", {"file_path": file.name, "index_name": "opea"}))

    def synchronous(self, collection, file, call):
        places = places_of(collection, file)
        self.ledger.ask(places, outcome_of(file))
        self.doing("ingest")
        reply = call()
        if reply.get("status") == "failed":
            raise Wrong(f"{file.name} failed: {reply}")
        self.ledger.acknowledge(places, outcome_of(file))
        return reply

    def delete(self, places, call):
        self.ledger.ask(places, gone)
        self.doing("delete")
        reply = call()
        self.ledger.acknowledge(places, gone)
        self.seen["deleted"].set()
        return reply

    # Collections come and go; documents of earlier rounds are replaced and deleted; one is deleted while its job runs.
    def changes(self, random):
        self.make_and_drop(random)
        self.delete_of_a_running_job(random)
        old = sorted((place, state) for place, state in self.ledger.certain("default").items()
                     if not place[1].startswith(f"r{self.number}-") and "big" not in place[1]
                     and place[1] == state[0].name and len(state[0].texts) == 1)
        chosen = random.sample(old, min(6, len(old)))
        ids = {document["name"]: document["id"] for document in self.api.documents("default")}
        for replaced, deleted in zip(chosen[::2], chosen[1::2]):
            stem, kind = replaced[1][0].name.rsplit(".", 1)
            self.ingest("default", [make_file(random, stem, kind)])
            id = ids[deleted[0][1]]
            self.delete([deleted[0]], lambda: self.api.json("DELETE", f"/api/v1/documents/{id}"))

    def make_and_drop(self, random):
        names = [f"c{self.number}-{n}" for n in range(3)]
        for name in names:
            self.ledger.ask_collection(name, True)
            self.doing("collection")
            self.api.json("POST", "/api/v1/collections", {"name": name})
            self.ledger.acknowledge_collection(name, True)
        # With a job that has much to do in it: it must not bring the collection back.
        files = [make_file(random, f"r{self.number}-drop{n}", "txt", 12) for n in range(6)]
        places = [place for file in files for place in places_of(names[0], file)]
        self.ledger.ask(places, outcome_of(*files))
        self.ledger.promise(self.api.ingest(names[0], files), may_fail=True)
        for name in names[:2]:
            self.ledger.ask_collection(name, ABSENT)
            self.ledger.ask(places if name == names[0] else [], gone)
            self.doing("collection")
            self.api.json("DELETE", f"/api/v1/collections/{name}")
            self.ledger.acknowledge_collection(name, ABSENT)
            self.ledger.acknowledge(places if name == names[0] else [], gone)
        self.seen["deleted"].set()

    def delete_of_a_running_job(self, random):
        files = [make_file(random, f"r{self.number}-run{n}", "txt", 3) for n in range(10)]
        job = self.ingest("default", files)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            now = self.api.job(job)
            done = [source for source in now.get("progress", []) if source.get("document_id")]
            if done:
                self.seen["committed"].set()
                one = random.choice(done)
                self.delete([("default", one["name"])],
                            lambda: self.api.json("DELETE", f"/api/v1/documents/{one['document_id']}"))
            if done or now["state"] not in ("queued", "running"):
                return
            time.sleep(0.005)  # another program's progress
