import { reportSignInNeeded } from "./client";
import { decodeJob } from "./decode";
import { httpError, networkError } from "./errors";
import { parse } from "./json";
import type { Job } from "./types";

/**
 * Sends files and links to a collection; the server answers with a job that reads them. XMLHttpRequest, because fetch
 * does not tell how much of a body has been sent.
 */
export function upload(
  collection: string,
  files: readonly File[],
  links: readonly string[],
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Job> {
  const form = new FormData();
  // A file of a dropped folder keeps its path below that folder as its name.
  for (const file of files) form.append("files", file, file.webkitRelativePath || file.name);
  if (links.length > 0) form.append("links", JSON.stringify(links));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/collections/${encodeURIComponent(collection)}/documents`);
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(decodeJob(parse(request.responseText)));
        return;
      }
      if (request.status === 401) reportSignInNeeded();
      reject(
        httpError(request.status, request.responseText, request.getResponseHeader("Retry-After")),
      );
    };
    request.onerror = () => reject(networkError());
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}
