"""The official openai client calls functions and reads log probabilities: through a model behind another server, and of
the model that runs here."""
import http.server
import json
import math
import os
import tempfile
import threading
import unittest

import openai
from tessera_server import Server

WEATHER = {"type": "function",
           "function": {"name": "get_weather", "description": "The weather of a town",
                        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}}}


class Upstream(http.server.BaseHTTPRequestHandler):
    """Streams as OpenAI does: a call of each function offered, its arguments in pieces; or, when the last message is a
    tool's, a sentence with it. Remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    asked = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Upstream.asked.append(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        last = body["messages"][-1]
        if body.get("tools") and last["role"] != "tool":
            for i, tool in enumerate(body["tools"]):
                self.event({"role": "assistant", "content": None, "tool_calls": [
                    {"index": i, "id": f"call_{i}", "type": "function", "function": {"name": tool["function"]["name"], "arguments": ""}}]})
                for piece in ('{"to', 'wn": "Gda', 'ńsk"}'):
                    self.event({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
            self.event({}, finish="tool_calls")
        else:
            for word in ("It is ", last["content"]):
                self.event({"content": word}, logprobs={"content": [
                    {"token": word, "logprob": -0.25, "bytes": list(word.encode()),
                     "top_logprobs": [{"token": word, "logprob": -0.25, "bytes": list(word.encode())}]}]}
                    if body.get("logprobs") else None)
            self.event({}, finish="stop")
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, delta, finish=None, logprobs=None):
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "far",
                 "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}]}
        self.chunk(f"data: {json.dumps(chunk)}\n\n".encode())

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_):
        pass


def setUpModule():
    global server, client, upstream
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as config:
        config.write(f"services:\n  inference:\n    models:\n      far:\n"
                     f"        base_url: http://127.0.0.1:{upstream.server_port}/v1\n        context_tokens: 4096\n")
    server = Server("--config", config.name)
    os.unlink(config.name)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0)


def tearDownModule():
    status = server.stop()
    upstream.shutdown()
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")


def ask(messages, **options):
    return client.chat.completions.create(model=options.pop("model", "far"), messages=messages, **options)


QUESTION = [{"role": "user", "content": "What is the weather in Gdańsk?"}]


class Tools(unittest.TestCase):
    def test_a_call_and_its_answer(self):
        reply = ask(QUESTION, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False)
        choice = reply.choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertIsNone(choice.message.content)
        (call,) = choice.message.tool_calls
        self.assertEqual((call.id, call.type, call.function.name), ("call_0", "function", "get_weather"))
        self.assertEqual(json.loads(call.function.arguments), {"town": "Gdańsk"})
        asked = Upstream.asked[-1]
        self.assertEqual((asked["tools"], asked["tool_choice"], asked["parallel_tool_calls"]), ([WEATHER], "required", False))

        # What was called goes back as it came, with the function's answer.
        messages = QUESTION + [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "rainy"}]
        reply = ask(messages, tools=[WEATHER])
        self.assertEqual(reply.choices[0].message.content, "It is rainy")
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertIsNone(reply.choices[0].message.tool_calls)
        sent = Upstream.asked[-1]["messages"]
        self.assertEqual(sent[1], {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": '{"town": "Gdańsk"}'}}]})
        self.assertEqual(sent[2], {"role": "tool", "content": "rainy", "tool_call_id": "call_0"})
        self.assertNotIn("tool_choice", Upstream.asked[-1])

    def test_stream(self):
        other = {"type": "function", "function": {"name": "get_time"}}
        with client.chat.completions.stream(model="far", messages=QUESTION, tools=[WEATHER, other]) as stream:
            deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
            final = stream.get_final_completion()
        self.assertGreaterEqual(len(deltas), 6)  # as they come, not at the end
        names = [call.function.name for call in final.choices[0].message.tool_calls]
        self.assertEqual(names, ["get_weather", "get_time"])
        for call in final.choices[0].message.tool_calls:
            self.assertEqual(json.loads(call.function.arguments), {"town": "Gdańsk"})
        self.assertEqual(final.choices[0].finish_reason, "tool_calls")

    def test_mistakes_say_where(self):
        cases = (({"tools": [{"type": "function", "function": {"nam": "x"}}]}, "tools[0].function"),
                 ({"tools": [{"type": "magic"}]}, "tools[0].type"), ({"tool_choice": "required"}, "tool_choice"),
                 ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"), ({"top_logprobs": 3}, "top_logprobs"))
        for options, field in cases:
            with self.assertRaises(openai.BadRequestError) as caught:
                ask(QUESTION, **options)
            self.assertIn(field, f"{caught.exception.param} {caught.exception.message}")
        for model, words in (("smollm2", "services.inference.models"), ("rag", "documents")):
            with self.assertRaises(openai.BadRequestError) as caught:
                ask(QUESTION, model=model, tools=[WEATHER])
            self.assertEqual(caught.exception.param, "tools")
            self.assertIn(words, caught.exception.message)

    def test_no_call_is_asked_for(self):
        self.assertTrue(ask(QUESTION, model="smollm2", tools=[WEATHER], tool_choice="none", max_tokens=4).choices[0].message.content)


class Logprobs(unittest.TestCase):
    def check(self, content, text):
        self.assertEqual(b"".join(bytes(token.bytes) for token in content).decode(), text)
        for token in content:
            self.assertLessEqual(token.logprob, 0)

    def test_of_another_server(self):
        reply = ask([{"role": "user", "content": "fine"}], logprobs=True, top_logprobs=1)
        self.check(reply.choices[0].logprobs.content, reply.choices[0].message.content)
        self.assertEqual(reply.choices[0].logprobs.content[0].top_logprobs[0].logprob, -0.25)
        self.assertEqual((Upstream.asked[-1]["logprobs"], Upstream.asked[-1]["top_logprobs"]), (True, 1))

    def test_of_a_model_here(self):
        options = {"model": "smollm2", "temperature": 0, "max_tokens": 8, "logprobs": True, "top_logprobs": 5}
        reply = ask([{"role": "user", "content": "What is the capital of France?"}], **options)
        content = reply.choices[0].logprobs.content
        self.assertEqual(len(content), 8)
        self.check(content, reply.choices[0].message.content)
        for token in content:
            self.assertEqual(len(token.top_logprobs), 5)
            self.assertEqual(token.top_logprobs[0].token, token.token)  # greedy
            self.assertLessEqual(sum(math.exp(other.logprob) for other in token.top_logprobs), 1.0001)
        streamed = [token for chunk in ask([{"role": "user", "content": "What is the capital of France?"}], stream=True, **options)
                    if chunk.choices and chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
        self.assertEqual([token.token for token in streamed], [token.token for token in content])
        self.assertIsNone(ask(QUESTION, model="smollm2", max_tokens=2).choices[0].logprobs)


if __name__ == "__main__":
    unittest.main()
