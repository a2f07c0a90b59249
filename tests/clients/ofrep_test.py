"""OpenFeature's own Python SDK with its OFREP provider against the program."""
import http.client
import json
import unittest

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from tessera_server import SLOWNESS, Server


def call(method, path, body=None, headers=None, key=None):
    """(status, headers, JSON) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30 * SLOWNESS)
    sent = {"authorization": "Bearer " + (key or server.key), "content-type": "application/json", **(headers or {})}
    connection.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, sent)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, dict(reply.getheaders()), json.loads(text) if text else None


def put(key, kind, variants, default, rules=()):
    status, _, reply = call("POST", "/admin/v1/flags", {"flag": {
        "key": key, "type": kind, "variants": variants, "default_variant": default, "rules": list(rules)}})
    if status != 200:
        raise AssertionError(reply)
    return reply


def setUpModule():
    global server, client
    server = Server()
    put("switch", "boolean", {"on": "true", "off": "false"}, "off",
        [{"principals": ["key:ci"], "variant": "on"}, {"headers": {"X-Canary": "yes"}, "variant": "on"}])
    put("text", "string", {"hello": "hello", "bye": "bye"}, "hello")
    put("whole", "integer", {"few": "3", "many": "9007199254740991"}, "many")
    put("part", "number", {"one": "1", "half": "0.5"}, "one")
    put("object", "object", {"small": "{\"limit\": 3, \"names\": [\"a\"]}"}, "small")
    put("half", "boolean", {"on": "true", "off": "false"}, "off",
        [{"split": [{"variant": "on", "weight": 50}, {"variant": "off", "weight": 50}]}])
    api.set_provider(OFREPProvider(server.url, headers_factory=lambda: {"Authorization": "Bearer " + server.key},
                                   timeout=30 * SLOWNESS))
    client = api.get_client()


def tearDownModule():
    status = server.stop()
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")


class Sdk(unittest.TestCase):
    def test_every_type(self):
        anybody = EvaluationContext("somebody")
        self.assertIs(client.get_boolean_value("switch", True, anybody), False)
        self.assertEqual(client.get_string_value("text", "?", anybody), "hello")
        self.assertEqual(client.get_integer_value("whole", 0, anybody), 2**53 - 1)
        self.assertEqual(client.get_float_value("part", 0.0, anybody), 1.0)
        self.assertEqual(client.get_object_value("object", {}, anybody), {"limit": 3, "names": ["a"]})

    def test_reasons(self):
        details = client.get_boolean_details("switch", True, EvaluationContext("key:ci"))
        self.assertEqual((details.value, details.variant, details.reason), (True, "on", Reason.TARGETING_MATCH))
        details = client.get_boolean_details("switch", True, EvaluationContext("other", {"headers": {"X-Canary": "yes"}}))
        self.assertEqual(details.reason, Reason.TARGETING_MATCH)
        self.assertEqual(client.get_boolean_details("switch", True, EvaluationContext("x")).reason, Reason.DEFAULT)
        self.assertEqual(client.get_string_details("text", "?", EvaluationContext("x")).reason, Reason.STATIC)
        self.assertEqual(client.get_boolean_details("half", True, EvaluationContext("x")).reason, Reason.SPLIT)

    def test_errors_give_the_default(self):
        details = client.get_boolean_details("none", True, EvaluationContext("x"))
        self.assertEqual((details.value, details.error_code), (True, ErrorCode.FLAG_NOT_FOUND))
        details = client.get_boolean_details("text", True, EvaluationContext("x"))
        self.assertEqual((details.value, details.error_code), (True, ErrorCode.TYPE_MISMATCH))
        details = client.get_boolean_details("half", True, EvaluationContext())
        self.assertEqual((details.value, details.error_code), (True, ErrorCode.TARGETING_KEY_MISSING))
        details = client.get_boolean_details("switch", True, EvaluationContext("x", {"tenant": 3}))
        self.assertEqual((details.value, details.error_code), (True, ErrorCode.INVALID_CONTEXT))

    def test_a_split_keeps_its_subjects(self):
        drawn = [client.get_boolean_value("half", False, EvaluationContext(f"user-{i}")) for i in range(60)]
        again = [client.get_boolean_value("half", False, EvaluationContext(f"user-{i}")) for i in range(60)]
        self.assertEqual(drawn, again)
        self.assertTrue(12 < sum(drawn) < 48, drawn)

    def test_a_change_is_seen_at_once(self):
        for i in range(20):
            put("live", "string", {"a": f"value {i}"}, "a")
            self.assertEqual(client.get_string_value("live", "?", EvaluationContext("x")), f"value {i}")


class Protocol(unittest.TestCase):
    def test_bulk_with_etag(self):
        asked = {"context": {"targetingKey": "somebody"}}
        status, headers, reply = call("POST", "/ofrep/v1/evaluate/flags", asked)
        self.assertEqual(status, 200)
        flags = {flag["key"]: flag for flag in reply["flags"]}
        self.assertEqual(flags["whole"]["value"], 2**53 - 1)
        tag = headers["etag"]
        self.assertEqual(call("POST", "/ofrep/v1/evaluate/flags", asked, {"if-none-match": tag})[0], 304)
        put("bulk", "string", {"a": "new"}, "a")
        status, headers, reply = call("POST", "/ofrep/v1/evaluate/flags", asked, {"if-none-match": tag})
        self.assertEqual(status, 200)
        self.assertNotEqual(headers["etag"], tag)
        nobody = call("POST", "/ofrep/v1/evaluate/flags", {})[2]
        half = next(flag for flag in nobody["flags"] if flag["key"] == "half")
        self.assertEqual(half["errorCode"], "TARGETING_KEY_MISSING")

    def test_errors(self):
        path = "/ofrep/v1/evaluate/flags/switch"
        self.assertEqual(call("POST", path, "{no json")[2]["errorCode"], "PARSE_ERROR")
        self.assertEqual(call("POST", path, [1])[2]["errorCode"], "INVALID_CONTEXT")
        self.assertEqual(call("POST", path, {"context": "x"})[2]["errorCode"], "INVALID_CONTEXT")
        status, _, reply = call("POST", "/ofrep/v1/evaluate/flags/none", {"context": {}})
        self.assertEqual((status, reply["errorCode"], reply["key"]), (404, "FLAG_NOT_FOUND", "none"))
        self.assertEqual(call("POST", path, {"context": {}}, key="wrong-wrong-wrong")[0], 401)


class Admin(unittest.TestCase):
    def test_faults_have_their_path(self):
        status, _, reply = call("POST", "/admin/v1/flags", {"flag": {
            "key": "bad", "type": "boolean", "variants": {"on": "yes"}, "default_variant": "off",
            "rules": [{"split": [{"variant": "on", "weight": -1}]}]}})
        self.assertEqual(status, 400)
        fields = {error["field"] for error in reply["errors"]}
        self.assertEqual(fields, {'flag.variants["on"]', "flag.default_variant", "flag.rules[0].split[0].weight",
                                  "flag.rules[0].split"})

    def test_changes_are_audited(self):
        put("audited", "string", {"a": "1"}, "a")
        put("audited", "string", {"a": "2"}, "a")
        self.assertEqual(call("DELETE", "/admin/v1/flags/audited")[0], 200)
        changes = call("GET", "/admin/v1/flag-changes?key=audited")[2]["changes"]
        self.assertEqual(len(changes), 3)
        self.assertEqual(changes[1]["before"]["variants"], {"a": "1"})
        self.assertEqual(changes[1]["after"]["variants"], {"a": "2"})
        self.assertNotIn("after", changes[0])
        self.assertTrue(changes[0]["principal"] and changes[0]["request_id"] and changes[0]["at_ms"])
        self.assertEqual(call("GET", "/admin/v1/flags/audited")[0], 404)


if __name__ == "__main__":
    unittest.main()
