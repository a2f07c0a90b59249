import { fields, list, parse, text } from "./json";

export type Failure =
  "network" | "signin" | "busy" | "too_large" | "missing" | "unsupported" | "refused" | "server";

/** A request that failed: what happened (message) and what to do about it (advice). */
export class ApiError extends Error {
  constructor(
    readonly failure: Failure,
    message: string,
    readonly advice: string,
    /** Seconds after which trying again makes sense; 0 when the server did not say. */
    readonly retryAfter = 0,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export function networkError(): ApiError {
  return new ApiError(
    "network",
    "Tessera does not answer.",
    "Check that it is still running (tessera up) and that this device can reach it, then try again.",
  );
}

/** What the server says went wrong, from OpenAI's, RFC 9457's or OPEA's shape of an error. */
export function messageOf(body: string): string {
  const from = fields(parse(body));
  const openai = text(fields(from["error"]), "message") || text(from, "error");
  const fieldErrors = list(from, "errors")
    .map((item) =>
      [text(fields(item), "field"), text(fields(item), "message")].filter(Boolean).join(": "),
    )
    .filter(Boolean);
  const message = openai || text(from, "detail") || fieldErrors.join("; ") || text(from, "title");
  return sentence(message);
}

/** A message of the server as a sentence of the page; a file name at its beginning stays as it is. */
export function sentence(message: string): string {
  if (message === "") return "";
  const isName = /^\S*[./_]\S/.test(message);
  const first = isName ? message.charAt(0) : message.charAt(0).toUpperCase();
  return first + message.slice(1) + (/[.!?…)]$/.test(message) ? "" : ".");
}

function secondsOf(retryAfter: string | null): number {
  const seconds = Number(retryAfter ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(Math.ceil(seconds), 3600) : 0;
}

/** The error of an answer that is not a success. */
export function httpError(status: number, body: string, retryAfter: string | null): ApiError {
  const message = messageOf(body);
  const wait = secondsOf(retryAfter);
  if (status === 401 || status === 403) {
    return new ApiError(
      "signin",
      message || "You are not signed in.",
      "Sign in with the owner key, then try again.",
    );
  }
  if (status === 429 || status === 503) {
    const advice = wait > 0 ? `Wait ${wait} s, then try again.` : "Wait a moment, then try again.";
    return new ApiError("busy", message || "Tessera is busy.", advice, wait);
  }
  if (status === 413) {
    return new ApiError(
      "too_large",
      message || "That is larger than this server accepts.",
      "Split the file, or raise the upload limit in the configuration.",
    );
  }
  if (status === 404)
    return new ApiError("missing", message || "It is not there any more.", "Reload the page.");
  if (status === 415) {
    return new ApiError(
      "unsupported",
      message || "This kind of file cannot be read.",
      "Save it as PDF or text first.",
    );
  }
  if (status >= 500) {
    return new ApiError(
      "server",
      message || `Tessera failed (${status}).`,
      "Try again; the server's log says more.",
    );
  }
  return new ApiError(
    "refused",
    message || `The request was refused (${status}).`,
    "Change it and try again.",
  );
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Any thrown thing as an ApiError. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof TypeError) return networkError(); // fetch and body readers throw it when the connection breaks
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError("server", message, "Reload the page and try again.");
}
