import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asApiError } from "../api/errors";
import { collection } from "../state/server";
import { newEmbedder, reembed, reembedding, resumeReembed } from "../state/reembed";
import { count } from "./format";
import { Icon } from "./icons";

/** Offers to move the collection to the embedder that is configured now; how far that is. */
export function ReembedOffer(): JSX.Element | null {
  const name = collection.value?.name ?? "";
  const [problem, setProblem] = useState("");
  useEffect(() => {
    setProblem("");
    if (name !== "") void resumeReembed(name);
  }, [name]);
  const job = reembedding.value;
  if (job !== undefined && job.collection === name) {
    const label = `${job.chunks.toLocaleString("en-GB")} of ${count(job.chunksTotal, "passage")} embedded anew`;
    return (
      <div class="note" role="status">
        <Icon name="redo" />
        <span>
          {label}
          <progress max={Math.max(1, job.chunksTotal)} value={job.chunks} aria-label={label} />
        </span>
      </div>
    );
  }
  const wanted = newEmbedder.value;
  if (wanted === "") return null;
  const run = async () => {
    setProblem("");
    try {
      await reembed(name);
    } catch (error) {
      const failure = asApiError(error);
      setProblem(`${failure.message} ${failure.advice}`);
    }
  };
  return (
    <div class="note">
      <Icon name="redo" />
      <span>
        This collection is embedded by {collection.value?.embedder}; {wanted} is configured now.
        Answers go on with the old vectors until you{" "}
        <button type="button" class="link" onClick={() => void run()}>
          embed it anew
        </button>
        .
        {problem !== "" && (
          <span class="hint error" role="alert">
            {" "}
            {problem}
          </span>
        )}
      </span>
    </div>
  );
}
