// The page that shows which services share a process, on the real program in a real Chromium. In order: each test begins
// where the one before it left the services.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { accessibilityProblems, launch, openPage } from "./browser.mjs";
import { Server, slowness } from "./server.mjs";

// On a busy machine the new side may be slower for a moment; that is not what is tested here.
const kPatient = `groups:
  all:
    services: [gateway, orchestration, inference, retrieval, dataprep]
move: {step_time: 250ms, p50_max: 1000, p99_max: 1000, slack: 10s}
`;
const kReaderKey = "a-key-that-may-only-read";
const kMoveMs = 60_000 * slowness;

let folder;
let server;
let browser;
let page;

const tray = (name) => page.locator(`[data-tray="${name}"]`);
const tile = (trayName, service) => page.locator(`[data-tile="${trayName}/${service}"]`);
const pidOf = async (name) => Number(await tray(name).locator(".pid").first().innerText());

async function openTopology(options) {
  page = await openPage(browser, server, options);
  await page.getByRole("button", { name: "Topology" }).click();
  await page.waitForSelector(".tile");
}

async function ended(state) {
  await page.waitForSelector(".move:is([data-state=moved], [data-state=rolled_back])", { timeout: kMoveMs });
  assert.equal(await page.locator(".move").getAttribute("data-state"), state, await page.locator(".move").innerText());
}

/** Asks the model all the while; what came of each question. */
class Asking {
  constructor() {
    this.answers = [];
    this.over = false;
    this.done = this.run();
  }

  async run() {
    while (!this.over) {
      const reply = await server.api("/v1/chat/completions", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ model: "rag", messages: [{ role: "user", content: "Who mends the roof?" }] }),
      });
      this.answers.push(reply.status);
      await reply.text();
    }
  }

  async stop() {
    this.over = true;
    await this.done;
    return this.answers;
  }
}

function assertAllAnswered(answers) {
  assert.ok(answers.length > 0);
  assert.deepEqual(answers.filter((status) => status !== 200), []);
}

async function drag(from, to) {
  const [start, end] = [await from.boundingBox(), await to.boundingBox()];
  await page.mouse.move(start.x + 50, start.y + 15);
  await page.mouse.down();
  await page.mouse.move(start.x + 40, start.y + 40, { steps: 3 });
  await page.mouse.move(end.x + end.width / 2, end.y + end.height / 2, { steps: 5 });
}

const heard = (pattern) =>
  page.waitForFunction((source) => [...document.querySelectorAll("[role=status]")].some((one) => new RegExp(source).test(one.textContent)), pattern.source);

