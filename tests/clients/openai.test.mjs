// OpenAI's own Node client against the program.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import OpenAI from "openai";

import { Server, slowness } from "../web/server.mjs";

const question = [{ role: "user", content: "At what pressure does the boiler work?" }];
let server;
let client;

before(async () => {
  server = await Server.create(process.env.TESSERA_BIN);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0, timeout: 120_000 * slowness });
  const folder = await mkdtemp(join(tmpdir(), "tessera-documents-"));
  await writeFile(join(folder, "boiler.md"), "# The boiler\n\nThe boiler works at a pressure of 12 bar.\n");
  await promisify(execFile)(process.env.TESSERA_BIN, ["ingest", "--url", server.url, "--key", server.key, folder]);
  await rm(folder, { recursive: true });
});

after(async () => {
  const status = await server.stop();
  await server.destroy();
  assert.equal(status, 0);
});

test("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("smollm2") && names.includes("rag"));
});

test("a streamed answer from the documents", async () => {
  const stream = await client.chat.completions.create({ model: "rag", messages: question, stream: true });
  let text = "";
  let finish;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.match(text, /12 bar/);
  assert.match(text, /\[1\]/);
  assert.equal(finish, "stop");
});

test("a stream that is left is ended", async () => {
  const stream = await client.chat.completions.create({
    model: "smollm2", max_tokens: 400, stream: true, messages: [{ role: "user", content: "Tell a long story." }],
  });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  const next = await client.chat.completions.create({ model: "smollm2", max_tokens: 2, messages: question });
  assert.equal(next.choices.length, 1);
});

test("embeddings", async () => {
  const { data } = await client.embeddings.create({ model: "minilm", input: ["one", "two"] });
  assert.deepEqual(data.map((entry) => entry.embedding.length), [384, 384]);
});

test("a vector store's search", async () => {
  const stores = await client.vectorStores.list();
  const store = stores.data.find((entry) => entry.name === "default");
  const found = await client.vectorStores.search(store.id, { query: "boiler pressure", max_num_results: 1 });
  assert.equal(found.data[0].filename, "boiler.md");
});

test("errors are the client's own", async () => {
  await assert.rejects(client.chat.completions.create({ model: "nope", messages: question }), OpenAI.NotFoundError);
  await assert.rejects(
    client.chat.completions.create({ model: "smollm2", messages: question, temperature: "hot" }), OpenAI.BadRequestError);
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});
