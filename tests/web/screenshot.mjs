// node screenshot.mjs PROGRAM OUT.png [TOPOLOGY.png [TRACE.png [SLOS.png]]] : the documents' pictures, of the real program with
// documents of our own: an answer, the services in three groups, and what a question took in them.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, openPage } from "./browser.mjs";
import { leasePdf } from "./pdf.mjs";
import { Server } from "./server.mjs";

const markdown = (name, text) => ({ name, mimeType: "text/markdown", buffer: Buffer.from(text) });
const files = [
  { name: "Hallenberg lease.pdf", mimeType: "application/pdf", buffer: leasePdf() },
  markdown("Kiln handbook.md", "# Kiln handbook\n\nThe kiln is fired on Fridays. It needs eleven hours to reach 1240 degrees.\n"),
  markdown("Minutes 2025-03.md", "# Minutes of March 2025\n\nThe roof of the larger barn leaks; the landlord will repair it by the end of May.\n"),
];
const questions = [
  "Who repairs the roof?", "How hot does the kiln get?", "When is the deposit returned?",
  "How can the tenant terminate the lease early by written notice?",
];

/** Moves the services and asks meanwhile, so that there is something to see. */
async function showTopology(server, page) {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const yaml = await readFile(join(root, "deploy/topologies/three.yaml"), "utf8");
  const post = (path, body) =>
    server.api(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  await post("/admin/v1/topology/apply", { yaml });
  await page.goto("/topology");
  await page.waitForSelector(".move[data-state=moved]");
  for (let asked = 0; asked < 60; asked += 1) {
    const messages = [{ role: "user", content: questions[asked % questions.length] }];
    await (await post("/v1/chat/completions", { model: "rag", messages })).text();
  }
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.waitForSelector(".busy");
}

/** The newest question as a waterfall, with what was chosen last of it. */
async function showTrace(server, page) {
  const { traces } = await (await server.api("/admin/v1/traces?route=chat&http_status=2&limit=1")).json();
  await page.goto(`/monitor/traces/${traces[0].trace_id}`);
  await page.locator(".span-row").last().click();
  await page.waitForSelector(".span-panel .facts");
}

/** Objectives, of which one burns: a model cannot be reached. */
async function showSlos(server, page) {
  const ask = (model, content) => server.api("/v1/chat/completions", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content }] }),
  }).then((reply) => reply.text());
  for (let second = 0; second < 75; second += 1) {
    for (let asked = 0; asked < 12; asked += 1) await ask(second > 45 && asked < 3 ? "away" : "rag", questions[asked % questions.length]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  await page.goto("/monitor/slos");
  await page.waitForSelector(".slo-alerts li");
  await page.waitForSelector('[data-card="Events"] svg path.area');
}

const [program, out, topologyOut, traceOut, slosOut] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "tessera-pictures-"));
const config = join(folder, "tessera.yaml");
// Nothing listens on the discard port.
await writeFile(config, `services: {inference: {models: {away: {base_url: "http://127.0.0.1:9/v1", upstream_model: any}}}}
slos:
  objectives:
    - {name: chat-availability, description: Chats are answered., target: 97, window: 1h, routes: [/v1/chat/completions]}
    - {name: chat-latency, description: Chats are answered within two seconds., target: 90, window: 7d, indicator: latency,
       routes: [/v1/chat/completions], threshold: 2s}
    - {name: first-token, description: Models begin to write within a second., target: 95, indicator: first_token, threshold: 1s}
`);
const server = await Server.create(program, ["--config", config]);
const browser = await launch();
try {
  const page = await openPage(browser, server, { viewport: { width: 1400, height: 860 } });
  await page.setInputFiles(".documents input[type=file]", files);
  await page.waitForFunction((count) => document.querySelectorAll(".upload.done").length === count, files.length);
  for (const question of questions) {
    await page.locator(".new-chat").click();
    await page.fill("#question", question);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".exchange:last-child .actions");
  }
  await page.locator("a.chip").first().click();
  await page.waitForSelector("mark");
  await page.mouse.move(700, 600);
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))));
  await page.screenshot({ path: out });
  if (topologyOut !== undefined) {
    await page.setViewportSize({ width: 1400, height: 660 });
    await showTopology(server, page);
    await page.screenshot({ path: topologyOut });
  }
  if (traceOut !== undefined) {
    await page.setViewportSize({ width: 1400, height: 860 });
    await showTrace(server, page);
    await page.screenshot({ path: traceOut });
  }
  if (slosOut !== undefined) {
    await showSlos(server, page);
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.waitForTimeout(500);
    await page.screenshot({ path: slosOut });
  }
} finally {
  await browser.close();
  await server.destroy();
  await rm(folder, { recursive: true, force: true });
}