describe("the topology's page", { concurrency: false }, () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tessera-topology-"));
    const file = join(folder, "one.yaml");
    await writeFile(file, kPatient);
    const config = join(folder, "tessera.yaml");
    process.env.READER_KEY = kReaderKey;
    await writeFile(config, `server: {api_keys: [{name: reader, key: "\${env:READER_KEY}", scopes: [retrieval.read, inference.read, system.read]}]}\n`);
    server = await Server.create(process.env.TESSERA_PROGRAM, ["--config", config, "--topology", file]);
    server.options = ["--config", config]; // started again, it comes back as it was
    browser = await launch();
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

  it("shows the processes, their services and what calls what", async () => {
    await openTopology();
    assert.equal(new URL(page.url()).pathname, "/topology");
    assert.match(await page.title(), /Together or apart/);
    assert.equal(await page.locator(".tray").count(), 1);
    assert.deepEqual((await page.locator(".tile-name").allInnerTexts()).sort(), [
      "dataprep", "gateway", "inference", "orchestration", "retrieval",
    ]);
    const { groups } = await (await server.api("/admin/v1/topology")).json();
    assert.equal(await pidOf("all"), groups[0].processes[0].pid);
    assert.match(groups[0].processes[0].version, /^\d+\.\d+/);
    await tray("all").getByText(`version ${groups[0].processes[0].version}`).waitFor();
    const asking = new Asking();
    await page.waitForSelector('.busy[data-thread="orchestration retrieval"]');
    assert.match(await page.locator(".thread-label").first().innerText(), /\d\/s[^]* ms · p99 /);
    await page.locator(".calls summary").click();
    const row = page.locator(".calls tr", { hasText: "all: orchestration" }).filter({ hasText: "all: retrieval" });
    assert.match(await row.innerText(), /\/s\s+0 %\s+[\d.]+ ms/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await asking.stop();
    await page.reload(); // the address leads here again
    await page.waitForSelector(".tile");
  });

  it("moves a service that the mouse drags, while chats go on", async () => {
    await openTopology();
    const first = await pidOf("all");
    await drag(tile("all", "inference"), page.locator(".new-process"));
    await page.waitForSelector(".new-process.aimed");
    await page.mouse.up();
    await page.waitForSelector(".plan-steps");
    assert.match(await page.locator(".plan-steps").innerText(), /Move inference from .*all.* to the process inference/);
    assert.deepEqual(await accessibilityProblems(page), []);
    const asking = new Asking();
    await page.getByRole("button", { name: "Move", exact: true }).click();
    await page.waitForSelector(".tile .side-bar"); // both sides show their part of the calls
    assert.deepEqual(await accessibilityProblems(page), []);
    await ended("moved");
    await tile("inference", "inference").waitFor();
    await tile("all", "inference").waitFor({ state: "detached" });
    const apart = await pidOf("inference");
    assert.notEqual(apart, first);
    assert.deepEqual(await accessibilityProblems(page), []);
    assertAllAnswered(await asking.stop());
  });

  it("shows a move that was cancelled, and why; who served goes on serving", async () => {
    await openTopology();
    const asking = new Asking();
    const apart = await pidOf("inference");
    await page.getByRole("button", { name: "All together" }).click();
    await page.getByRole("button", { name: "Move", exact: true }).click();
    await page.getByRole("button", { name: "Cancel the move" }).click();
    await ended("rolled_back");
    assert.match(await page.locator(".move-reason").innerText(), /Everything is where it was before\. Why: The move was cancelled/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.reload();
    await page.waitForSelector(".tile");
    assert.equal(await pidOf("inference"), apart);
    assertAllAnswered(await asking.stop());
  });

  it("undoes a move", async () => {
    await openTopology();
    const asking = new Asking();
    await page.getByRole("button", { name: "Undo" }).click();
    await tile("all", "inference").waitFor({ timeout: kMoveMs });
    await ended("moved");
    await tray("inference").waitFor({ state: "detached" });
    assertAllAnswered(await asking.stop());
  });

  it("moves a service by keyboard, and tells a screen reader", async () => {
    await openTopology();
    const button = page.getByRole("button", { name: /^orchestration/ });
    await button.focus();
    await page.keyboard.press("Enter");
    await heard(/orchestration is picked up, in all/);
    assert.equal(await button.getAttribute("aria-pressed"), "true");
    await page.keyboard.press("ArrowRight");
    await heard(/orchestration over a process of its own, 2 of 2/);
    await page.keyboard.press("Escape");
    await heard(/orchestration stays in all/);
    assert.equal(new URL(page.url()).pathname, "/topology");
    await page.keyboard.press(" ");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".plan-steps");
    await page.keyboard.press("Escape"); // not this time
    await page.waitForSelector("dialog", { state: "detached" });
    assert.equal(await page.locator(".tray").count(), 1);
    await page.keyboard.press(" ");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".plan-steps");
    await page.getByRole("button", { name: "Move", exact: true }).press("Enter");
    await heard(/The move is done/);
    await tile("orchestration", "orchestration").waitFor();
  });

  it("runs a service in more processes, and replaces them", async () => {
    await openTopology();
    const before = await pidOf("orchestration");
    await page.getByRole("button", { name: "One process of orchestration more" }).click();
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await page.waitForFunction(() => document.querySelectorAll('[data-tray="orchestration"] .pid').length === 2, undefined, { timeout: kMoveMs });
    await ended("moved");
    await page.getByRole("button", { name: "Replace orchestration by new processes" }).click();
    await page.getByRole("button", { name: "Replace", exact: true }).click();
    await page.waitForSelector(".tray-mark:has-text('revision 2')", { timeout: kMoveMs });
    await ended("moved");
    await page.waitForFunction(() => document.querySelectorAll('[data-tray="orchestration"] .pid').length === 2);
    assert.ok(!(await tray("orchestration").locator(".pid").allInnerTexts()).map(Number).includes(before));
  });

  it("says why a move cannot be, and what of the gateway", async () => {
    await openTopology();
    await drag(tile("all", "retrieval"), tray("orchestration")); // which has two processes
    await page.mouse.up();
    const refusal = page.locator("dialog [role=alert]");
    await refusal.waitFor();
    assert.match(await refusal.innerText(), /That cannot be done\. .*retrieval keeps state in files and runs once/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.locator("dialog .button").click();
    const gateway = page.getByRole("button", { name: /^gateway/ });
    assert.equal(await gateway.getAttribute("aria-disabled"), "true");
    assert.match(await gateway.innerText(), /stays here: it holds the connections/);
    await gateway.focus();
    await page.keyboard.press("Enter");
    await heard(/The gateway stays here/);
  });

  it("replaces the gateway's process while the page stays in use", async () => {
    await openTopology();
    const before = await pidOf("all");
    const services = page.locator('[data-tray="all"] .tile-name');
    const asking = new Asking();
    await page.getByRole("button", { name: "Replace all by new processes" }).click();
    await page.locator(".plan-steps").filter({ hasText: "Replace the gateway's process (all)" }).waitFor();
    await page.getByRole("button", { name: "Replace", exact: true }).click();
    await page.waitForSelector(".move[data-state=draining]", { timeout: kMoveMs });
    // The move's events came from the old process; the page asks the new one for the rest.
    await ended("moved");
    await page.waitForFunction((pid) => Number(document.querySelector('[data-tray="all"] .pid')?.textContent) !== pid, before, { timeout: kMoveMs });
    assert.equal(await page.locator(".board.stale").count(), 0);
    assert.ok((await services.allInnerTexts()).includes("gateway"));
    await tray("all").getByText("revision 2").waitFor();
    // Signed in as before, without loading the page again.
    await page.getByRole("button", { name: "Back to the chat" }).click();
    await page.fill("#question", "Who mends the roof?");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".exchange:last-child .actions", { timeout: kMoveMs });
    assertAllAnswered(await asking.stop());
  });

  it("shows two versions of a service and their parts of the calls", async () => {
    await openTopology();
    const { yaml } = await (await server.api("/admin/v1/topology")).json();
    const shared = yaml
      .replace("groups:\n", 'groups:\n  canary:\n    services: [inference]\n    revision: "b"\n')
      .replace("move:\n", "versions:\n  inference: {all: 80, canary: 20}\nmove:\n");
    const reply = await server.api("/admin/v1/topology/apply", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ yaml: shared }),
    });
    assert.equal(reply.status, 200, await reply.text());
    await page.waitForSelector(".move.is-shifting, .move.is-draining, .move.is-moved", { timeout: kMoveMs });
    await ended("moved");
    const part = (name) => tile(name, "inference").locator(".side-text", { hasText: "of the calls" });
    await part("canary").waitFor();
    assert.match(await part("canary").innerText(), /^20 % of the calls/);
    assert.match(await part("all").innerText(), /^80 % of the calls/);
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  const kNumber = "Percent of canary in the calls of inference";
  const number = () => page.getByRole("spinbutton", { name: kNumber });
  const slider = () => page.getByRole("slider", { name: "Part of canary in the calls of inference" });
  const apply = () => page.locator(".shares").getByRole("button", { name: "Apply" });
  const hasPart = (name, percent) =>
    tile(name, "inference").locator(".side-text", { hasText: `${percent} % of the calls` }).waitFor({ timeout: kMoveMs });

  it("changes the parts of two versions with a number, while chats go on", async () => {
    await openTopology();
    assert.match(await page.locator(".shares").innerText(), /Calls of inference, by version/);
    assert.equal(await apply().isDisabled(), true);
    const asking = new Asking();
    await number().fill("35");
    assert.equal(await page.getByRole("spinbutton", { name: "Percent of all in the calls of inference" }).inputValue(), "65");
    assert.match(await page.locator('[data-share="canary"]').innerText(), /now 20 %/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await apply().click();
    await page.locator(".plan-steps").waitFor();
    assert.match(await page.locator("dialog h2").innerText(), /Share the calls of inference: .*canary 35 %/);
    assert.match(await page.locator(".plan-steps").innerText(), /Share the calls of inference/);
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await hasPart("canary", 35);
    await hasPart("all", 65);
    await ended("moved");
    assert.equal(await apply().isDisabled(), true);
    assertAllAnswered(await asking.stop());
  });

  it("changes them with the keyboard, in the dark, and takes it back", async () => {
    await openTopology({ colorScheme: "dark" });
    await slider().focus();
    for (let step = 0; step < 5; step += 1) await page.keyboard.press("ArrowLeft");
    assert.equal(await number().inputValue(), "30");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.locator(".shares").getByRole("button", { name: "Reset" }).press("Enter");
    assert.equal(await number().inputValue(), "35");
    await slider().focus();
    await page.keyboard.press("End"); // all of it: the other version stays ready
    assert.equal(await number().inputValue(), "100");
    await apply().press("Enter");
    await page.getByRole("button", { name: "Share", exact: true }).press("Enter");
    await hasPart("canary", 100);
    await hasPart("all", 0);
    await ended("moved");
    await page.locator(".move").getByRole("button", { name: "Undo" }).click();
    await hasPart("canary", 35);
    await ended("moved");
    assert.equal(await number().inputValue(), "35"); // what was applied is no draft any more
  });

  it("changes them on a phone", async () => {
    await openTopology({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), 0);
    const line = page.locator('[data-share="canary"]');
    const box = await slider().boundingBox();
    assert.ok(box.width > 250 && box.height >= 44, JSON.stringify(box));
    await slider().tap({ position: { x: box.width * 0.8, y: box.height / 2 } });
    const wanted = Number(await number().inputValue());
    assert.ok(wanted > 70 && wanted < 90, String(wanted));
    assert.match(await line.innerText(), /now 35 %/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await apply().tap();
    await page.waitForSelector(".plan-steps");
    await page.getByRole("button", { name: "Cancel", exact: true }).tap();
    assert.equal(Number(await number().inputValue()), wanted); // not lost
  });

  it("ends a version by taking its tile away", async () => {
    await openTopology();
    await drag(tile("canary", "inference"), tray("all")); // its calls go back to the other version
    await page.mouse.up();
    assert.match(await page.locator(".plan-steps").innerText(), /Share the calls of inference: the gateway's process/);
    await page.getByRole("button", { name: "Move", exact: true }).click();
    await tray("canary").waitFor({ state: "detached", timeout: kMoveMs });
    await ended("moved");
  });

  it("fits a phone, where a tap picks up and a tap drops", async () => {
    await openTopology({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), 0);
    assert.deepEqual(await accessibilityProblems(page), []);
    await tile("orchestration", "orchestration").tap();
    await page.waitForSelector(".tile.held");
    await tray("all").locator("h2").tap();
    await page.waitForSelector(".plan-steps");
    assert.match(await page.locator(".plan-steps").innerText(), /Move orchestration/);
    await page.getByRole("button", { name: "Cancel", exact: true }).tap();
  });

  it("follows a finger that drags a tile by its dots", async () => {
    await openTopology({ viewport: { width: 390, height: 1400 }, hasTouch: true, isMobile: true });
    const grip = await tile("orchestration", "orchestration").locator(".tile-grip").boundingBox();
    const goal = await tray("all").locator("h2").boundingBox();
    const finger = await page.context().newCDPSession(page);
    const touch = (type, x, y) => finger.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x, y }] });
    await touch("touchStart", grip.x + 10, grip.y + 10);
    await touch("touchMove", grip.x, grip.y - 20);
    await page.waitForSelector(".tile.dragged");
    await touch("touchMove", goal.x + 10, goal.y + 10);
    await page.waitForSelector('[data-tray="all"].aimed');
    await touch("touchEnd");
    await page.waitForSelector(".plan-steps");
    assert.match(await page.locator(".plan-steps").innerText(), /Move orchestration/);
  });

  it("tells who may not see it what to do", async () => {
    const extraHTTPHeaders = { Authorization: `Bearer ${kReaderKey}` }; // as a proxy in front may add it
    page = await openPage(browser, server, { signedIn: false, extraHTTPHeaders });
    await page.goto("/topology");
    await page.getByText("Only the owner may see and change").waitFor();
    await page.getByRole("button", { name: "Sign in as the owner" }).waitFor();
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("says when the server is gone, and goes on when it is back with the same processes", async () => {
    await openTopology({ colorScheme: "dark" });
    assert.deepEqual(await accessibilityProblems(page), []);
    assert.equal(await server.stop(), 0);
    await page.waitForSelector(".board.stale");
    await page.getByText("The picture is not fresh").waitFor();
    await server.start();
    await page.waitForSelector(".board:not(.stale)", { timeout: 20_000 * slowness });
    assert.equal(await tray("orchestration").locator(".pid").count(), 2);
  });
});
