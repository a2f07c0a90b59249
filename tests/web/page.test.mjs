// The page, as a person uses it, on the real program in a real Chromium. In order: each test builds on what the ones
// before it left in the server.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { accessibilityProblems, inSight, launch, openPage } from "./browser.mjs";
import { leasePdf } from "./pdf.mjs";
import { Server, slowness } from "./server.mjs";

const kQuestion = "When does the lease end?";
const lease = { name: "lease.pdf", mimeType: "application/pdf", buffer: leasePdf() };

/** An OpenAI-compatible server of embeddings: letters counted into a few numbers. */
class Embedder {
  static async create() {
    const embedder = new Embedder();
    embedder.texts = 0;
    embedder.http = createServer(async (request, reply) => {
      let body = "";
      for await (const piece of request) body += piece;
      const { input } = JSON.parse(body);
      embedder.texts += input.length;
      const data = input.map((text, index) => {
        const embedding = new Array(8).fill(0.01);
        for (const letter of text.toLowerCase()) embedding[letter.codePointAt(0) % 8] += 1;
        return { index, embedding };
      });
      reply.setHeader("Content-Type", "application/json").end(JSON.stringify({ data }));
    });
    await new Promise((resolve) => embedder.http.listen(0, "127.0.0.1", resolve));
    embedder.url = `http://127.0.0.1:${embedder.http.address().port}/v1`;
    return embedder;
  }

  close() {
    this.http.close();
    this.http.closeAllConnections();
  }
}

let server;
let browser;
let page;

async function ask(question) {
  await page.fill("#question", question);
  await page.keyboard.press("Enter");
}

async function answered() {
  await page.waitForSelector(".exchange:last-child .actions", { timeout: 60_000 * slowness });
}

async function addFiles(...files) {
  await page.setInputFiles(".documents input[type=file]", files);
  for (const file of files) await page.waitForSelector(`.upload:has([title="${file.name}"]):is(.done, .failed, .unchanged)`, { timeout: 60_000 * slowness });
}

