// Debian's Chromium, quiet about everything but the page.

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { slowness } from "./server.mjs";

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** A new browser profile on the server's page; everything that the page complains about is kept in `complaints`. */
export async function openPage(browser, server, { signedIn = true, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: server.url, ...options });
  context.setDefaultTimeout(30_000 * slowness);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => {
    const expected = /Failed to load resource/.test(message.text());
    if (message.type() === "error" && !expected) page.complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) page.complaints.push(`asked ${request.url()}`);
  });
  if (signedIn) {
    const answer = await context.request.post("/api/v1/session", { data: { key: server.key } });
    if (!answer.ok()) throw new Error(`sign-in failed: ${answer.status()} ${await answer.text()}`);
    await page.goto("/");
    await page.waitForSelector("#question");
  }
  return page;
}

const axePath = createRequire(import.meta.url).resolve("axe-core");
let axeSource;

/** What axe-core finds wrong with the page as it is now. */
export async function accessibilityProblems(page) {
  axeSource ??= await readFile(axePath, "utf8");
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run();
    return violations.map((found) => `${found.id}: ${found.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
}

/** True when the element is inside the visible part of the window. */
export function inSight(locator) {
  return locator.evaluate((element) => {
    const box = element.getBoundingClientRect();
    return box.height > 0 && box.top >= 0 && box.bottom <= window.innerHeight && box.left >= 0 && box.right <= window.innerWidth;
  });
}
