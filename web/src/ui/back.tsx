import type { JSX } from "preact";
import { chatUrl } from "../api/address";
import { go, route } from "../state/route";
import { IconButton } from "./parts";

/** From another page to the conversation that was open. */
export function BackToChat(): JSX.Element {
  return (
    <IconButton
      icon="left"
      label="Back to the chat"
      onClick={() => go(chatUrl(route.value.chat))}
    />
  );
}
