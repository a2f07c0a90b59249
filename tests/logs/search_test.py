#!/usr/bin/env python3
"""Records in a real OpenSearch and a real Elasticsearch: by the shipped template, whole, once, and found by their trace."""
import json
import os
import re
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from log_platform import ROOT, Platform, free_port, name_of, wait_until  # noqa: E402
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
        request = urllib.request.Request(self.server.url + path, method=method, headers=self.server.headers)
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace"))
            raise

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

    def records_arrive(self, template, access=""):
        config = ("logs:\n  per_second: 0\n  elasticsearch:\n    url: %s\n%s    sending: {delay: 100ms, retry_min: 100ms, retry_max: 1s}\n"
                  "services: {inference: {models: {away: {base_url: \"http://127.0.0.1:%d/v1\"}}}}\n" % (self.server.url, access, free_port()))
        platform = Platform(self, config, topology="each.yaml", options=("--log-level", "debug")).start()
        platform.ingest()
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        with self.assertRaises(urllib.error.HTTPError):  # the log has a warning for it
            platform.call("/v1/chat/completions", {"model": "away", "messages": [{"role": "user", "content": "Anyone?"}]})
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
        self.assertEqual(len(self.indices()), 1)

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


    def saved_objects_work(self, name):
        """What Kibana and Dashboards would ask for these objects is asked here: neither of the two is to be had."""
        with open(os.path.join(ASSETS, name), encoding="utf-8") as file:
            objects = {(o["type"], o["id"]): o for o in map(json.loads, file)}
        self.assertEqual(sorted(kind for kind, _ in objects), ["dashboard", "index-pattern", "search", "search", "visualization"])
        for saved in objects.values():
            references = {r["name"]: (r["type"], r["id"]) for r in saved["references"]}
            self.assertLessEqual(set(references.values()), set(objects), saved["id"])
            self.assertEqual(set(references), set(re.findall(r'RefName\\*": \\*"([\w.]+)', json.dumps(saved))), saved["id"])

        pattern = objects["index-pattern", "tessera-logs"]["attributes"]
        known = self.call("GET", f"/{pattern['title']}/_field_caps?fields=*")["fields"]
        self.assertEqual(list(known[pattern["timeFieldName"]]), ["date"])
        all_documents = len(self.documents())
        for (kind, name), saved in objects.items():
            if kind not in ("search", "visualization"):
                continue
            attributes = saved["attributes"]
            asked = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
            # Of KQL only what it shares with Lucene's words, but for their case, is in the objects.
            query = re.sub(r"\b(and|or|not)\b", lambda word: word[0].upper(), asked["query"]["query"]) or "*"
            self.assertLessEqual(set(re.findall(r"([\w.@]+):", query)), set(known), name)
            body = {"size": 0, "track_total_hits": True, "query": {"query_string": {"query": query}}}
            if kind == "search":
                for field in [*attributes["columns"], *(by for by, _ in attributes["sort"])]:
                    self.assertIn(field, known, name)
                body["sort"] = [{by: order} for by, order in attributes["sort"]]
            else:
                self.add_aggregations(body, json.loads(attributes["visState"])["aggs"])
            found = self.call("POST", f"/{pattern['title']}/_search", body)
            self.assertEqual(found["_shards"]["failed"], 0)
            total = found["hits"]["total"]["value"]
            self.assertGreater(total, 0, name)
            self.assertEqual(total == all_documents, query == "*", name)
            if kind == "visualization":
                times = found["aggregations"]["2"]["buckets"]
                self.assertEqual(sum(level["doc_count"] for time in times for level in time["3"]["buckets"]), total)

    @staticmethod
    def add_aggregations(body, wanted):
        inner = body
        for one in wanted:
            params = one["params"]
            if one["type"] == "date_histogram":
                how = {"date_histogram": {"field": params["field"], "fixed_interval": "10s", "min_doc_count": params["min_doc_count"]}}
            elif one["type"] == "terms":
                how = {"terms": {"field": params["field"], "size": params["size"], "order": {"_count": params["order"]}}}
            else:
                continue  # the count
            inner["aggs"] = {one["id"]: how}
            inner = how

    def levels(self):
        return {d["log.level"] if "log.level" in d else d["log"]["level"] for d in self.documents().values()}


class InOpenSearch(Search):
    def indices(self):
        streams = self.call("GET", f"/_data_stream/{STREAM}")["data_streams"]
        self.assertEqual(streams[0]["template"], "logs-tessera")
        return [index["index_name"] for index in streams[0]["indices"]]

    def test_records_match_the_template_and_are_found_by_trace(self):
        self.server = OpenSearch(self)
        self.records_arrive(self.put("/_index_template/logs-tessera", "opensearch-index-template.json"))
        self.saved_objects_work("opensearch-dashboards-saved-objects.ndjson")


class InElasticsearch(Search):
    def setUp(self):
        self.server = Elasticsearch(self)

    def indices(self):
        """Those behind the data stream. This distribution tells of streams nowhere else."""
        streams = self.call("GET", f"/_resolve/index/{STREAM}")["data_streams"]
        self.assertEqual([stream["name"] for stream in streams], [STREAM])
        return streams[0]["backing_indices"]

    def test_records_match_the_template_and_are_found_by_trace(self):
        template = self.put("/_index_template/logs-tessera", "elasticsearch-index-template.json")
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(Elasticsearch.PASSWORD)
            password.flush()
            self.records_arrive(template, f"    user: {Elasticsearch.WRITER}\n    password: ${{file:{password.name}}}\n")
        self.saved_objects_work("kibana-saved-objects.ndjson")
        self.policy_is_attached()

    def policy_is_attached(self):
        """This distribution has Elasticsearch's classes for policies but not the service that runs them."""
        steps = self.server.policy_steps(os.path.join(ASSETS, "elasticsearch-ilm-policy.json"))
        telling = [(phase, name) for phase, action, name in steps
                   if (action, name) in (("rollover", "attempt-rollover"), ("forcemerge", "forcemerge"), ("delete", "delete"))]
        self.assertEqual(telling, [("hot", "attempt-rollover"), ("warm", "forcemerge"), ("delete", "delete")])
        self.call("POST", f"/{STREAM}/_rollover")
        indices = self.indices()
        self.assertEqual(len(indices), 2)
        settings = self.call("GET", f"/{STREAM}/_settings?flat_settings=true")
        self.assertEqual({name: settings[name]["settings"].get("index.lifecycle.name") for name in indices},
                         dict.fromkeys(indices, "logs-tessera"))


if __name__ == "__main__":
    unittest.main()
