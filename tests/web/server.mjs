// The real program on a free port with a data folder of its own.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The topology in the file that TESSERA_TEST_TOPOLOGY names; none: as it comes. */
function topologyOptions() {
  const file = process.env.TESSERA_TEST_TOPOLOGY;
  return file ? ["--topology", file] : [];
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function ready(url, exited) {
  const until = Date.now() + 60_000 * slowness;
  while (Date.now() < until) {
    if (exited()) throw new Error("the program ended before it was ready");
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("not ready in time");
}

// Of a program that a sanitizer watches.
export const slowness = Number(process.env.TESSERA_TEST_SLOWNESS ?? "1");

export class Server {
  static async create(program, options = []) {
    const server = new Server();
    server.program = program;
    server.options = options;
    server.data = await mkdtemp(join(tmpdir(), "tessera-web-"));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    await server.start();
    return server;
  }

  async start() {
    this.output = "";
    this.process = spawn(this.program, ["up", "--data", this.data, "--http", `127.0.0.1:${this.port}`, ...topologyOptions(), ...this.options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let gone = false;
    this.ended = new Promise((resolve) => {
      this.process.once("exit", (code) => {
        gone = true;
        resolve(code);
      });
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (piece) => {
        this.output = (this.output + piece).slice(-100_000);
      });
    }
    await ready(this.url, () => gone).catch((error) => {
      throw new Error(`${error.message}\n${this.output}`);
    });
    this.key = (await readFile(join(this.data, "owner.key"), "utf8")).trim();
  }

  /** Ends it as an operator would; the exit status. */
  async stop() {
    this.process.kill("SIGTERM");
    return this.ended;
  }

  /** The one-time link that it printed. */
  loginLink() {
    return /https?:\/\/\S*\/login\?token=\S+/.exec(this.output)?.[0];
  }

  async api(path, init = {}) {
    return fetch(this.url + path, { ...init, headers: { Authorization: `Bearer ${this.key}`, ...init.headers } });
  }

  async destroy() {
    if (this.process.exitCode === null) await this.stop();
    await rm(this.data, { recursive: true, force: true });
    if (/Sanitizer|runtime error:/.test(this.output)) throw new Error(this.output);
  }
}
