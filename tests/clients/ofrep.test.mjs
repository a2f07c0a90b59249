// OpenFeature's own JavaScript SDK with its OFREP provider against the program.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

import { Server, slowness } from "../web/server.mjs";

let server;
let client;

async function put(flag) {
  const reply = await fetch(`${server.url}/admin/v1/flags`, {
    method: "POST", headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
    body: JSON.stringify({ flag }),
  });
  assert.equal(reply.status, 200, await reply.text());
}

before(async () => {
  server = await Server.create(process.env.TESSERA_BIN);
  const everybody = [{ split: [{ variant: "on", weight: 50 }, { variant: "off", weight: 50 }] }];
  const switched = { type: "boolean", variants: { on: "true", off: "false" }, default_variant: "off" };
  await put({ key: "switch", ...switched, rules: [{ tenants: ["acme"], variant: "on" }] });
  await put({ key: "half", ...switched, rules: everybody });
  await put({ key: "text", type: "string", variants: { a: "hello" }, default_variant: "a" });
  await put({ key: "number", type: "number", variants: { a: "0.25" }, default_variant: "a" });
  await put({ key: "object", type: "object", variants: { a: '{"limit": 3}' }, default_variant: "a" });
  await OpenFeature.setProviderAndWait(new OFREPProvider({
    baseUrl: server.url, headers: [["Authorization", `Bearer ${server.key}`]], timeoutMs: 30_000 * slowness,
  }));
  client = OpenFeature.getClient();
});

after(async () => {
  await OpenFeature.close();
  const status = await server.stop();
  await server.destroy();
  assert.equal(status, 0);
});

test("every type", async () => {
  const context = { targetingKey: "somebody" };
  assert.equal(await client.getBooleanValue("switch", true, context), false);
  assert.equal(await client.getStringValue("text", "?", context), "hello");
  assert.equal(await client.getNumberValue("number", 0, context), 0.25);
  assert.deepEqual(await client.getObjectValue("object", {}, context), { limit: 3 });
});

test("reasons and errors", async () => {
  const matched = await client.getBooleanDetails("switch", false, { targetingKey: "x", tenant: "acme" });
  assert.equal(matched.value, true);
  assert.equal(matched.variant, "on");
  assert.equal(matched.reason, "TARGETING_MATCH");
  assert.equal((await client.getBooleanDetails("half", false, { targetingKey: "x" })).reason, "SPLIT");
  const missing = await client.getBooleanDetails("none", true, { targetingKey: "x" });
  assert.equal(missing.value, true);
  assert.equal(missing.errorCode, "FLAG_NOT_FOUND");
  assert.equal((await client.getBooleanDetails("text", true, { targetingKey: "x" })).errorCode, "TYPE_MISMATCH");
  assert.equal((await client.getBooleanDetails("half", true, {})).errorCode, "TARGETING_KEY_MISSING");
});

test("a change is seen at once", async () => {
  for (let i = 0; i < 10; ++i) {
    await put({ key: "live", type: "string", variants: { a: `value ${i}` }, default_variant: "a" });
    assert.equal(await client.getStringValue("live", "?", { targetingKey: "x" }), `value ${i}`);
  }
});
