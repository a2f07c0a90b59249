#!/usr/bin/env python3
"""The pipelines for Logstash and Fluent Bit, which are not to be had for a test: their form, and that they fit the rest."""
import json
import os
import unittest

import yaml
from logstash_pipeline_parser import Pipeline

ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "observability", "logs")
FILE = "/var/log/tessera.jsonl"
STREAM = "logs-tessera-default"


def read(name):
    with open(os.path.join(ASSETS, name), encoding="utf-8") as file:
        return file.read()


class Pipelines(unittest.TestCase):
    def test_logstash(self):
        parsed = dict(Pipeline(read("logstash.conf")).parse())
        sections = {name: {plugin: dict(options) for plugin, options in parsed[name]} for name in ("input", "output")}
        source = sections["input"]["file"]
        self.assertEqual([str(path) for path in source["path"]], [FILE])
        self.assertEqual([codec for codec, _ in source["codec"]], ["json"])
        self.assertIn(["if", [["_jsonparsefailure", "in", "[tags]"], [[["drop", []]]]]], parsed["filter"])
        target = sections["output"]["elasticsearch"]
        self.assertEqual("-".join(target["data_stream_" + part][0] for part in ("type", "dataset", "namespace")), STREAM)

    def test_fluent_bit(self):
        config = yaml.safe_load(read("fluent-bit.yaml"))
        (source,), (target,) = config["pipeline"]["inputs"], config["pipeline"]["outputs"]
        self.assertEqual((source["name"], source["path"]), ("tail", FILE))
        self.assertIn(source["parser"], {parser["name"] for parser in config["parsers"]})
        self.assertEqual((target["name"], target["match"], target["index"]), ("es", source["tag"], STREAM))
        self.assertEqual(target["write_operation"], "create")  # a data stream takes nothing else
        self.assertTrue(source["read_from_head"] and target["generate_id"])
        self.assertEqual([part["regex"] for part in config["pipeline"]["filters"]], ["message ."])

    def test_the_stream_is_the_templates(self):
        for name in ("elasticsearch-index-template.json", "opensearch-index-template.json"):
            template = json.loads(read(name))
            self.assertEqual(template["index_patterns"], ["logs-tessera-*"])
            self.assertEqual(template["data_stream"], {})


if __name__ == "__main__":
    unittest.main()
