import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { chatQuery, chats, chatsFound, deleteChat, renameChat, restoreChat } from "../state/chats";
import type { Chat } from "../state/history";
import { dialog, focusComposer, openChat, toggleHistory } from "../state/layout";
import { dismiss, notify } from "../state/notices";
import { chatUrl } from "../api/address";
import { currentChat } from "../state/route";
import { set, settings, type Theme } from "../state/settings";
import { exact } from "./format";
import { Icon, type IconName, Mosaic } from "./icons";
import { IconButton } from "./parts";

const kDayMs = 86_400_000;

/** Heading under which a chat is listed. */
export function dayOf(ms: number, nowMs: number): string {
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  if (ms >= midnight) return "Today";
  if (ms >= midnight - kDayMs) return "Yesterday";
  if (ms >= midnight - 6 * kDayMs) return "This week";
  return ms >= midnight - 29 * kDayMs ? "This month" : "Older";
}

function grouped(list: readonly Chat[]): [string, Chat[]][] {
  const groups = new Map<string, Chat[]>();
  for (const chat of list) {
    const day = dayOf(chat.updatedMs, Date.now());
    groups.set(day, [...(groups.get(day) ?? []), chat]);
  }
  return [...groups];
}

export function Sidebar(): JSX.Element {
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header class="sidebar-head">
        <a
          class="brand"
          href="/"
          onClick={(event) => {
            event.preventDefault();
            openChat("");
            focusComposer();
          }}
        >
          <Mosaic />
          Tessera
        </a>
        <IconButton icon="close" label="Hide conversations" onClick={toggleHistory} />
      </header>
      <button
        type="button"
        class="button new-chat"
        onClick={() => {
          openChat("");
          focusComposer();
        }}
      >
        <Icon name="plus" />
        New chat
      </button>
      {chats.value.length > 0 && (
        <label class="search">
          <span class="visually-hidden">Search conversations</span>
          <Icon name="search" />
          <input
            id="chat-search"
            type="search"
            placeholder="Search"
            value={chatQuery.value}
            onInput={(event) => {
              chatQuery.value = event.currentTarget.value;
            }}
          />
        </label>
      )}
      <div class="chat-list">
        {grouped(chatsFound.value).map(([day, list]) => (
          <section key={day} aria-label={day}>
            <h2>{day}</h2>
            <ul>
              {list.map((chat) => (
                <ChatItem key={chat.id} chat={chat} />
              ))}
            </ul>
          </section>
        ))}
        {chatsFound.value.length === 0 && (
          <p class="hint">
            {chatQuery.value === ""
              ? "Your conversations will be listed here. They stay in this browser."
              : "No conversation matches."}
          </p>
        )}
      </div>
      <footer class="sidebar-foot">
        <button
          type="button"
          class="quiet-button"
          onClick={() => {
            dialog.value = "settings";
          }}
        >
          <Icon name="settings" />
          Settings
        </button>
        <ThemeButton />
      </footer>
    </nav>
  );
}

const kNextTheme: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const kThemeIcons: Record<Theme, IconName> = { system: "auto", light: "sun", dark: "moon" };

export function ThemeButton(): JSX.Element {
  const { theme } = settings.value;
  const name = theme === "system" ? "as the system" : theme;
  return (
    <IconButton
      icon={kThemeIcons[theme]}
      label={`Colours: ${name}. Change to ${kNextTheme[theme] === "system" ? "as the system" : kNextTheme[theme]}`}
      onClick={() => set({ theme: kNextTheme[theme] })}
    />
  );
}

function ChatItem({ chat }: { readonly chat: Chat }): JSX.Element {
  const [editing, setEditing] = useState(false);
  const current = currentChat.value === chat.id;
  const remove = () => {
    deleteChat(chat.id);
    if (current) openChat("");
    const notice = notify("Conversation deleted.", {
      action: {
        label: "Undo",
        run: () => {
          restoreChat(chat);
          dismiss(notice);
        },
      },
    });
  };
  if (editing)
    return (
      <li>
        <RenameField chat={chat} onEnd={() => setEditing(false)} />
      </li>
    );
  return (
    <li class={`chat-item ${current ? "current" : ""}`}>
      <a
        href={chatUrl(chat.id)}
        aria-current={current ? "page" : undefined}
        title={`${chat.title}\n${exact(chat.updatedMs)}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          openChat(chat.id);
        }}
      >
        {chat.title}
      </a>
      <span class="item-actions">
        <IconButton icon="pencil" label={`Rename ${chat.title}`} onClick={() => setEditing(true)} />
        <IconButton icon="trash" label={`Delete ${chat.title}`} onClick={remove} />
      </span>
    </li>
  );
}

function RenameField({
  chat,
  onEnd,
}: {
  readonly chat: Chat;
  readonly onEnd: () => void;
}): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const ended = useRef(false);
  useEffect(() => field.current?.select(), []);
  const end = (save: boolean) => {
    if (ended.current) return;
    ended.current = true;
    if (save) renameChat(chat.id, field.current?.value ?? "");
    onEnd();
  };
  return (
    <input
      ref={field}
      class="rename"
      aria-label="Name of the conversation"
      defaultValue={chat.title}
      onBlur={() => end(true)}
      onKeyDown={(event) => {
        if (event.key === "Enter") end(true);
        if (event.key === "Escape") {
          event.stopPropagation();
          end(false);
        }
      }}
    />
  );
}
