// The monitor's pages on the real program in a real Chromium, with data of a real run: documents added, questions asked,
// and a model that cannot be reached.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { accessibilityProblems, launch, openPage } from "./browser.mjs";
import { Server, slowness } from "./server.mjs";

// Nothing listens on the discard port.
const kConfig = `services:
  inference:
    models:
      broken: {base_url: "http://127.0.0.1:9/v1", upstream_model: any}
slos:
  objectives:
    - {name: chats, description: Chats are answered., target: 99, window: 1h, routes: [/v1/chat/completions]}
    - {name: quick, target: 50, window: 30d, indicator: latency, routes: [/v1/chat/completions], threshold: 64s}
    - {name: unasked, target: 99, routes: [/v1/docsum]}
server:
  api_keys: [{name: reader, key: "\${env:READER_KEY}", scopes: [retrieval.read, inference.read, system.read]}]
`;
const kReaderKey = "a-key-that-may-only-read";
const kSeenMs = 30_000 * slowness;

let folder;
let server;
let browser;
let page;
let processes;
/** The ids of the requests that were made. */
const requests = {};

const post = (path, body) =>
  server.api(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

async function ask(model) {
  const reply = await post("/v1/chat/completions", { model, messages: [{ role: "user", content: "Who mends the roof?" }] });
  await reply.text();
  return reply;
}

async function addDocument() {
  const form = new FormData();
  form.append("files", new Blob(["# Roof\n\nThe landlord mends the roof of the larger barn by the end of May.\n"]), "roof.md");
  const job = await (await server.api("/api/v1/collections/default/documents", { method: "POST", body: form })).json();
  await (await server.api(`/api/v1/jobs/${job.id}/events`)).text();
}

async function open(address) {
  page = await openPage(browser, server);
  await page.goto(address);
}

/** Whether the program has that part at all: what it does not know is the page's own address. */
async function has(address) {
  const reply = await server.api(address);
  await reply.body?.cancel();
  return /json/.test(reply.headers.get("content-type") ?? "");
}

/** Waits until the server answers so that `found` holds. */
async function untilServed(address, found) {
  const until = Date.now() + kSeenMs;
  for (;;) {
    const reply = await server.api(address);
    const body = reply.ok ? await reply.json() : undefined;
    if (body !== undefined && found(body)) return body;
    assert.ok(Date.now() < until, `${address}: ${reply.status} ${JSON.stringify(body)?.slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describe("the monitor", { concurrency: false }, () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tessera-monitor-"));
    const config = join(folder, "tessera.yaml");
    process.env.READER_KEY = kReaderKey;
    await writeFile(config, kConfig);
    server = await Server.create(process.env.TESSERA_PROGRAM, ["--config", config]);
    browser = await launch();
    const { groups } = await (await server.api("/admin/v1/topology")).json();
    processes = groups.flatMap((group) => group.processes).length;
    await addDocument();
    const answered = await ask("rag");
    assert.equal(answered.status, 200);
    requests.answered = answered.headers.get("x-request-id");
    const failed = await ask("broken");
    assert.ok(failed.status >= 500, `${failed.status}`);
    requests.failed = failed.headers.get("x-request-id");
    await untilServed(`/admin/v1/traces/${requests.failed}`, (trace) => trace.error);
    await untilServed(`/admin/v1/traces/${requests.answered}`, ({ spans }) =>
      spans.length > 5 && (processes === 1 || new Set(spans.map((span) => span.process)).size > 1));
  });
  after(async () => {
    await browser?.close();
    await server?.destroy();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    const complaints = page?.complaints ?? [];
    await page?.context().close();
    page = undefined;
    assert.deepEqual(complaints, []);
  });

  it("opens from the chat, whose page does not carry its code", async () => {
    page = await openPage(browser, server);
    const scripts = () => page.evaluate(() => performance.getEntriesByType("resource").filter((one) => /\.js$/.test(one.name)).length);
    assert.equal(await scripts(), 1);
    await page.getByRole("button", { name: "Monitor" }).click();
    await page.waitForSelector('[data-card="Traffic"]');
    assert.equal(new URL(page.url()).pathname, "/monitor");
    assert.match(await page.title(), /Overview/);
    assert.equal(await scripts(), 2);
    await page.getByRole("button", { name: "Back to the chat" }).click();
    await page.waitForSelector("#question");
    assert.match(await page.title(), /^Tessera$/);
    await page.keyboard.press("Escape");
    await page.locator("body").press("m");
    await page.waitForSelector('[data-card="Traffic"]');
  });

  it("shows which process calls which, as it happens", async () => {
    await open("/monitor");
    await page.waitForSelector("[data-map-tray]");
    const { groups } = await (await server.api("/admin/v1/topology")).json();
    assert.equal(await page.locator("[data-map-tray]").count(), groups.length);
    let over = false;
    const asking = (async () => {
      while (!over) await ask("rag");
    })();
    await page.waitForSelector('.map .busy[data-thread="orchestration retrieval"]');
    over = true;
    await asking;
  });

  it("shows figures of all processes over time", async (context) => {
    if (!(await has("/admin/v1/metrics"))) return context.skip("this build keeps no figures");
    await untilServed("/admin/v1/metrics/query?name=tessera_http_requests_total&function=rate&by=route", ({ lines }) =>
      lines.some((line) => line.labels.route === "/v1/chat/completions" && line.values.some((value) => value > 0)),
    );
    await open("/monitor?range=15m");
    await page.waitForSelector('[data-card="Traffic"] svg path.stroke');
    await page.waitForSelector(".routes .row-button:text('/v1/chat/completions')");
    await page.waitForFunction((count) => document.querySelectorAll('[data-card="Memory"] .legend li').length === count, processes);
    assert.equal(await page.locator('[data-card="Processor"] .legend li').count(), processes);
    assert.deepEqual(await accessibilityProblems(page), []);

    await page.locator('[data-card="Traffic"] [role=slider]').focus();
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector('[data-card="Traffic"] .chart-tip');
    assert.match(await page.locator('[data-card="Traffic"] [role=slider]').getAttribute("aria-valuetext"), /^\d\d:\d\d/);

    await page.locator(".routes .row-button:text('/v1/chat/completions')").click();
    await page.waitForFunction(() => location.search.includes("route=%2Fv1%2Fchat%2Fcompletions"));
    await page.waitForSelector('[data-card="Latency"] .legend :text("p99")');
  });

  it("holds a time whose address can be shared, and follows the clock again", async () => {
    await open("/monitor?range=6h");
    await page.getByRole("button", { name: "Live" }).click();
    await page.waitForFunction(() => /from=\d+&to=\d+/.test(location.search));
    const held = page.url();
    await page.reload();
    await page.getByRole("button", { name: "Held" }).waitFor();
    assert.equal(page.url(), held);
    await page.getByRole("button", { name: "15 min" }).click();
    await page.waitForFunction(() => location.search === "?range=15m");
    await page.getByRole("button", { name: "Live" }).waitFor();
  });

  it("lists requests and finds those that failed", async () => {
    await open("/monitor/traces");
    await page.waitForSelector(".trace-row:has-text('/v1/chat/completions')");
    assert.equal(await page.locator(".trace-row:has-text('/admin/')").count(), 0);
    assert.ok((await page.locator(".scatter circle").count()) > 1);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.getByLabel("Errors only").check();
    await page.waitForFunction(() => [...document.querySelectorAll("a.trace-row")].every((row) => row.classList.contains("failed")) && document.querySelector("a.trace-row") !== null);
    assert.match(page.url(), /errors=1/);
    await page.fill("#trace-search", "nothing-is-called-like-this");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=No trace matches");
    await page.getByRole("link", { name: "drop the filters" }).click();
    await page.waitForSelector("a.trace-row");
    await page.fill("#trace-search", requests.failed);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".span-row.failed");
    assert.equal(new URL(page.url()).pathname, `/monitor/traces/${requests.failed}`);
  });

  it("shows a request as a tree over time, with each process in its colour", async () => {
    await open(`/monitor/traces/${requests.answered}`);
    await page.waitForSelector("[role=treeitem]");
    const trace = await (await server.api(`/admin/v1/traces/${requests.answered}`)).json();
    const names = new Set(trace.spans.map((span) => span.process));
    assert.equal(await page.locator(".went .legend li").count(), names.size);
    if (processes > 1) assert.ok(names.size > 1, [...names].join());
    assert.ok((await page.locator(".span-line .critical").count()) > 0);
    await page.waitForSelector(".span-row:has-text('Orchestration/Run')");
    assert.deepEqual(await accessibilityProblems(page), []);

    const folded = await page.locator("[role=treeitem]").count();
    await page.getByLabel("Both ends of every call").check();
    await page.waitForFunction((count) => document.querySelectorAll("[role=treeitem]").length === count, trace.spans.length);
    if (processes > 1) assert.ok(folded < trace.spans.length);
  });

  it("is walked with the keyboard, and its address says what was chosen", async () => {
    await open(`/monitor/traces/${requests.answered}`);
    const rows = page.locator("[role=treeitem]");
    await rows.first().focus();
    const all = await rows.count();
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction(() => document.querySelectorAll("[role=treeitem]").length === 1);
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction((count) => document.querySelectorAll("[role=treeitem]").length === count, all);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".span-panel .facts");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.reload();
    await page.waitForSelector(".span-panel .facts");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector(".span-panel") === null);

    await page.getByRole("button", { name: "Flame" }).click();
    assert.equal(await page.locator(".flame-box").count(), all);
    await page.locator(".flame-box").last().click();
    await page.waitForSelector(".span-panel");
    assert.match(page.url(), /view=flame/);
  });

  it("says what a failed request died of, and where", async () => {
    await open(`/monitor/traces/${requests.failed}`);
    const failed = page.locator(".span-row.failed").last();
    await failed.click();
    await page.waitForSelector(".span-panel .warn-text:has-text('UNAVAILABLE')");
    await page.getByRole("link", { name: "Its logs" }).click();
    await page.waitForFunction(() => location.pathname === "/monitor/logs" && /trace=[0-9a-f]{32}/.test(location.search));
  });

  it("says so when a trace is not kept", async () => {
    await open("/monitor/traces/00000000000000000000000000000001");
    await page.waitForSelector("text=This trace is not kept");
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("follows the log, finds what belongs to a request, and changes how much a module says", async (context) => {
    if (!(await has("/admin/v1/logs"))) return context.skip("this build keeps no log");
    await open("/monitor/logs");
    await page.waitForSelector(".log-row .log-message");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.getByRole("button", { name: "Live" }).click();
    const before = await page.locator(".log-row").count();
    await page.getByRole("button", { name: "Levels" }).click();
    await page.getByLabel("Write more of").fill("edge");
    await page.getByRole("button", { name: "Debug it" }).click();
    await page.waitForSelector('select[aria-label="Level of edge"]');
    const levels = await (await server.api("/admin/v1/logs/levels")).json();
    assert.equal(levels.modules.edge, "debug");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.selectOption('select[aria-label="Level of edge"]', "error");
    await page.getByRole("button", { name: "As the others: edge" }).click();
    await page.waitForFunction(() => document.querySelector('select[aria-label="Level of edge"]') === null);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".log-row").count(), before);
    await page.getByRole("button", { name: "Held" }).click();
    await page.goto("/monitor/logs?level=warning");
    await page.waitForSelector(".log-row .log-level");
    assert.deepEqual((await page.locator(".log-level").allInnerTexts()).filter((level) => !/warning|error/.test(level)), []);
  });

  it("shows what the models do", async (context) => {
    if (!(await has("/admin/v1/metrics"))) return context.skip("this build keeps no figures");
    await untilServed("/admin/v1/metrics/query?name=tessera_embedder_texts_total&function=rate", ({ lines }) =>
      lines.some((line) => line.values.some((value) => value > 0)),
    );
    await open("/monitor/models?range=15m");
    await page.waitForSelector('[data-card="Embeddings"] svg path.stroke');
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("shows the objectives, what is left of them, and the alerts", async () => {
    // A target of 99 % has a budget from the hundredth request on; how many were asked before depends on the machine.
    for (let asked = 0; asked < 100; asked += 1) assert.ok((await ask("broken")).status >= 500);
    await untilServed("/admin/v1/slos/chats", (slo) => slo.alerts?.some((alert) => alert.level === "page") && slo.enough_data);
    await open("/monitor/slos");
    const card = (name) => page.locator(`[data-slo=${name}]`);
    await page.waitForSelector("[data-slo=chats]:is([data-state=burning], [data-state=missed])");
    // The one that burns is shown first; few requests make no budget.
    await page.waitForSelector("[data-slo=chats][aria-pressed=true]");
    await page.locator(".slo-fires.page").waitFor();
    // A budget that is used up is a level line, which has no height to be seen by.
    await page.waitForSelector('[data-card="Error budget"] svg path.stroke', { state: "attached" });
    assert.match(await card("chats").locator(".gauge").innerText(), /×/);
    assert.equal(await page.locator(".slo-table tbody tr").count(), 4);
    assert.ok((await page.locator(".slo-table tr.burns").count()) > 0);
    assert.match(await page.locator(".slo-alerts").innerText(), /requests failed in/);
    assert.equal(await card("unasked").locator(".slo-state").innerText(), "Not enough data");
    assert.match(await card("unasked").innerText(), /no requests yet/);
    assert.deepEqual(await accessibilityProblems(page), []);

    await card("quick").click();
    await page.waitForFunction(() => location.search === "?slo=quick");
    await page.waitForSelector("[data-slo=quick][data-state=met]");
    await page.waitForSelector(".slo-detail[aria-label=quick]");
    assert.match(await page.locator(".slo-alerts, .slo-tables .chart-empty").innerText(), /No alert has fired/);
    await page.reload(); // the address says which
    await page.waitForSelector("[data-slo=quick][aria-pressed=true]");
    assert.match(await page.title(), /SLOs/);
  });

  it("shows a young platform's minutes by itself", async () => {
    await open("/monitor");
    await page.getByRole("button", { name: "15 min", pressed: true }).waitFor();
    await page.getByRole("button", { name: "1 h", exact: true }).click();
    await page.waitForFunction(() => location.search === "?range=1h");
  });

  it("fits a phone, in the dark too", async () => {
    for (const address of ["/monitor", "/monitor/traces", `/monitor/traces/${requests.answered}`, "/monitor/logs", "/monitor/models", "/monitor/slos"]) {
      page = await openPage(browser, server, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true });
      await page.goto(address);
      await page.waitForSelector(".monitor-scroll > *");
      await page.waitForFunction(() => document.querySelector(".bones") === null);
      const [wide, wider] = await page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector(".monitor-scroll").scrollWidth]);
      assert.ok(wide <= 390 && wider <= 390, `${address}: ${wide} ${wider}`);
      assert.deepEqual(await accessibilityProblems(page), []);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
    page = undefined;
  });

  it("does not jump while it fills", async () => {
    page = await openPage(browser, server);
    await page.addInitScript(() => {
      window.moved = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
      }).observe({ type: "layout-shift", buffered: true });
    });
    for (const address of ["/monitor", "/monitor/traces"]) {
      await page.goto(address);
      await page.waitForFunction(() => document.querySelector(".monitor-scroll") !== null && document.querySelector(".bones") === null);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      assert.ok((await page.evaluate(() => window.moved)) < 0.1, address);
    }
  });

  it("tells who may not see it what to do", async () => {
    const extraHTTPHeaders = { Authorization: `Bearer ${kReaderKey}` }; // as a proxy in front may add it
    page = await openPage(browser, server, { signedIn: false, extraHTTPHeaders });
    await page.goto("/monitor/traces");
    await page.getByRole("button", { name: "Sign in as the owner" }).waitFor();
    assert.deepEqual(await accessibilityProblems(page), []);
  });
});
