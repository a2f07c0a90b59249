import { computed, signal } from "@preact/signals";
import { parseRoute, type Route } from "../api/address";

const kLastChat = "tessera.chat";

function remembered(): string {
  try {
    return sessionStorage.getItem(kLastChat) ?? "";
  } catch {
    return "";
  }
}

function read(): Route {
  return parseRoute(location.pathname, location.search, remembered());
}

export const route = signal<Route>(read());
export const currentChat = computed(() => route.value.chat);

export function go(url: string, replace = false): void {
  if (replace) history.replaceState(null, "", url);
  else if (url !== location.pathname + location.search) history.pushState(null, "", url);
  route.value = read();
}

route.subscribe(({ chat }) => {
  try {
    sessionStorage.setItem(kLastChat, chat);
  } catch {
    // Private windows may forbid it; then a document opened by its address stands alone.
  }
});
window.addEventListener("popstate", () => {
  route.value = read();
});
