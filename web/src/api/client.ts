import { decodeChunk, decodeCollection, decodeDocument, decodeJob, decodeSystem } from "./decode";
import { httpError, isAbort, networkError } from "./errors";
import { fields, list, number, parse, text } from "./json";
import { readEvents } from "./sse";
import type { Chunk, Collection, Document, Job, System } from "./types";

type Listener = () => void;
let onSignInNeeded: Listener = () => undefined;
let onReach: (reachable: boolean) => void = () => undefined;

/** Who is told that the server wants a key, and whether it could be reached at the last request. */
export function observe(signInNeeded: Listener, reach: (reachable: boolean) => void): void {
  onSignInNeeded = signInNeeded;
  onReach = reach;
}

export function reportSignInNeeded(): void {
  onSignInNeeded();
}

/** One request. Throws ApiError, or the AbortError of its signal. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (isAbort(error)) throw error;
    onReach(false);
    throw networkError();
  }
  onReach(true);
  if (response.ok) return response;
  if (response.status === 401) onSignInNeeded();
  throw httpError(
    response.status,
    await response.text().catch(() => ""),
    response.headers.get("Retry-After"),
  );
}

export function json(body: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

async function get(path: string, signal?: AbortSignal): Promise<unknown> {
  const response = await send(path, signal === undefined ? {} : { signal });
  return parse(await response.text());
}

const segment = encodeURIComponent;

export async function getSystem(): Promise<System> {
  return decodeSystem(await get("/api/v1/system"));
}

export async function signIn(key: string): Promise<void> {
  await send("/api/v1/session", json({ key }));
}

export async function signOut(): Promise<void> {
  await send("/api/v1/session", { method: "DELETE" });
}

export async function listCollections(): Promise<Collection[]> {
  return list(fields(await get("/api/v1/collections")), "collections").map(decodeCollection);
}

export async function createCollection(name: string): Promise<Collection> {
  const response = await send("/api/v1/collections", json({ name }));
  return decodeCollection(parse(await response.text()));
}

/** Makes the vectors of a collection anew with the configured embedder, as a job. */
export async function startReembed(name: string): Promise<Job> {
  const response = await send(`/api/v1/collections/${segment(name)}/reembed`, json({}));
  return decodeJob(parse(await response.text()));
}

export async function deleteCollection(name: string): Promise<void> {
  await send(`/api/v1/collections/${segment(name)}`, { method: "DELETE" });
}

const kDocumentsShown = 5000;

/** Every document of a collection, up to 5,000 of them. */
export async function listDocuments(collection: string, signal?: AbortSignal): Promise<Document[]> {
  const documents: Document[] = [];
  let token = "";
  do {
    const query = new URLSearchParams({ limit: "1000" });
    if (token !== "") query.set("page_token", token);
    const page = fields(
      await get(`/api/v1/collections/${segment(collection)}/documents?${query}`, signal),
    );
    documents.push(...list(page, "documents").map(decodeDocument));
    token = text(page, "next_page_token");
  } while (token !== "" && documents.length < kDocumentsShown);
  return documents;
}

export async function getDocument(id: string, signal?: AbortSignal): Promise<Document> {
  return decodeDocument(await get(`/api/v1/documents/${segment(id)}`, signal));
}

export async function deleteDocument(id: string, keepalive = false): Promise<void> {
  await send(`/api/v1/documents/${segment(id)}`, { method: "DELETE", keepalive });
}

export interface ChunkPage {
  readonly chunks: readonly Chunk[];
  readonly total: number;
}

export async function listChunks(
  id: string,
  first: number,
  limit: number,
  signal?: AbortSignal,
): Promise<ChunkPage> {
  const query = new URLSearchParams({ first: String(first), limit: String(limit) });
  const page = fields(await get(`/api/v1/documents/${segment(id)}/chunks?${query}`, signal));
  return { chunks: list(page, "chunks").map(decodeChunk), total: number(page, "total") };
}

export function originalUrl(id: string, page = 0): string {
  return `/api/v1/documents/${segment(id)}/original${page > 0 ? `#page=${page}` : ""}`;
}

export async function listJobs(): Promise<Job[]> {
  return list(fields(await get("/api/v1/jobs?limit=20")), "jobs").map(decodeJob);
}

export async function cancelJob(id: string): Promise<Job> {
  return decodeJob(
    parse(await (await send(`/api/v1/jobs/${segment(id)}/cancel`, json({}))).text()),
  );
}

/** A job now and after every change, until it has ended. */
export async function* watchJob(id: string, signal: AbortSignal): AsyncGenerator<Job> {
  const response = await send(`/api/v1/jobs/${segment(id)}/events`, { signal });
  if (response.body === null) return;
  for await (const event of readEvents(response.body)) yield decodeJob(parse(event.data));
}
