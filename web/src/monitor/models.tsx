import type { JSX } from "preact";
import { Card } from "./card";
import { text } from "./chart";
import { useFeed } from "./feed";
import { batchOf, byLabel, dataOf, loadModels, total, whole } from "./figures";
import { ratio, recent, told } from "./series";
import { Failure } from "./shell_parts";
import { plain, rate, seconds, share } from "./words";

const kNoModel =
  "No model has answered in this time. Ask with “written” answers, or call /v1/chat/completions.";
const kNoEmbedding =
  "Nothing was embedded in this time. Adding a document or asking for one does it.";

/** What the models do: how fast, how many at once, and what they did not have to read again. */
export function ModelsPage(): JSX.Element {
  const fed = useFeed("models", loadModels);
  const lines = fed.value?.lines;
  const cached = lines && ratio(total(lines.cached), total(lines.prompt));
  const batches = fed.value && batchOf(fed.value);
  return (
    <>
      <h1 class="visually-hidden">Models</h1>
      {fed.error !== undefined && <Failure error={fed.error} stale={lines !== undefined} />}
      <div class="cards">
        <Card
          title="Tokens written"
          fed={fed}
          figure={text(lines && recent(total(lines.completion)), rate)}
          data={lines && dataOf(lines.completion, byLabel(lines.completion, "model"))}
          words={rate}
          least={1}
          stacked
          empty={kNoModel}
        />
        <Card
          title="First token"
          fed={fed}
          figure={text(lines && recent(total(lines.first50)), seconds)}
          note="median"
          data={
            lines &&
            dataOf(
              lines.first50,
              told([whole("p50", lines.first50, 0), whole("p99", lines.first99, 1)]),
            )
          }
          words={seconds}
          empty={
            fed.value?.firstToken.includes("megaservice")
              ? "Measured for answers through OPEA’s routes (/v1/chatqna); there were none."
              : kNoModel
          }
        />
        <Card
          title="Slots"
          fed={fed}
          figure={text(lines && recent(total(lines.active), 1), plain)}
          note="answers at once"
          data={
            lines &&
            dataOf(
              lines.active,
              told([
                whole("being computed", lines.active, 0),
                whole("waiting", lines.waiting, "warn"),
              ]),
            )
          }
          words={plain}
          least={4}
          empty={kNoModel}
        />
        <Card
          title="Batch"
          fed={fed}
          figure={text(batches?.[0] && recent(batches[0].values), plain)}
          note="tokens a step"
          data={
            lines &&
            dataOf(
              lines.steps,
              told(batches ?? []),
            )
          }
          words={plain}
          least={2}
          empty={kNoModel}
        />
        <Card
          title="Prompts"
          fed={fed}
          figure={text(cached && recent(cached, 12), share)}
          note="not read again"
          data={
            lines &&
            dataOf(
              lines.prompt,
              told([
                whole("tokens of prompts", lines.prompt, 1),
                whole("from the cache", lines.cached, 0),
              ]),
            )
          }
          words={rate}
          least={1}
          empty={kNoModel}
        />
        <Card
          title="Embeddings"
          fed={fed}
          figure={text(lines && recent(total(lines.texts)), rate)}
          note="texts"
          data={lines && dataOf(lines.texts, byLabel(lines.texts, "model"))}
          words={rate}
          least={1}
          stacked
          empty={kNoEmbedding}
        />
      </div>
    </>
  );
}