describe("the page", { concurrency: false }, () => {
  before(async () => {
    server = await Server.create(process.env.TESSERA_PROGRAM);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.destroy();
  });
  afterEach(async () => {
    const complaints = page?.complaints ?? [];
    await page?.context().close();
    page = undefined;
    assert.deepEqual(complaints, []);
  });

  it("asks for the owner key, says when it is wrong, and keeps the session in a cookie that scripts cannot read", async () => {
    page = await openPage(browser, server, { signedIn: false });
    await page.goto("/");
    await page.waitForSelector("#key");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.fill("#key", "not-the-key");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#key-problem:not([hidden])");
    await page.fill("#key", server.key);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#question");
    const cookie = (await page.context().cookies()).find((one) => one.name === "tessera_session");
    assert.equal(cookie?.httpOnly, true);
    assert.equal(cookie?.sameSite, "Strict");
    assert.equal(await page.evaluate(() => document.cookie), "");
  });

  it("signs in by the one-time link, once", async () => {
    page = await openPage(browser, server, { signedIn: false });
    const link = server.loginLink();
    assert.ok(link, `a link in: ${server.output}`);
    await page.goto(link);
    await page.waitForSelector("#question");
    assert.equal(new URL(page.url()).pathname, "/");
    const other = await browser.newContext();
    const again = await other.newPage();
    await again.goto(link);
    assert.equal((await other.cookies()).length, 0);
    await other.close();
  });

  it("teaches when it is empty, without anything inline or from elsewhere", async () => {
    page = await openPage(browser, server);
    await page.waitForSelector("text=Ask your own documents");
    const answer = await page.request.get("/");
    const policy = answer.headers()["content-security-policy"] ?? "";
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/);
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("takes a PDF by drag and drop and shows that it is ready", async () => {
    page = await openPage(browser, server);
    const transfer = await page.evaluateHandle((bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "lease.pdf", { type: "application/pdf" }));
      return data;
    }, [...lease.buffer]);
    await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
    await page.waitForSelector(".drop-over");
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
    await page.waitForSelector(".upload.done", { timeout: 60_000 * slowness });
    const row = page.locator(".document", { hasText: "lease.pdf" });
    await row.waitFor();
    assert.match(await row.innerText(), /5 pages/);
  });

  it("streams a cited answer, and a click on the citation shows the passage, marked", async () => {
    page = await openPage(browser, server);
    await ask(kQuestion);
    await answered();
    const answer = page.locator(".exchange:last-child .answer");
    assert.match(await answer.innerText(), /28 February 2029/);
    await answer.locator("a.chip").first().click();
    const mark = page.locator(".viewer mark").first();
    await mark.waitFor();
    assert.equal(await inSight(mark), true);
    assert.match(await page.locator(".viewer mark").allInnerTexts().then((all) => all.join("")), /28 February 2029/);
    assert.match(await page.locator(".viewer").innerText(), /Page 3/);
    assert.match(page.url(), /\/documents\/[^/?]+\?chunk=\d+&start=\d+&end=\d+$/);
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("keeps the passage, the chat and its sources over a reload, and shares the address", async () => {
    page = await openPage(browser, server);
    await ask(kQuestion);
    await answered();
    await page.locator(".source").first().click();
    await page.waitForSelector(".viewer mark");
    await page.reload();
    const mark = page.locator(".viewer mark").first();
    await mark.waitFor();
    assert.equal(await inSight(mark), true);
    assert.match(await page.locator(".exchange .answer").innerText(), /28 February 2029/);
    const stranger = await openPage(browser, server);
    await stranger.goto(page.url());
    await stranger.waitForSelector(".viewer mark");
    assert.deepEqual(stranger.complaints, []);
    await stranger.context().close();
    await page.keyboard.press("Escape");
    await page.waitForSelector(".viewer", { state: "detached" });
    assert.equal(await page.locator(".exchange").count(), 1);
  });

  it("says so when nothing was found, instead of inventing", async () => {
    page = await openPage(browser, server);
    await ask("Which enzyme splits lactose in the small intestine of mammals?");
    await answered();
    await page.waitForSelector(".exchange:last-child .note");
    assert.equal(await page.locator(".exchange:last-child .source").count(), 0);
  });

  it("stops an answer, and the next question works", async () => {
    page = await openPage(browser, server);
    await page.selectOption(".composer select", { label: "No documents" });
    await ask("Tell me a very long story about a miller, a potter and the sea.");
    await page.waitForSelector(".answer.streaming .prose");
    await page.click("button[aria-label='Stop the answer']");
    await page.waitForSelector("text=Stopped");
    await page.waitForSelector("button[aria-label='Send']");
    await page.selectOption(".composer select", { label: "default" });
    await ask(kQuestion);
    await answered();
    assert.match(await page.locator(".exchange:last-child .answer").innerText(), /2029/);
  });

  it("remembers conversations: search, rename, delete, undo", async () => {
    page = await openPage(browser, server);
    await ask(kQuestion);
    await answered();
    await page.keyboard.press("Escape");
    await page.locator(".new-chat").click();
    await ask("How much is the monthly rent?");
    await answered();
    await page.reload();
    await page.waitForSelector(".chat-item");
    assert.equal(await page.locator(".chat-item").count(), 2);
    await page.fill("#chat-search", "february");
    assert.deepEqual(await page.locator(".chat-item a").allInnerTexts(), [kQuestion]);
    await page.fill("#chat-search", "");
    const item = page.locator(".chat-item", { hasText: kQuestion });
    await item.hover();
    await item.getByRole("button", { name: /^Rename/ }).click();
    await page.fill(".rename", "The end of the lease");
    await page.keyboard.press("Enter");
    const renamed = page.locator(".chat-item", { hasText: "The end of the lease" });
    await renamed.hover();
    await renamed.getByRole("button", { name: /^Delete/ }).click();
    await renamed.waitFor({ state: "detached" });
    await page.click(".notice >> text=Undo");
    await renamed.waitFor();
    await page.reload();
    await renamed.waitFor();
  });

  it("tells what is wrong with a file and takes the others", async () => {
    page = await openPage(browser, server);
    await addFiles(
      { name: "broken.pdf", mimeType: "application/pdf", buffer: lease.buffer.subarray(0, 300) },
      { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes\n\nThe kiln is fired on Fridays.\n") },
    );
    const failed = page.locator(".upload.failed");
    assert.equal(await failed.count(), 1);
    assert.match(await failed.innerText(), /broken\.pdf/);
    assert.ok((await failed.locator(".meta").innerText()).length > 15);
    await page.locator(".document", { hasText: "notes.md" }).waitFor();
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("filters and sorts documents, makes and deletes collections", async () => {
    page = await openPage(browser, server);
    await page.fill(".documents .tools input", "lea");
    assert.deepEqual(await page.locator(".document-name").allInnerTexts(), ["lease.pdf"]);
    await page.fill(".documents .tools input", "");
    await page.selectOption(".tools select", "name");
    assert.deepEqual(await page.locator(".document-name").allInnerTexts(), ["lease.pdf", "notes.md"]);
    await page.getByRole("button", { name: "New collection" }).click();
    await page.fill("#collection-name", "Not A Name");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#collection-hint.error");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.fill("#collection-name", "kilns");
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog", { state: "detached" });
    assert.equal(await page.locator(".collection-bar select").inputValue(), "kilns");
    await page.getByRole("button", { name: "Delete the collection kilns" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForFunction(() => document.querySelector(".collection-bar select")?.value === "default");
    assert.equal((await server.api("/api/v1/collections/kilns")).status, 404);
  });

  it("deletes a document after a while in which it can be undone", async () => {
    page = await openPage(browser, server);
    const row = page.locator(".document", { hasText: "notes.md" });
    await row.hover();
    await row.getByRole("button", { name: /^Delete/ }).click();
    await row.waitFor({ state: "detached" });
    await page.click(".notice >> text=Undo");
    await row.waitFor();
    await row.hover();
    await row.getByRole("button", { name: /^Delete/ }).click();
    await page.waitForResponse((answer) => answer.request().method() === "DELETE" && answer.ok(), { timeout: 20_000 * slowness });
    const listed = await (await server.api("/api/v1/collections/default/documents")).json();
    assert.deepEqual(listed.documents.map((document) => document.name), ["lease.pdf"]);
  });

  it("is dark when the system is, or when told to be", async () => {
    page = await openPage(browser, server, { colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
    assert.ok((await ground()).every((channel) => channel < 60));
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.selectOption("#theme", "light");
    assert.ok((await ground()).every((channel) => channel > 200));
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.reload();
    await page.waitForSelector("#question");
    assert.ok((await ground()).every((channel) => channel > 200));
  });

  it("fits a phone", async () => {
    page = await openPage(browser, server, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await ask(kQuestion);
    await answered();
    assert.equal(await overflow(), 0);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.locator("a.chip").first().tap();
    const mark = page.locator(".viewer mark").first();
    await mark.waitFor();
    assert.equal(await inSight(mark), true);
    assert.equal(await page.locator("#question").isVisible(), false);
    assert.equal(await overflow(), 0);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.getByRole("button", { name: "Close the document" }).tap();
    await page.locator("#question").waitFor();
    await page.locator(".topbar >> text=Documents").tap();
    await page.waitForSelector(".document");
    assert.equal(await overflow(), 0);
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.goBack();
    await page.locator("#question").waitFor();
    await page.getByRole("button", { name: "Show conversations" }).tap();
    await page.locator(".sidebar .chat-item").first().waitFor();
    assert.deepEqual(await accessibilityProblems(page), []);
  });

  it("works by keyboard alone", async () => {
    page = await openPage(browser, server);
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.className || "");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "skip");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "question");
    await page.keyboard.type(kQuestion);
    await page.keyboard.press("Enter");
    await answered();
    for (let steps = 0; (await focused()) !== "chip" && steps < 40; steps += 1) await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(), "chip");
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(ring, "solid");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".viewer mark");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement?.id === "question");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab"); // past the choice of a collection, where keys choose
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open] .shortcuts");
    for (let steps = 0; steps < 6; steps += 1) {
      await page.keyboard.press("Tab");
      const outside = await page.evaluate(() => document.activeElement !== document.body && document.activeElement.closest("dialog") === null);
      assert.equal(outside, false, "the focus stays in the dialog");
    }
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    await page.waitForFunction(() => document.activeElement !== document.body); // the focus is back where it was
    await page.keyboard.press("/");
    await page.waitForFunction(() => document.activeElement?.id === "question");
  });

  it("leaves the focus where a person has gone after a dialog", async () => {
    page = await openPage(browser, server);
    await page.locator(".composer button").first().focus();
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    // A browser may close a dialog without asking the page; the question field is taken before the page has noticed.
    await page.evaluate(() => {
      document.querySelector("dialog").close();
      document.getElementById("question").focus();
    });
    await page.waitForSelector("dialog", { state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement?.id), "question");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("?"); // it opens again
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    assert.match(await page.evaluate(() => document.activeElement.className), /button/); // back where it was
  });

  it("tells a screen reader what happens", async () => {
    page = await openPage(browser, server);
    assert.equal(await page.locator("[role=log]").count(), 1);
    await ask(kQuestion);
    await page.waitForFunction(() => [...document.querySelectorAll("[role=status]")].some((one) => /Answer complete, \d+ source/.test(one.textContent)));
  });

  it("says when the server is gone, and goes on when it is back", async () => {
    page = await openPage(browser, server);
    assert.equal(await server.stop(), 0);
    await ask(kQuestion);
    await page.waitForSelector(".banner");
    await page.waitForSelector(".exchange .note.error");
    await server.start();
    await page.waitForSelector(".banner", { state: "detached", timeout: 15_000 * slowness });
    assert.equal(await page.locator("#key").count(), 0); // the browser stays signed in
    await page.getByRole("button", { name: "Try again" }).click();
    await page.waitForSelector(".exchange a.chip", { timeout: 60_000 * slowness });
  });

  it("offers to embed a collection anew when another embedder is configured", async () => {
    const embedder = await Embedder.create();
    const config = join(server.data, "words.yaml");
    await writeFile(config, `services: {inference: {embedder: words, models: {words: {kind: embedder, base_url: "${embedder.url}", dimension: 8}}}}`);
    assert.equal(await server.stop(), 0);
    server.options = ["--config", config];
    await server.start();
    page = await openPage(browser, server);
    const offer = page.getByRole("button", { name: "embed it anew" });
    await offer.waitFor();
    assert.match(await page.locator(".note", { has: offer }).textContent(), /embedded by minilm; words is configured now/);
    assert.deepEqual(await accessibilityProblems(page), []);
    await ask(kQuestion); // the old vectors serve meanwhile
    await answered();
    assert.equal(embedder.texts, 0);
    await offer.click();
    await page.getByText("default has new vectors.").waitFor();
    await offer.waitFor({ state: "detached" });
    assert.ok(embedder.texts > 0);
    await ask(kQuestion);
    await answered();
    await page.waitForSelector(".exchange:last-child a.chip");
    embedder.close();
  });
});
