#!/usr/bin/env python3
"""Records in a real OpenSearch and a real Elasticsearch: by the shipped template, whole, once, and found by their trace."""
import json
import os
import sys
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from log_platform import ROOT, Platform, name_of, wait_until  # noqa: E402
from search_servers import Elasticsearch, OpenSearch  # noqa: E402

ASSETS = os.path.join(ROOT, "deploy", "observability", "logs")
STREAM = "logs-tessera-default"


def fields_of(properties, prefix=""):
    for name, what in properties.items():
        if "properties" in what:
            yield from fields_of(what["properties"], prefix + name + ".")
        else:
            yield prefix + name, what["type"]


def names_in(document, prefix=""):
    for name, value in document.items():
        if isinstance(value, dict):
            yield from names_in(value, prefix + name + ".")
        else:
            yield prefix + name


class Search(unittest.TestCase):
    def call(self, method, path, body=None):
        request = urllib.request.Request(self.server.url + path, method=method)
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def put(self, path, name, change=None):
        with open(os.path.join(ASSETS, name), encoding="utf-8") as file:
            asset = json.load(file)
        if change:
            change(asset)
        self.assertTrue(self.call("PUT", path, asset)["acknowledged"])
        return asset

    def documents(self, query="*"):
        self.call("POST", f"/{STREAM}/_refresh")
        found = self.call("GET", f"/{STREAM}/_search?size=10000&q={urllib.request.quote(query)}")
        return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}

    def records_arrive(self, template):
        config = ("logs:\n  per_second: 0\n  elasticsearch:\n    url: %s\n    sending: {delay: 100ms, retry_min: 100ms, retry_max: 1s}\n"
                  % self.server.url)
        platform = Platform(self, config, topology="each.yaml", options=("--log-level", "debug")).start()
        platform.ingest()
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        platform.command("logs", "level", "error")
        records = {name_of(r): r for r in platform.logs(limit=10000)["records"]}
        self.assertGreater(len(records), 50)

        def arrived():
            try:
                return set(records) <= set(self.documents())
            except urllib.error.HTTPError:
                return False  # the stream is not there yet
        self.assertTrue(wait_until(arrived, 60, 0.5))
        by_trace = self.documents(f"trace.id:{trace}")
        self.assertEqual(set(by_trace), {name for name, r in records.items() if r["trace_id"] == trace})
        self.assertGreaterEqual(len({d["service.node.name"] for d in by_trace.values()}), 3)
        streams = self.call("GET", f"/_data_stream/{STREAM}")["data_streams"]
        self.assertEqual(streams[0]["template"], "logs-tessera")

        # The mapping is the template's, and every field of every document is in it.
        mappings = self.call("GET", f"/{STREAM}/_mapping")
        actual = dict(fields_of(next(iter(mappings.values()))["mappings"]["properties"]))
        wanted = dict(fields_of(template["template"]["mappings"]["properties"]))
        wanted.pop("labels", None)
        grown = {name: kind for name, kind in actual.items() if name not in wanted}
        self.assertEqual({name: actual.get(name) for name in wanted}, wanted)
        self.assertTrue(all(name.startswith("labels.") and kind == "keyword" for name, kind in grown.items()), grown)
        for document in self.documents().values():
            self.assertLessEqual(set(names_in(document)), set(actual))
        self.assertEqual(platform.metric("tessera_log_dropped_total", where="elasticsearch_rejected"), 0)
        platform.stop()


class InOpenSearch(Search):
    def test_records_match_the_template_and_are_found_by_trace(self):
        self.server = OpenSearch(self)
        self.records_arrive(self.put("/_index_template/logs-tessera", "opensearch-index-template.json"))


class InElasticsearch(Search):
    def test_records_match_the_template_and_are_found_by_trace(self):
        self.server = Elasticsearch(self)

        def without_lifecycle(asset):
            asset["template"]["settings"]["index"].pop("lifecycle")  # this distribution has no x-pack
        self.records_arrive(self.put("/_index_template/logs-tessera", "elasticsearch-index-template.json", without_lifecycle))


if __name__ == "__main__":
    unittest.main()
