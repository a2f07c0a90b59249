"""Looks whether a server holds what its ledger says: everything acknowledged, whole, once, findable by word and vector."""
import json
import re
import time
import urllib.parse

from clients import Wrong
from ledger import ABSENT


def expect(true, *said):
    if not true:
        raise Wrong(" ".join(str(part) for part in said))


def wait_for_jobs(api, ledger, seconds=180):
    """Every job ends; those that were promised without a fault."""
    deadline = time.monotonic() + seconds
    while True:
        jobs = api.json("GET", "/api/v1/jobs?limit=1000").get("jobs", [])
        open_jobs = [job for job in jobs if job["state"] in ("queued", "running")]
        if not open_jobs:
            break
        expect(time.monotonic() < deadline, "jobs do not end:", open_jobs)
        time.sleep(0.02)  # another program's progress
    for id, may_fail in ledger.jobs.items():
        job = api.job(id)
        expect(job["state"] == "done", "a promised job is", job["state"], job)
        expect(may_fail or job.get("failed", 0) == 0, "a promised job has failures:", job)
    ledger.jobs.clear()


def check_lists(api, ledger):
    """Collections and documents are what was acknowledged; returns what is there: place -> document."""
    listed = [collection["name"] for collection in api.json("GET", "/api/v1/collections").get("collections", [])]
    expect(len(listed) == len(set(listed)), "a collection twice:", listed)
    for name, states in ledger.collections.items():
        state = True if name in listed else ABSENT
        expect(state in states, "collection", name, "is", state, "may be", states)
        ledger.collections[name] = {state}
    present = {}
    for collection in listed:
        documents = api.documents(collection)
        for document in documents:
            place = (collection, document["name"])
            expect(place not in present, "twice:", place)
            expect(place in ledger.documents, "nobody wrote", place)
            present[place] = document
        counted = api.json("GET", f"/api/v1/collections/{collection}")
        expect(counted.get("documents", 0) == len(documents), "the count of", collection, "is wrong:", counted)
    for place, states in ledger.documents.items():
        document = present.get(place)
        state = next((state for state in states if state is not ABSENT and document
                      and state[0].sha256 == document["sha256"]), ABSENT)
        expect((document is None) == (state is ABSENT), place, "has bytes that nobody wrote")
        if state not in states:
            raise Wrong(f"lost, or came back: {place} is {'there' if document else 'absent'}; possible was "
                        f"{['absent' if s is ABSENT else s[0].sha256 for s in states]}")
        ledger.found(place, state)
    files = {file["id"] for file in api.json("GET", "/v1/files")["data"]}
    expect(files == {document["id"] for place, document in present.items() if place[0] == "files"}, "/v1/files differs")
    return present


def check_documents(api, ledger, documents):
    """`documents`: place -> document. Whole, with their originals, their texts once and in order, found by word."""
    chunks = {}
    for place, document in documents.items():
        file, text = next(iter(ledger.documents[place]))
        status, original = api.call("GET", f"/api/v1/documents/{document['id']}/original")
        expect(status == 200 and original == file.content, place, "original differs", status)
        chunks[place] = chunks_of(api, place, document)
        marks = re.findall(rf"mark\d+of{text.word}", " ".join(chunk["text"] for chunk in chunks[place]))
        expect(marks == text.marks, place, "is half or double:", marks, "of", len(text.marks))
        hits = search(api, place[0], query=text.word, mode="bm25", limit=200)
        expect(hits and all(hit["document"]["name"] == place[1] for hit in hits), place, "is not found by", text.word)
    return chunks


def chunks_of(api, place, document):
    chunks, total = [], 1
    while len(chunks) < total:
        page = api.json("GET", f"/api/v1/documents/{document['id']}/chunks?first={len(chunks)}&limit=1000")
        expect(page.get("chunks"), place, "has", len(chunks), "of", total, "passages")
        chunks += page["chunks"]
        total = page["total"]
    expect(total == document["chunks"], place, "has", total, "passages, says", document["chunks"])
    expect([chunk.get("ordinal", 0) for chunk in chunks] == list(range(total)), place, "ordinals", chunks)
    return chunks


def check_vectors(api, chunks):
    """Every passage of these documents is found by its vector, which is that of its text."""
    places = list(chunks)
    texts = [chunks[place][0]["text"] for place in places]
    vectors = []
    for at in range(0, len(texts), 64):
        reply = api.json("POST", "/v1/embeddings", {"model": "minilm", "input": texts[at:at + 64]})
        vectors += [item["embedding"] for item in reply["data"]]
    for place, vector in zip(places, vectors):
        only = {"comparison": {"key": "name", "op": "eq", "values": [place[1]]}}
        hits = search(api, place[0], mode="vector", vector=vector, filter=only, limit=200)
        found = sorted(hit["chunk"].get("ordinal", 0) for hit in hits)
        expect(found == list(range(min(len(chunks[place]), 200))), place, "by vector: passages", found)
        nearest = max(hits, key=lambda hit: hit["cosine"])
        expect(nearest["cosine"] > 0.6, place, "has a wrong vector:", nearest["cosine"])


def search(api, collection, **request):
    return api.json("POST", f"/api/v1/collections/{urllib.parse.quote(collection)}/search", request).get("hits", [])


def check_deleted_words(api, ledger, random):
    """What was deleted or replaced is not found any more."""
    live = {name for name, states in ledger.collections.items() if states == {True}} | {"default", "files", "opea"}
    words = [(collection, word) for collection, word in ledger.deleted_words if collection in live]
    listed = {collection["name"] for collection in api.json("GET", "/api/v1/collections").get("collections", [])}
    for collection, word in random.sample(words, min(10, len(words))):
        if collection in listed:
            hits = search(api, collection, query=word, mode="bm25")
            expect(not hits, "deleted, yet found:", word, json.dumps(hits)[:300])
