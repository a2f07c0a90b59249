import { computed, signal } from "@preact/signals";
import { cancelJob, listJobs, watchJob } from "../api/client";
import { type ApiError, asApiError, isAbort } from "../api/errors";
import type { Job } from "../api/types";
import { upload } from "../api/upload";
import { refreshDocuments } from "./documents";
import { say } from "./notices";
import { refreshCollections } from "./server";
import { settings } from "./settings";
import {
  isOver,
  type Item,
  kItemsMost,
  newItem,
  outcomeOf,
  sharesOf,
  withEnded,
  withJob,
} from "./upload_items";

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
const queue: Batch[] = [];
const stoppers = new Map<string, AbortController>();
let sending = false;

function change(id: string, to: Partial<Item>): void {
  items.value = items.value.map((item) => (item.id === id ? { ...item, ...to } : item));
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

async function follow(job: Job, ids: readonly string[]): Promise<void> {
  const stopper = new AbortController();
  let last = job;
  try {
    let seen = 0;
    for await (const now of watchJob(job.id, stopper.signal)) {
      last = now;
      items.value = withJob(items.value, now, ids);
      if (now.succeeded > seen) {
        seen = now.succeeded;
        void refreshDocuments();
      }
    }
    items.value = withEnded(items.value, last, ids);
    say(outcomeOf(last));
  } catch (error) {
    fail(ids, asApiError(error));
  }
  await Promise.all([refreshDocuments(), refreshCollections().catch(() => undefined)]);
}

/** Takes up the jobs that were running when the page was loaded. */
export async function resumeJobs(): Promise<void> {
  const running = (await listJobs().catch(() => [])).filter(
    (job) => job.kind === "ingest" && (job.state === "queued" || job.state === "running"),
  );
  for (const job of running) {
    if (items.value.some((item) => item.jobId === job.id)) continue;
    items.value = withJob(items.value, job, []);
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
