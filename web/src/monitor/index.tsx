import "./monitor.css";
import "./traces.css";
import "./logs.css";
import "./slos.css";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { BackToChat } from "../ui/back";
import { ThemeButton } from "../ui/sidebar";
import { kRanges, type Page, pageUrl, type RangeName, spanOf } from "./address";
import { asked, look, place } from "./feed";
import { LogsPage } from "./logs";
import { ModelsPage } from "./models";
import { OverviewPage } from "./overview";
import { Go } from "./shell_parts";
import { SlosPage } from "./slos_page";
import { clock } from "./ticks";
import { TracePage } from "./trace_page";
import { TracesPage } from "./traces_page";

const kTabs: readonly (readonly [page: Page, name: string])[] = [
  ["overview", "Overview"],
  ["traces", "Traces"],
  ["logs", "Logs"],
  ["models", "Models"],
  ["slos", "SLOs"],
];

/** How the platform is, and what it did. */
export default function Monitor(): JSX.Element {
  const { page, trace } = place.value;
  const tab = page === "trace" ? "traces" : page;
  useEffect(() => {
    const name = kTabs.find(([one]) => one === tab)?.[1] ?? "Monitor";
    document.title = `${page === "trace" ? `Trace ${trace.slice(0, 8)}` : name} – Tessera`;
  }, [page, trace]);
  return (
    <main class="stage monitor" id="main">
      <header class="topbar monitor-bar">
        <BackToChat />
        <nav class="tabs" aria-label="Monitor">
          {kTabs.map(([one, name]) => (
            <Go key={one} to={pageUrl(place.value, one)} current={tab === one} class="tab">
              {name}
            </Go>
          ))}
        </nav>
        <span class="spacer" />
        {page !== "trace" && page !== "logs" && page !== "slos" && <RangePicker />}
        <ThemeButton />
      </header>
      <div
        class="monitor-scroll"
        data-page={page}
        tabIndex={0}
        role="region"
        aria-label="What is on show"
      >
        <Body page={page} />
      </div>
    </main>
  );
}

function Body({ page }: { readonly page: Page }): JSX.Element {
  switch (page) {
    case "overview":
      return <OverviewPage />;
    case "traces":
      return <TracesPage />;
    case "trace":
      return <TracePage key={place.value.trace} />;
    case "logs":
      return <LogsPage />;
    case "models":
      return <ModelsPage />;
    case "slos":
      return <SlosPage />;
  }
}

const kRangeWords: Record<RangeName, string> = {
  "15m": "15 min",
  "1h": "1 h",
  "6h": "6 h",
  "24h": "24 h",
};

/** Which time is looked at: the last minutes or hours, or one that stays. */
function RangePicker(): JSX.Element {
  const { range } = place.value;
  const fixed = range.kind === "fixed";
  const freeze = () => look({ kind: "fixed", ...rounded(spanOf(range, Date.now())) });
  return (
    <div class="ranges" role="group" aria-label="Time on show">
      {fixed && (
        <span class="meta range-fixed">
          {clock(range.fromMs)} – {clock(range.toMs)}
        </span>
      )}
      <span class="segments">
        {(Object.keys(kRanges) as RangeName[]).map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={!fixed && range.name === name}
            onClick={() => {
              look({ kind: "last", name });
              asked.value += 1;
            }}
          >
            {kRangeWords[name]}
          </button>
        ))}
      </span>
      <button
        type="button"
        class={`quiet-button live ${fixed ? "" : "on"}`}
        aria-pressed={!fixed}
        title={fixed ? "Follow the clock again" : "Hold this time; its address can be shared"}
        onClick={() => (fixed ? look({ kind: "last", name: "1h" }) : freeze())}
      >
        <i class="live-dot" aria-hidden="true" />
        {fixed ? "Held" : "Live"}
      </button>
    </div>
  );
}

function rounded(span: { readonly fromMs: number; readonly toMs: number }) {
  return { fromMs: Math.round(span.fromMs), toMs: Math.round(span.toMs) };
}
