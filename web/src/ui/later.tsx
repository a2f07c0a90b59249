import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { BackToChat } from "./back";
import { Icon } from "./icons";
import { Working } from "./parts";

let loaded: ComponentType | undefined;

/** The monitor, whose code is fetched when it is first shown. */
export function Later(): JSX.Element {
  const [Page, setPage] = useState<ComponentType | undefined>(() => loaded);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (loaded !== undefined) return;
    import("../monitor").then(
      (module) => {
        loaded = module.default;
        setPage(() => module.default);
      },
      () => setFailed(true),
    );
  }, []);
  if (Page !== undefined) return <Page />;
  return (
    <main class="stage" id="main">
      <header class="topbar">
        <BackToChat />
      </header>
      <div class="starting">
        {failed ? (
          <p class="note error" role="alert">
            <Icon name="warn" />
            <span>
              This part of the page could not be fetched; the server may have been renewed.{" "}
              <button type="button" class="link" onClick={() => location.reload()}>
                Reload the page
              </button>
            </span>
          </p>
        ) : (
          <Working label="Opening the monitor…" />
        )}
      </div>
    </main>
  );
}
