"""The real program's contracts, called with the official Python gRPC library. Messages come from its reflection."""
import os
import sys
import unittest

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from tessera_server import Server, free_port  # noqa: E402


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        address = f"127.0.0.1:{free_port()}"
        cls.server = Server("--grpc", address)
        cls.server.ingest()
        cls.channel = grpc.insecure_channel(address)
        cls.reflection = ProtoReflectionDescriptorDatabase(cls.channel)
        cls.pool = descriptor_pool.DescriptorPool(cls.reflection)
        cls.key = (("authorization", f"Bearer {cls.server.key}"),)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.stop() == 0

    def call(self, name, /, metadata=None, **fields):
        """Calls a method by its full name, "Retrieval.Search"; gives the reply, or an iterator of replies."""
        service, method = name.split(".")
        described = self.pool.FindServiceByName(f"tessera.v1.{service}").methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)(**fields)
        reply = message_factory.GetMessageClass(described.output_type)
        kind = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        made = kind(f"/tessera.v1.{service}/{method}", request_serializer=type(request).SerializeToString,
                    response_deserializer=reply.FromString)
        return made(request, timeout=60, metadata=self.key if metadata is None else metadata)

    def refused(self, code, *arguments, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            self.call(*arguments, **fields)
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return caught.exception.details()

    def test_every_contract_is_listed(self):
        listed = set(self.reflection.get_services())
        for name in ("Dataprep", "Inference", "Orchestration", "Retrieval"):
            self.assertIn(f"tessera.v1.{name}", listed)
        check = health_pb2_grpc.HealthStub(self.channel).Check(
            health_pb2.HealthCheckRequest(service="tessera.v1.Retrieval"), timeout=10)
        self.assertEqual(check.status, health_pb2.HealthCheckResponse.SERVING)

    def test_documents_are_found(self):
        hits = self.call("Retrieval.Search", collection="default", query="Who designed the Zephyr engine?",
                         vector=self.call("Inference.Embed", texts=["Who designed it?"]).vectors[0].values).hits
        self.assertIn("Ada Kowalska", hits[0].chunk.text)
        self.assertEqual(hits[0].document.name, "zephyr.txt")

    def test_an_answer_streams(self):
        events = list(self.call("Inference.Generate", prompt="One, two, three,", max_tokens=12,
                                sampling={"temperature": 0}))
        self.assertGreater(len(events), 3)
        self.assertEqual(events[-1].usage.completion_tokens, 12)

    def test_keys(self):
        code = grpc.StatusCode.UNAUTHENTICATED
        self.refused(code, "Retrieval.ListCollections", metadata=())
        details = self.refused(code, "Retrieval.ListCollections", metadata=(("authorization", "Bearer wrong-key"),))
        self.assertIn("the key is wrong", details)

    def test_errors_say_what_is_wrong(self):
        details = self.refused(grpc.StatusCode.NOT_FOUND, "Retrieval.GetCollection", name="nowhere")
        self.assertIn("nowhere", details)

    def test_a_stream_that_is_left_ends(self):
        stream = self.call("Inference.Generate", prompt="Count on and on:", max_tokens=1000)
        next(stream)
        stream.cancel()
        reply = self.call("Inference.Generate", prompt="One, two,", max_tokens=2)
        self.assertEqual(list(reply)[-1].usage.completion_tokens, 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
