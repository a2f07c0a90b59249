#!/usr/bin/env python3
"""Asks the questions of a running server and prints how well and how fast it answers, one JSON object a line."""
import argparse
import json
import pathlib
import statistics
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))
from figure import figure  # noqa: E402

MODES = {"words": "bm25", "vectors": "vector", "hybrid": "hybrid"}


class Server:
    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def embed(self, text, model):
        return self.post("/v1/embeddings", {"model": model, "input": text})["data"][0]["embedding"]

    def search(self, collection, text, vector, mode):
        body = {"query": text, "vector": vector, "limit": 50, "mode": mode, "group_by_document": True}
        return self.post(f"/api/v1/collections/{collection}/search", body).get("hits", [])


def rank_of(hits, wanted):
    pages = list(dict.fromkeys(pathlib.PurePosixPath(hit["document"]["name"]).name for hit in hits))
    return next((i + 1 for i, page in enumerate(pages) if page in wanted), None)


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--url", required=True)
    parse.add_argument("--key", default="")
    parse.add_argument("--collection", default="default")
    parse.add_argument("--model", default="minilm")
    options = parse.parse_args()
    server = Server(options.url, options.key)
    questions = [json.loads(line) for line in (HERE / "postgresql_questions.jsonl").read_text().splitlines()]
    embed_ms = []
    for question in questions:
        start = time.perf_counter()
        question["vector"] = server.embed(question["question"], options.model)
        embed_ms.append(1000 * (time.perf_counter() - start))
    search_ms = []
    for name, mode in MODES.items():
        ranks = {"tune": [], "test": [], "all": []}
        for question in questions:
            start = time.perf_counter()
            hits = server.search(options.collection, question["question"], question["vector"], mode)
            if mode == "hybrid":
                search_ms.append(1000 * (time.perf_counter() - start))
            rank = rank_of(hits, question["files"])
            ranks[question["half"]].append(rank)
            ranks["all"].append(rank)
        for half, found in ranks.items():
            recall = sum(rank is not None and rank <= 5 for rank in found) / len(found)
            mrr = sum(1 / rank for rank in found if rank) / len(found)
            how = f"{len(found)} questions over the PostgreSQL manual, {half}"
            goals = (0.93, 0.80) if mode == "hybrid" else (None, None)
            figure(f"{name} recall@5, {half}", recall, "", goals[0] and f">= {goals[0]}", goals[0] and recall >= goals[0], how)
            figure(f"{name} MRR, {half}", mrr, "", goals[1] and f">= {goals[1]}", goals[1] and mrr >= goals[1], how)
    search_ms.sort()
    p99 = search_ms[int(0.99 * len(search_ms))]
    how = "POST …/search with the vector given, one client, HTTP and this script's JSON included"
    figure("search p50 over HTTP", statistics.median(search_ms), "ms", "<= 5", statistics.median(search_ms) <= 5, how)
    figure("search p99 over HTTP", p99, "ms", "<= 25", p99 <= 25, how)
    figure("embedding of a question p50", statistics.median(embed_ms), "ms", None, None, "POST /v1/embeddings")


if __name__ == "__main__":
    main()
