import { computed, signal } from "@preact/signals";
import { cancelJob, listJobs, watchJob } from "../api/client";
import { type ApiError, asApiError, isAbort, sentence } from "../api/errors";
import type { Job, SourceProgress } from "../api/types";
import { upload } from "../api/upload";
import { refreshDocuments } from "./documents";
import { newId } from "./ids";
import { say } from "./notices";
import { refreshCollections } from "./server";
import { settings } from "./settings";

export type Phase =
  "waiting" | "sending" | "reading" | "done" | "unchanged" | "failed" | "cancelled";

/** One file or link on its way to being searchable. */
export interface Item {
  readonly id: string;
  readonly name: string;
  readonly collection: string;
  readonly bytes: number;
  readonly phase: Phase;
  /** Of the bytes sent, [0, 1]. */
  readonly sent: number;
  readonly pages: number;
  readonly chunks: number;
  readonly documentId: string;
  readonly error: string;
  readonly jobId: string;
}

interface Batch {
  readonly ids: readonly string[];
  readonly collection: string;
  readonly files: readonly File[];
  readonly links: readonly string[];
}

export const items = signal<readonly Item[]>([]);
export const active = computed(() => items.value.filter((item) => !isOver(item.phase)));

const kBatchFiles = 16;
const kBatchBytes = 64 << 20;
const kItemsMost = 500;
const queue: Batch[] = [];
const stoppers = new Map<string, AbortController>();
let sending = false;

export function isOver(phase: Phase): boolean {
  return phase === "done" || phase === "unchanged" || phase === "failed" || phase === "cancelled";
}

function change(id: string, to: Partial<Item>): void {
  items.value = items.value.map((item) => (item.id === id ? { ...item, ...to } : item));
}

function newItem(name: string, bytes: number, collection: string): Item {
  return {
    id: newId(),
    name,
    collection,
    bytes,
    phase: "waiting",
    sent: 0,
    pages: 0,
    chunks: 0,
    documentId: "",
    error: "",
    jobId: "",
  };
}

/** Adds files to the current collection: small ones travel together, a large one alone. */
export function addFiles(files: readonly File[]): void {
  const { collection } = settings.value;
  let group: { ids: string[]; files: File[]; bytes: number } = { ids: [], files: [], bytes: 0 };
  const flush = () => {
    if (group.files.length > 0)
      queue.push({ ids: group.ids, files: group.files, links: [], collection });
    group = { ids: [], files: [], bytes: 0 };
  };
  const made: Item[] = [];
  for (const file of files) {
    if (group.files.length >= kBatchFiles || group.bytes + file.size > kBatchBytes) flush();
    const item = newItem(file.webkitRelativePath || file.name, file.size, collection);
    made.push(item);
    group.ids.push(item.id);
    group.files.push(file);
    group.bytes += file.size;
  }
  flush();
  enqueue(made);
}

export function addLinks(links: readonly string[]): void {
  const { collection } = settings.value;
  const made = links.map((link) => newItem(link, 0, collection));
  queue.push({ ids: made.map((item) => item.id), files: [], links, collection });
  enqueue(made);
}

function enqueue(made: readonly Item[]): void {
  if (made.length === 0) return;
  items.value = [...made, ...items.value].slice(0, kItemsMost);
  say(made.length === 1 ? `Adding ${made[0]?.name ?? ""}.` : `Adding ${made.length} files.`);
  if (!sending) void sendAll();
}

async function sendAll(): Promise<void> {
  sending = true;
  for (let batch = queue.shift(); batch !== undefined; batch = queue.shift())
    await sendBatch(batch);
  sending = false;
}

/** Shares the bytes sent of a whole batch out to its files, in their order. */
export function sharesOf(sizes: readonly number[], sent: number): number[] {
  let left = sent;
  return sizes.map((size) => {
    const share = size === 0 ? (left > 0 ? 1 : 0) : Math.max(0, Math.min(1, left / size));
    left -= size;
    return share;
  });
}

async function sendBatch(batch: Batch): Promise<void> {
  const wanted = batch.ids.filter((id) =>
    items.value.some((item) => item.id === id && item.phase === "waiting"),
  );
  if (wanted.length === 0) return;
  const files = batch.files.filter((_, index) => wanted.includes(batch.ids[index] ?? ""));
  const links = batch.links.filter((_, index) => wanted.includes(batch.ids[index] ?? ""));
  const stopper = new AbortController();
  for (const id of wanted) {
    stoppers.set(id, stopper);
    change(id, { phase: "sending" });
  }
  const progress = (bytes: number) => {
    const shares = sharesOf(
      files.map((file) => file.size),
      bytes,
    );
    wanted.forEach((id, index) => change(id, { sent: shares[index] ?? 1 }));
  };
  try {
    const job = await upload(batch.collection, files, links, progress, stopper.signal);
    for (const id of wanted) change(id, { phase: "reading", sent: 1, jobId: job.id });
    void follow(job, wanted);
  } catch (error) {
    if (isAbort(error)) {
      for (const id of wanted) change(id, { phase: "cancelled" });
    } else if (files.length > 1 && asApiError(error).failure === "too_large") {
      // Together they were too much; one by one the server says which.
      for (const id of wanted) change(id, { phase: "waiting" });
      queue.unshift(
        ...wanted.map((id, index) => ({
          ids: [id],
          files: files.slice(index, index + 1),
          links: [],
          collection: batch.collection,
        })),
      );
    } else {
      fail(wanted, asApiError(error));
    }
  }
}

