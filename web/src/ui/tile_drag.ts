import { useEffect } from "preact/hooks";
import { aim, drop, letGo, moving, pick, picked, type Target } from "../state/topology";
import { kGateway } from "../state/topology_text";

const kBeginsAfter = 6; // pixels; less is a click
const kEdge = 70; // pixels from the window's edge where it scrolls
const kScroll = 12;

interface Drag {
  readonly tile: HTMLElement;
  readonly pointer: number;
  readonly x: number;
  readonly y: number;
  begun: boolean;
}

/** What lies under the pointer: a tray's name, undefined for a new process, "" for nothing. */
function targetAt(x: number, y: number): Target | "" {
  const under = document.elementFromPoint(x, y);
  if (under?.closest('[data-new-process="true"]')) return undefined;
  return under?.closest<HTMLElement>("[data-tray]")?.dataset["tray"] ?? "";
}

function scrollNear(y: number): void {
  const scroller = document.querySelector(".topology-scroll");
  if (y > window.innerHeight - kEdge) scroller?.scrollBy(0, kScroll);
  else if (y < kEdge) scroller?.scrollBy(0, -kScroll);
}

/** Tiles follow the pointer: a mouse anywhere on the tile, a finger on its grip (elsewhere it scrolls). */
export function useDrag(board: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    const root = board.current;
    if (root === null) return undefined;
    let drag: Drag | undefined;
    const end = () => {
      if (drag === undefined) return;
      drag.tile.style.translate = "";
      drag = undefined;
    };
    const onDown = (event: PointerEvent) => {
      const at = event.target instanceof Element ? event.target : null;
      const tile = at?.closest<HTMLElement>(".tile.is-here");
      if (tile == null || event.button !== 0 || moving.value || picked.value !== undefined) return;
      if (tile.dataset["service"] === kGateway) return;
      if (event.pointerType !== "mouse" && at?.closest(".tile-grip") === null) return;
      drag = { tile, pointer: event.pointerId, x: event.clientX, y: event.clientY, begun: false };
    };
    const onMove = (event: PointerEvent) => {
      if (drag === undefined || event.pointerId !== drag.pointer) return;
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.begun) {
        if (Math.hypot(dx, dy) < kBeginsAfter) return;
        drag.begun = true;
        drag.tile.setPointerCapture(event.pointerId);
        const key = drag.tile.dataset["tile"] ?? "";
        pick(drag.tile.dataset["service"] ?? "", key.slice(0, key.indexOf("/")), false);
      }
      drag.tile.style.translate = `${dx}px ${dy}px`;
      scrollNear(event.clientY);
      const target = targetAt(event.clientX, event.clientY);
      aim(target === "" ? picked.value?.tray : target);
    };
    const onUp = (event: PointerEvent) => {
      if (drag === undefined || event.pointerId !== drag.pointer) return;
      const { begun } = drag;
      end();
      if (!begun) return;
      // The click that follows must not pick the tile up again.
      const swallow = (click: Event) => click.stopPropagation();
      window.addEventListener("click", swallow, { capture: true, once: true });
      window.setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
      drop();
    };
    const onCancel = () => {
      if (drag?.begun === true) letGo();
      end();
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || drag?.begun !== true) return;
      event.preventDefault();
      onCancel();
    };
    root.addEventListener("pointerdown", onDown);
    window.addEventListener("pointermove", onMove);
    window.addEventListener("pointerup", onUp);
    window.addEventListener("pointercancel", onCancel);
    window.addEventListener("keydown", onKey, { capture: true });
    return () => {
      root.removeEventListener("pointerdown", onDown);
      window.removeEventListener("pointermove", onMove);
      window.removeEventListener("pointerup", onUp);
      window.removeEventListener("pointercancel", onCancel);
      window.removeEventListener("keydown", onKey, { capture: true });
    };
  }, []);
}
