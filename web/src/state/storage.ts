// Local storage that may be full, forbidden or hold something else: then the page just does not remember.

import { parse } from "../api/json";

export interface Shelf {
  get(key: string): unknown;
  /** False when it could not be stored. */
  put(key: string, value: unknown): boolean;
}

export const localShelf: Shelf = {
  get(key) {
    try {
      return parse(localStorage.getItem(key) ?? "");
    } catch {
      return undefined;
    }
  },
  put(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};
