// What the server's messages mean to the page. Made by decode.ts; everything is present, defaults filled in.

export interface Model {
  readonly name: string;
  readonly kind: string;
  readonly backend: string;
  readonly digest: string;
  readonly isDefault: boolean;
  readonly demo: boolean;
  readonly contextTokens: number;
  readonly description: string;
}

export interface System {
  readonly version: string;
  readonly models: readonly Model[];
  readonly defaultModel: string;
  /** The default language model is the small demonstration one. */
  readonly demo: boolean;
  readonly embedder: string;
  readonly uptimeSeconds: number;
  /** Keys are asked for. */
  readonly auth: boolean;
}

export interface Collection {
  readonly name: string;
  readonly documents: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly createdMs: number;
  readonly embedder: string;
  readonly embedderDigest: string;
}

export interface Document {
  readonly id: string;
  readonly collection: string;
  readonly name: string;
  readonly title: string;
  readonly mediaType: string;
  readonly bytes: number;
  readonly pages: number;
  readonly chunks: number;
  readonly createdMs: number;
}

export interface Chunk {
  readonly ordinal: number;
  readonly text: string;
  readonly heading: string;
  readonly page: number;
  /** Byte offsets in the document's normalised text. */
  readonly start: number;
  readonly end: number;
}

export type SourceState = "queued" | "running" | "done" | "unchanged" | "failed" | "cancelled";

export interface SourceProgress {
  readonly name: string;
  readonly state: SourceState;
  readonly documentId: string;
  readonly errorCode: string;
  readonly error: string;
  readonly pagesDone: number;
  readonly chunks: number;
  readonly bytes: number;
}

export type JobState = "queued" | "running" | "done" | "cancelled";

export interface Job {
  readonly id: string;
  /** "ingest" or "reembed". */
  readonly kind: string;
  readonly collection: string;
  readonly state: JobState;
  readonly createdMs: number;
  readonly sources: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly chunks: number;
  /** Of a re-embedding. */
  readonly chunksTotal: number;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly progress: readonly SourceProgress[];
}

/** A passage that an answer rests on. */
export interface Citation {
  readonly number: number;
  /** Where [n] stands in the answer, in Unicode code points. */
  readonly startIndex: number;
  readonly endIndex: number;
  readonly documentId: string;
  readonly title: string;
  readonly page: number;
  readonly chunk: number;
  /** Byte offsets of the quote in the document's normalised text; both 0 when unknown. */
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

export type AnswerMode = "auto" | "extractive" | "generative";