function fail(ids: readonly string[], error: ApiError): void {
  for (const id of ids) change(id, { phase: "failed", error: `${error.message} ${error.advice}` });
  say(`${error.message} ${error.advice}`);
}

function phaseOf(source: SourceProgress): Phase {
  return source.state === "queued" || source.state === "running" ? "reading" : source.state;
}

const kAdvice: Record<string, string> = {
  encrypted: "It is protected by a password. Save a copy without one and add that.",
  truncated: "The file is incomplete. Copy or download it again.",
  unsupported: "This kind of file cannot be read. Save it as PDF or text and add that.",
  too_large: "It is larger than this server accepts.",
  zip_bomb: "The archive unpacks to far more than its size, so it was refused.",
  no_text:
    "It holds pictures of text only. Install tesseract-ocr on the server, then add it again.",
};

/** What went wrong with a file and what to do about it. */
export function reasonOf(source: Pick<SourceProgress, "error" | "errorCode">): string {
  const advice = kAdvice[source.errorCode] ?? "";
  if (source.error === "") return advice || "It could not be read.";
  return sentence(source.error);
}

/** Carries what a job says over to the items that wait for it, by name; what an archive held gets items of its own. */
function applyJob(job: Job, ids: readonly string[]): void {
  const mine = new Map(
    items.value
      .filter((item) => ids.includes(item.id) || item.jobId === job.id)
      .map((item) => [item.name, item]),
  );
  const extra: Item[] = [];
  for (const source of job.progress) {
    const known =
      mine.get(source.name) ??
      (ids.length === 1 && job.sources <= 1 ? [...mine.values()][0] : undefined);
    const item = known ?? { ...newItem(source.name, source.bytes, job.collection), jobId: job.id };
    const next: Item = {
      ...item,
      phase: phaseOf(source),
      sent: 1,
      pages: source.pagesDone,
      chunks: source.chunks,
      documentId: source.documentId,
      error: source.state === "failed" ? reasonOf(source) : "",
    };
    if (known === undefined) extra.push(next);
    else change(item.id, next);
  }
  if (extra.length > 0) items.value = [...extra, ...items.value].slice(0, kItemsMost);
}

/** After a job ended its items have too, also those that it did not list (it lists at most 1000). */
function finish(job: Job, ids: readonly string[]): void {
  const phase: Phase = job.state === "cancelled" ? "cancelled" : "done";
  for (const item of items.value) {
    if ((ids.includes(item.id) || item.jobId === job.id) && !isOver(item.phase))
      change(item.id, { phase });
  }
  const added = `${job.succeeded} ${job.succeeded === 1 ? "document is" : "documents are"} ready`;
  say(job.failed > 0 ? `${added}, ${job.failed} failed.` : `${added}.`);
}

async function follow(job: Job, ids: readonly string[]): Promise<void> {
  const stopper = new AbortController();
  let last = job;
  try {
    let seen = 0;
    for await (const now of watchJob(job.id, stopper.signal)) {
      last = now;
      applyJob(now, ids);
      if (now.succeeded > seen) {
        seen = now.succeeded;
        void refreshDocuments();
      }
    }
    finish(last, ids);
  } catch (error) {
    fail(ids, asApiError(error));
  }
  await Promise.all([refreshDocuments(), refreshCollections().catch(() => undefined)]);
}

/** Takes up the jobs that were running when the page was loaded. */
export async function resumeJobs(): Promise<void> {
  const running = (await listJobs().catch(() => [])).filter(
    (job) => job.state === "queued" || job.state === "running",
  );
  for (const job of running) {
    if (items.value.some((item) => item.jobId === job.id)) continue;
    applyJob(job, []);
    void follow(job, []);
  }
}

/** Stops an item: the sending of its batch, or the job that reads it. */
export function cancel(item: Item): void {
  if (item.phase === "waiting") change(item.id, { phase: "cancelled" });
  else if (item.phase === "sending") stoppers.get(item.id)?.abort();
  else if (item.jobId !== "")
    void cancelJob(item.jobId).catch((error: unknown) => fail([item.id], asApiError(error)));
}

/** Forgets an item that is over. */
export function clear(id: string): void {
  items.value = items.value.filter((item) => item.id !== id);
}

export function clearOver(): void {
  items.value = items.value.filter((item) => !isOver(item.phase));
}
