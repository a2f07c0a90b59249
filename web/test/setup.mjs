// Node 18 keeps crypto, which every browser has, in a module of its own.
import { webcrypto } from "node:crypto";

if (globalThis.crypto === undefined) Object.defineProperty(globalThis, "crypto", { value: webcrypto });
