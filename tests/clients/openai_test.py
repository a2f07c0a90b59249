"""OpenAI's own Python client against the program: models, chat, streams, JSON schema, embeddings, stores, errors."""
import json
import math
import threading
import unittest

import openai
from tessera_server import SLOWNESS, Server

QUESTION = [{"role": "user", "content": "Who designed the Zephyr engine?"}]


def setUpModule():
    global server, client
    server = Server()
    server.ingest()
    client = openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=120 * SLOWNESS)


def tearDownModule():
    status = server.stop()
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")


class Models(unittest.TestCase):
    def test_list_and_get(self):
        names = {model.id for model in client.models.list()}
        self.assertLessEqual({"smollm2", "minilm", "rag"}, names)
        self.assertEqual(client.models.retrieve("smollm2").id, "smollm2")


class Chat(unittest.TestCase):
    def test_answer_from_documents_is_cited(self):
        reply = client.chat.completions.create(model="rag", messages=QUESTION)
        message = reply.choices[0].message
        self.assertIn("Kowalska", message.content)
        self.assertIn("[1]", message.content)
        citation = message.annotations[0]
        self.assertEqual(citation.type, "url_citation")
        self.assertEqual(citation.url_citation.title, "zephyr.txt")
        begin, end = citation.url_citation.start_index, citation.url_citation.end_index
        self.assertEqual(message.content[begin:end], "[1]")
        self.assertIn("/documents/", citation.url_citation.url)
        self.assertIn("Kowalska", citation.quote)

    def test_named_collection_is_the_same(self):
        reply = client.chat.completions.create(model="rag:default", messages=QUESTION)
        self.assertIn("Kowalska", reply.choices[0].message.content)

    def test_stream_from_documents(self):
        text, finish, citations = "", None, []
        for chunk in client.chat.completions.create(model="rag", messages=QUESTION, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
                citations += getattr(choice.delta, "annotations", None) or []
        self.assertIn("Kowalska", text)
        self.assertEqual(finish, "stop")
        self.assertTrue(citations)

    def test_plain_chat_counts_tokens_and_repeats_with_a_seed(self):
        def ask():
            return client.chat.completions.create(model="smollm2", seed=7, temperature=0.8, max_tokens=12,
                                                  messages=[{"role": "user", "content": "Name three colours."}])
        first, second = ask(), ask()
        self.assertTrue(first.choices[0].message.content)
        self.assertEqual(first.choices[0].message.content, second.choices[0].message.content)
        self.assertLessEqual(first.usage.completion_tokens, 12)
        self.assertEqual(first.usage.total_tokens, first.usage.prompt_tokens + first.usage.completion_tokens)

    def test_stream_usage_and_length(self):
        usage, finish, pieces = None, None, 0
        stream = client.chat.completions.create(model="smollm2", max_tokens=8, temperature=0, stream=True,
                                                stream_options={"include_usage": True},
                                                messages=[{"role": "user", "content": "Count from one to fifty."}])
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                pieces += bool(choice.delta.content)
                finish = choice.finish_reason or finish
        self.assertEqual(finish, "length")
        self.assertEqual(usage.completion_tokens, 8)
        self.assertGreater(pieces, 1)

    def test_choices_and_stop(self):
        reply = client.chat.completions.create(model="smollm2", n=2, max_tokens=24, stop=["."], seed=3,
                                               messages=[{"role": "user", "content": "Say one sentence about rain."}])
        self.assertEqual([choice.index for choice in reply.choices], [0, 1])
        for choice in reply.choices:
            self.assertNotIn(".", choice.message.content)

    def test_json_schema(self):
        schema = {"type": "object", "properties": {"colour": {"type": "string", "enum": ["red", "green"]},
                                                   "count": {"type": "integer", "minimum": 0, "maximum": 9}},
                  "required": ["colour", "count"], "additionalProperties": False}
        reply = client.chat.completions.create(
            model="smollm2", max_tokens=60, seed=1, messages=[{"role": "user", "content": "Pick a colour and a count."}],
            response_format={"type": "json_schema", "json_schema": {"name": "pick", "schema": schema, "strict": True}})
        picked = json.loads(reply.choices[0].message.content)
        self.assertIn(picked["colour"], ("red", "green"))
        self.assertIn(picked["count"], range(10))

    def test_many_at_once(self):
        answers = [None] * 8

        def ask(i):
            answers[i] = client.chat.completions.create(
                model="smollm2", max_tokens=6, messages=[{"role": "user", "content": f"Word number {i}?"}])
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(all(answer and answer.usage.completion_tokens <= 6 for answer in answers))

    def test_leaving_a_stream_frees_the_server(self):
        stream = client.chat.completions.create(model="smollm2", max_tokens=400, stream=True,
                                                messages=[{"role": "user", "content": "Tell a very long story."}])
        next(iter(stream))
        stream.close()
        reply = client.chat.completions.create(model="smollm2", max_tokens=2, messages=QUESTION)
        self.assertTrue(reply.choices)


class Completions(unittest.TestCase):
    def test_completion(self):
        reply = client.completions.create(model="smollm2", prompt="The sky is", max_tokens=4, temperature=0)
        self.assertTrue(reply.choices[0].text)
        self.assertLessEqual(reply.usage.completion_tokens, 4)


class Embeddings(unittest.TestCase):
    def test_float_and_base64_agree(self):
        plain = client.embeddings.create(model="minilm", input=["a cat", "a kitten", "the stock exchange"],
                                         encoding_format="float")
        packed = client.embeddings.create(model="minilm", input=["a cat"])  # the client asks for base64
        vectors = [entry.embedding for entry in plain.data]
        self.assertEqual([len(vector) for vector in vectors], [384] * 3)
        self.assertAlmostEqual(math.sqrt(sum(x * x for x in vectors[0])), 1, places=4)
        for a, b in zip(vectors[0], packed.data[0].embedding):
            self.assertAlmostEqual(a, b, places=3)
        dot = lambda a, b: sum(x * y for x, y in zip(a, b))
        self.assertGreater(dot(vectors[0], vectors[1]), dot(vectors[0], vectors[2]) + 0.2)
        self.assertGreater(plain.usage.prompt_tokens, 3)


class VectorStores(unittest.TestCase):
    def test_default_collection_is_a_store(self):
        stores = {store.name: store for store in client.vector_stores.list()}
        self.assertIn("default", stores)
        found = client.vector_stores.search(stores["default"].id, query="boiler pressure", max_num_results=3)
        self.assertEqual(found.data[0].filename, "zephyr.txt")
        self.assertIn("12 bar", found.data[0].content[0].text)


class Files(unittest.TestCase):
    def test_upload_read_and_delete(self):
        sent = b"The lighthouse of Rozewie flashes every three seconds."
        file = client.files.create(file=("lighthouse.txt", sent), purpose="assistants")
        self.assertEqual((file.filename, file.bytes), ("lighthouse.txt", len(sent)))
        self.assertEqual(client.files.content(file.id).read(), sent)
        self.assertIn(file.id, [entry.id for entry in client.files.list()])
        self.assertTrue(client.files.delete(file.id).deleted)
        with self.assertRaises(openai.NotFoundError):
            client.files.retrieve(file.id)


class Errors(unittest.TestCase):
    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="no-such-model", messages=QUESTION)
        self.assertIn("no-such-model", str(caught.exception))

    def test_unknown_field_and_wrong_type(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="smollm2", messages=QUESTION, extra_body={"temprature": 1})
        self.assertIn("temprature", str(caught.exception))
        with self.assertRaises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="smollm2", messages=QUESTION, extra_body={"max_tokens": "many"})
        self.assertIn("max_tokens", str(caught.exception))

    def test_wrong_key(self):
        stranger = openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0)
        with self.assertRaises(openai.AuthenticationError):
            stranger.models.list()


if __name__ == "__main__":
    unittest.main()
