import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { live, stop } from "../state/ask";
import { kMonitorUrl, kTopologyUrl } from "../api/address";
import { chatOf } from "../state/chats";
import { refreshDocuments } from "../state/documents";
import {
  dialog,
  documentsShownBeside,
  drawer,
  focusComposer,
  historyShown,
  middle,
  narrow,
  openChat,
  toggleDocuments,
  toggleHistory,
} from "../state/layout";
import { go, route } from "../state/route";
import { connect, signInNeeded, started, startError } from "../state/server";
import { settings } from "../state/settings";
import { active, resumeJobs } from "../state/uploads";
import { closeView, closeViewer, load, view } from "../state/viewer";
import { ChatView } from "./chat";
import { DocumentsPanel } from "./documents";
import { DropTarget } from "./drop";
import { Icon } from "./icons";
import { Later } from "./later";
import { Notices, Unreachable } from "./notices";
import { IconButton, Working } from "./parts";
import { BetterModelDialog, ShortcutsDialog } from "./help";
import { SettingsDialog } from "./settings";
import { Sidebar } from "./sidebar";
import { SignIn } from "./sign_in";
import { TopologyPage } from "./topology";
import { Viewer } from "./viewer";

export function App(): JSX.Element {
  useEffect(() => void connect(), []);
  return (
    <>
      <Unreachable />
      {signInNeeded.value ? <SignIn /> : started.value ? <Workplace /> : <Starting />}
      <Notices />
    </>
  );
}

function Starting(): JSX.Element {
  return (
    <main class="starting" id="main">
      {startError.value === "" ? (
        <Working label="Connecting…" />
      ) : (
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>
            {startError.value}{" "}
            <button type="button" class="link" onClick={() => void connect()}>
              Try again
            </button>
          </span>
        </p>
      )}
    </main>
  );
}

function Workplace(): JSX.Element {
  const { passage, topology, monitor } = route.value;
  useEffect(() => void resumeJobs(), []);
  useShortcuts();
  useFollowState();
  const title =
    passage !== undefined
      ? (view.value?.document?.name ?? "Document")
      : topology
        ? "Together or apart"
        : chatOf(route.value.chat)?.title;
  useEffect(() => {
    // The monitor's pages have titles of their own.
    if (!monitor) document.title = title === undefined ? "Tessera" : `${title} – Tessera`;
  }, [title, monitor]);
  if (monitor)
    return (
      <div class="workplace">
        <Later />
        <Dialogs />
      </div>
    );
  if (topology)
    return (
      <div class="workplace">
        <TopologyPage />
        <Dialogs />
      </div>
    );
  const beside =
    passage !== undefined ? (
      <Viewer passage={passage} />
    ) : documentsShownBeside.value ? (
      <DocumentsPanel />
    ) : null;
  const covered = narrow.value && beside !== null;
  return (
    <div
      class={`workplace ${historyShown.value ? "with-history" : ""} ${beside === null ? "" : passage === undefined ? "with-documents" : "with-viewer"}`}
    >
      <a
        class="skip"
        href="#question"
        onClick={(event) => {
          event.preventDefault();
          focusComposer();
        }}
      >
        Skip to the question field
      </a>
      {historyShown.value && <Sidebar />}
      {middle.value && drawer.value && <div class="scrim" onClick={toggleHistory} />}
      <main class="stage" id="main" hidden={covered}>
        <TopBar />
        <ChatView />
      </main>
      {beside}
      <DropTarget />
      <Dialogs />
    </div>
  );
}

function TopBar(): JSX.Element {
  const chat = chatOf(route.value.chat);
  const adding = active.value.length;
  const open = documentsShownBeside.value && route.value.passage === undefined;
  return (
    <header class="topbar">
      {!historyShown.value && (
        <IconButton
          icon="menu"
          label="Show conversations"
          expanded={false}
          onClick={toggleHistory}
        />
      )}
      {chat === undefined ? <span class="spacer" /> : <h1 class="topbar-title">{chat.title}</h1>}
      <button
        type="button"
        class="quiet-button topology-button"
        title="How the platform is, and what it did"
        onClick={openMonitor}
      >
        <Icon name="pulse" />
        <span>Monitor</span>
      </button>
      <button
        type="button"
        class="quiet-button topology-button"
        title="Which services share a process"
        onClick={openTopology}
      >
        <Icon name="tiles" />
        <span>Topology</span>
      </button>
      {!open && (
        <button type="button" class="quiet-button" onClick={toggleDocuments} aria-expanded={false}>
          <Icon name="files" />
          Documents
          {adding > 0 && (
            <span class="count" aria-label={`${adding} being added`}>
              {adding}
            </span>
          )}
        </button>
      )}
    </header>
  );
}

function Dialogs(): JSX.Element | null {
  switch (dialog.value) {
    case "settings":
      return <SettingsDialog key="settings" />;
    case "better-model":
      return <BetterModelDialog key="better-model" />;
    case "shortcuts":
      return <ShortcutsDialog key="shortcuts" />;
    case "none":
      return null;
  }
}

/** What has to be read from the server when the address or the collection changes. */
function useFollowState(): void {
  const { collection } = settings.value;
  const { passage } = route.value;
  useEffect(() => void refreshDocuments(), [collection]);
  useEffect(() => {
    if (passage === undefined) closeView();
    else void load(passage);
  }, [passage]);
  useSignalEffect(() => {
    if (drawer.value)
      requestAnimationFrame(() =>
        document.querySelector<HTMLElement>(".sidebar button, .sidebar a")?.focus(),
      );
  });
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function openTopology(): void {
  go(kTopologyUrl);
}

function openMonitor(): void {
  go(kMonitorUrl);
}

function escape(): void {
  if (live.value !== undefined) stop();
  else if (drawer.value) drawer.value = false;
  else if (route.value.passage !== undefined) {
    closeViewer();
    focusComposer();
  } else if (narrow.value && route.value.documents) toggleDocuments();
}

const kKeys: Record<string, () => void> = {
  "/": focusComposer,
  n: () => {
    openChat("");
    focusComposer();
  },
  h: toggleHistory,
  d: toggleDocuments,
  t: openTopology,
  m: openMonitor,
  "?": () => {
    dialog.value = "shortcuts";
  },
};

function useShortcuts(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector("dialog[open]") !== null) return;
      if (event.key === "Escape") {
        escape();
      } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!historyShown.value) toggleHistory();
        requestAnimationFrame(() => document.getElementById("chat-search")?.focus());
      } else if (
        settings.value.singleKeys &&
        !event.ctrlKey &&
        !event.metaKey &&
        !event.altKey &&
        !isTyping(event.target)
      ) {
        const run = kKeys[event.key.toLowerCase()];
        if (run === undefined) return;
        event.preventDefault();
        run();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
