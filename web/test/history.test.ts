import { describe, expect, it } from "vitest";
import {
  type Chat,
  type Exchange,
  bounded,
  kEmptyAnswer,
  kLimits,
  loadChats,
  matching,
  merged,
  renamed,
  saveChats,
  titleOf,
  withExchange,
} from "../src/state/history";
import type { Shelf } from "../src/state/storage";

function exchange(id: string, question = `Question ${id}`, text = "answer"): Exchange {
  return {
    id,
    question,
    collection: "default",
    askedMs: 1,
    answer: { ...kEmptyAnswer, text, state: "done" },
  };
}

function chat(id: string, updatedMs: number, ...exchanges: Exchange[]): Chat {
  return { id, title: `Chat ${id}`, createdMs: 0, updatedMs, exchanges };
}

/** A browser's storage with room for so many characters. */
class SmallShelf implements Shelf {
  private readonly kept = new Map<string, string>();
  constructor(private readonly room = Infinity) {}
  get(key: string): unknown {
    return JSON.parse(this.kept.get(key) ?? "null") as unknown;
  }
  put(key: string, value: unknown): boolean {
    const text = JSON.stringify(value);
    if (text.length > this.room) return false;
    this.kept.set(key, text);
    return true;
  }
}

describe("history", () => {
  it("makes a chat with its first question, and replaces an exchange in place", () => {
    const one = withExchange([], "c", exchange("e", "  What\nis it? "), 5);
    expect(one).toMatchObject([{ id: "c", title: "What is it?", updatedMs: 5 }]);
    const two = withExchange(one, "c", exchange("e", "What is it?", "changed"), 9);
    expect(two[0]?.exchanges).toHaveLength(1);
    expect(two[0]).toMatchObject({ updatedMs: 9, exchanges: [{ answer: { text: "changed" } }] });
    expect(withExchange(two, "c", exchange("f"), 10)[0]?.exchanges.map((each) => each.id)).toEqual([
      "e",
      "f",
    ]);
  });

  it("keeps the newest chats, the latest exchanges and short quotes", () => {
    const many = Array.from({ length: kLimits.chats + 5 }, (_, at) => chat(String(at), at));
    expect(
      bounded(many)
        .map((each) => each.id)
        .slice(0, 2),
    ).toEqual([String(kLimits.chats + 4), String(kLimits.chats + 3)]);
    expect(bounded(many)).toHaveLength(kLimits.chats);
    const long = chat(
      "long",
      1,
      ...Array.from({ length: kLimits.exchanges + 3 }, (_, at) => exchange(String(at))),
    );
    expect(bounded([long])[0]?.exchanges[0]?.id).toBe("3");
    const big = "x".repeat(kLimits.characters - 1000);
    expect(
      bounded([
        chat("new", 2, exchange("e", "q", big)),
        chat("old", 1, exchange("e", "q", big)),
      ]).map((each) => each.id),
    ).toEqual(["new"]);
  });

  it("survives a reload, and an answer that was coming in is then a stopped one", () => {
    const shelf = new SmallShelf();
    const streaming: Exchange = {
      ...exchange("s"),
      answer: { ...kEmptyAnswer, text: "half", state: "streaming" },
    };
    saveChats(shelf, [chat("a", 1, exchange("e"), streaming)]);
    const [loaded] = loadChats(shelf);
    expect(loaded?.exchanges.map((each) => each.answer.state)).toEqual(["done", "stopped"]);
    expect(loaded?.exchanges[0]).toEqual(exchange("e"));
  });

  it("reads anything without failing", () => {
    for (const junk of [
      null,
      7,
      "x",
      [],
      { chats: 3 },
      { chats: [null, 1, { id: 5 }, { id: "ok", exchanges: "no" }] },
    ]) {
      const shelf = new SmallShelf();
      shelf.put("tessera.chats.v1", junk);
      expect(
        loadChats(shelf).every((each) => each.id === "ok" && each.exchanges.length === 0),
      ).toBe(true);
    }
  });

  it("drops the oldest chats when the browser has no room", () => {
    const shelf = new SmallShelf(3000);
    const chats = Array.from({ length: 40 }, (_, at) => chat(String(at), at, exchange("e")));
    expect(saveChats(shelf, chats)).toBe(true);
    const ids = loadChats(shelf).map((each) => each.id);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids[0]).toBe("39");
    expect(saveChats(new SmallShelf(0), chats)).toBe(false);
  });

  it("searches titles, questions and answers for every word", () => {
    const chats = [
      chat("a", 2, exchange("e", "When does the LEASE end?")),
      chat("b", 1, exchange("e", "Rent", "4,250 euros a month")),
    ];
    expect(matching(chats, "lease end").map((each) => each.id)).toEqual(["a"]);
    expect(matching(chats, "euros").map((each) => each.id)).toEqual(["b"]);
    expect(matching(chats, "lease euros")).toEqual([]);
    expect(matching(chats, " ")).toHaveLength(2);
  });

  it("takes the newer of two pages' chats and keeps deleted ones deleted", () => {
    const mine = [chat("a", 5), chat("b", 1)];
    const theirs = [chat("a", 3), chat("b", 2), chat("gone", 9)];
    expect(
      merged(mine, theirs, new Set(["gone"])).map((each) => [each.id, each.updatedMs]),
    ).toEqual([
      ["a", 5],
      ["b", 2],
    ]);
  });

  it("names and renames", () => {
    expect(titleOf("x".repeat(300))).toHaveLength(kLimits.title);
    expect(renamed([chat("a", 1)], "a", " New  name ")[0]?.title).toBe("New name");
    expect(renamed([chat("a", 1)], "a", "  ")[0]?.title).toBe("Chat a");
  });
});
