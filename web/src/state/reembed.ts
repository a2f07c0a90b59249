import { computed, signal } from "@preact/signals";
import { listJobs, startReembed, watchJob } from "../api/client";
import { differingEmbedder } from "../api/embedder";
import type { Job } from "../api/types";
import { notify } from "./notices";
import { collection, refreshCollections, system } from "./server";

/** The job that embeds a collection anew, while it runs. */
export const reembedding = signal<Job | undefined>(undefined);

export const newEmbedder = computed(() => differingEmbedder(collection.value, system.value));

async function follow(job: Job): Promise<void> {
  reembedding.value = job;
  let last = job;
  try {
    for await (const now of watchJob(job.id, new AbortController().signal)) {
      last = now;
      reembedding.value = now;
    }
  } finally {
    reembedding.value = undefined;
  }
  await refreshCollections();
  const failed = last.progress.find((source) => source.state === "failed");
  if (failed === undefined) notify(`${job.collection} has new vectors.`);
  else
    notify(`${job.collection} keeps its vectors. ${failed.error}`, {
      tone: "error",
    });
}

/** Starts to embed a collection anew with the configured embedder. */
export async function reembed(name: string): Promise<void> {
  await follow(await startReembed(name));
}

/** Takes up a job that was running when the page was loaded. */
export async function resumeReembed(name: string): Promise<void> {
  if (reembedding.value !== undefined) return;
  const jobs = await listJobs().catch(() => []);
  const running = jobs.find(
    (job) =>
      job.kind === "reembed" &&
      job.collection === name &&
      (job.state === "queued" || job.state === "running"),
  );
  if (running !== undefined) await follow(running).catch(() => undefined);
}
