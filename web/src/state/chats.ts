import { computed, signal } from "@preact/signals";
import {
  type Chat,
  type Exchange,
  isChatsKey,
  loadChats,
  matching,
  merged,
  renamed,
  saveChats,
  withExchange,
} from "./history";
import { localShelf } from "./storage";

export const chats = signal<readonly Chat[]>(loadChats(localShelf));
export const chatQuery = signal("");
export const chatsFound = computed(() => matching(chats.value, chatQuery.value));

const gone = new Set<string>();
let timer = 0;

function save(): void {
  window.clearTimeout(timer);
  timer = 0;
  saveChats(localShelf, merged(chats.value, loadChats(localShelf), gone));
}

function change(next: readonly Chat[]): void {
  chats.value = next;
  if (timer === 0) timer = window.setTimeout(save, 400);
}

export function chatOf(id: string): Chat | undefined {
  return chats.value.find((chat) => chat.id === id);
}

export function putExchange(chatId: string, exchange: Exchange): void {
  change(withExchange(chats.value, chatId, exchange, Date.now()));
}

export function removeExchangesFrom(chatId: string, exchangeId: string): void {
  change(
    chats.value.map((chat) => {
      if (chat.id !== chatId) return chat;
      const at = chat.exchanges.findIndex((exchange) => exchange.id === exchangeId);
      return at < 0
        ? chat
        : { ...chat, exchanges: chat.exchanges.slice(0, at), updatedMs: Date.now() };
    }),
  );
}

export function renameChat(id: string, title: string): void {
  change(
    renamed(chats.value, id, title).map((chat) =>
      chat.id === id ? { ...chat, updatedMs: chat.updatedMs + 1 } : chat,
    ),
  );
}

export function deleteChat(id: string): void {
  gone.add(id);
  change(chats.value.filter((chat) => chat.id !== id));
}

export function restoreChat(chat: Chat): void {
  gone.delete(chat.id);
  change([...chats.value, chat].sort((a, b) => b.updatedMs - a.updatedMs));
}

window.addEventListener("pagehide", () => {
  if (timer !== 0) save();
});
window.addEventListener("storage", (event) => {
  if (isChatsKey(event.key)) chats.value = merged(chats.value, loadChats(localShelf), gone);
});
