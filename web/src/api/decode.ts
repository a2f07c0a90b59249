import { passageAt } from "./address";
import { type Fields, fields, flag, list, number, text, word } from "./json";
import type {
  Chunk,
  Citation,
  Collection,
  Document,
  Job,
  JobState,
  Model,
  SourceProgress,
  SourceState,
  System,
} from "./types";

export function decodeModel(value: unknown): Model {
  const from = fields(value);
  return {
    name: text(from, "name"),
    kind: word(from, "kind", "model_kind_"),
    backend: text(from, "backend"),
    digest: text(from, "digest"),
    isDefault: flag(from, "is_default"),
    demo: flag(from, "demo"),
    contextTokens: number(from, "context_tokens"),
    description: text(from, "description"),
  };
}

export function decodeSystem(value: unknown): System {
  const from = fields(value);
  const embedder = from["embedder"];
  const models = list(from, "models").map(decodeModel);
  const language = models.filter((model) => model.kind === "language");
  return {
    version: text(from, "version"),
    models,
    defaultModel:
      text(from, "default_model") || (language.find((model) => model.isDefault)?.name ?? ""),
    demo: flag(from, "demo"),
    embedder: typeof embedder === "string" ? embedder : text(fields(embedder), "model"),
    uptimeSeconds: number(from, "uptime_s"),
    auth: from["auth"] !== false,
  };
}

export function decodeCollection(value: unknown): Collection {
  const from = fields(value);
  const embedder = fields(from["embedder"]);
  return {
    name: text(from, "name"),
    documents: number(from, "documents"),
    chunks: number(from, "chunks"),
    bytes: number(from, "bytes"),
    createdMs: number(from, "created_ms"),
    embedder: text(embedder, "model"),
    embedderDigest: text(embedder, "digest"),
  };
}

export function decodeDocument(value: unknown): Document {
  const from = fields(value);
  return {
    id: text(from, "id"),
    collection: text(from, "collection"),
    name: text(from, "name"),
    title: text(from, "title"),
    mediaType: text(from, "media_type"),
    bytes: number(from, "bytes"),
    pages: number(from, "pages"),
    chunks: number(from, "chunks"),
    createdMs: number(from, "created_ms"),
  };
}

export function decodeChunk(value: unknown): Chunk {
  const from = fields(value);
  return {
    ordinal: number(from, "ordinal"),
    text: text(from, "text"),
    heading: text(from, "heading"),
    page: number(from, "page"),
    start: number(from, "start"),
    end: number(from, "end"),
  };
}

const kSourceStates: readonly SourceState[] = [
  "queued",
  "running",
  "done",
  "unchanged",
  "failed",
  "cancelled",
];
const kJobStates: readonly JobState[] = ["queued", "running", "done", "cancelled"];

function decodeSource(value: unknown): SourceProgress {
  const from = fields(value);
  const state = word(from, "state", "source_state_");
  return {
    name: text(from, "name"),
    state: kSourceStates.find((known) => known === state) ?? "queued",
    documentId: text(from, "document_id"),
    errorCode: text(from, "error_code"),
    error: text(from, "error"),
    pagesDone: number(from, "pages_done"),
    chunks: number(from, "chunks"),
    bytes: number(from, "bytes"),
  };
}

export function decodeJob(value: unknown): Job {
  const from = fields(value);
  const state = word(from, "state", "job_state_");
  return {
    id: text(from, "id"),
    kind: word(from, "kind", "job_kind_") === "reembed" ? "reembed" : "ingest",
    collection: text(from, "collection"),
    state: kJobStates.find((known) => known === state) ?? "queued",
    createdMs: number(from, "created_ms"),
    sources: number(from, "sources"),
    succeeded: number(from, "succeeded"),
    failed: number(from, "failed"),
    chunks: number(from, "chunks"),
    chunksTotal: number(from, "chunks_total"),
    bytesTotal: number(from, "bytes_total"),
    bytesDone: number(from, "bytes_done"),
    progress: list(from, "progress").map(decodeSource),
  };
}

/** An OpenAI annotation, flat or nested under "url_citation" as OpenAI itself sends it. */
export function decodeCitation(value: unknown): Citation | undefined {
  const outer = fields(value);
  const from: Fields = { ...fields(outer["url_citation"]), ...outer };
  if (text(from, "type") !== "url_citation") return undefined;
  const passage = passageAt(text(from, "url"));
  return {
    number: number(from, "number"),
    startIndex: number(from, "start_index"),
    endIndex: number(from, "end_index"),
    documentId: passage?.documentId ?? text(from, "document_id"),
    title: text(from, "title") || text(from, "document"),
    page: number(from, "page"),
    chunk: passage?.chunk ?? -1,
    start: passage?.start ?? 0,
    end: passage?.end ?? 0,
    quote: text(from, "quote"),
  };
}
