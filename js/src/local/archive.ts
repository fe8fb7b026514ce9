/**
 * A session file in memory: documents and blobs by hash, and the states of the history;
 * `sam_widget/session/file/format.py` describes the format.
 */

import { blake2bHex } from "blakejs";
import type { Database } from "sql.js/dist/sql-wasm-browser.js";
import type { Mask } from "../geometry/runs";
import { unpackMask } from "../kernel/maskcodec";
import { ascii } from "./files";
import { packMask } from "./pack";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Body = { [key: string]: Json };
export type DocumentKind = "state" | "candidate" | "object" | "prompt";

interface Blob {
  readonly kind: string;
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

export class Archive {
  readonly meta: ReadonlyMap<string, string>;
  history: string[];
  position: number;
  readonly #database: Database;
  readonly #documents = new Map<string, Body>();
  readonly #blobs = new Map<string, Blob>();
  readonly #masks = new Map<string, WeakRef<Mask>>();
  /** What the database lacks. */
  readonly #newDocuments = new Map<string, { kind: DocumentKind; json: string }>();
  readonly #newBlobs = new Set<string>();

  constructor(database: Database) {
    const rows = (sql: string) => database.exec(sql)[0]?.values ?? [];
    this.#database = database;
    this.meta = new Map(rows("SELECT key, value FROM meta") as [string, string][]);
    this.history = rows("SELECT state FROM history ORDER BY position").map(([state]) => state as string);
    this.position = rows("SELECT position FROM head")[0][0] as number;
    for (const [hash, json] of rows("SELECT hash, json FROM documents") as [string, string][])
      this.#documents.set(hash, JSON.parse(json));
    // The photo stays in the database.
    for (const [hash, kind, height, width, data] of rows(
      "SELECT hash, kind, height, width, data FROM blobs WHERE kind IN ('mask', 'packed', 'logits')",
    ) as [string, string, number, number, Uint8Array][])
      this.#blobs.set(hash, { kind, height, width, data });
  }

  document(hash: string): Body {
    const found = this.#documents.get(hash);
    if (!found) throw new Error(`the page's session lacks ${hash}`);
    return found;
  }

  mask(hash: string): Mask {
    const known = this.#masks.get(hash)?.deref();
    if (known) return known;
    const { kind, width, height, data } = this.#blob(hash);
    const mask =
      kind === "packed"
        ? unpackMask(data, width, height)
        : { width, height, runs: new Uint32Array(data.slice().buffer) };
    this.#masks.set(hash, new WeakRef(mask));
    return mask;
  }

  packed(hash: string): Uint8Array {
    const { kind, data } = this.#blob(hash);
    return kind === "packed" ? data : packMask(this.mask(hash));
  }

  /** The photo, as PNG. */
  photo(): Uint8Array {
    const { png } = JSON.parse(this.meta.get("image") ?? "{}");
    const found = this.#database.exec("SELECT data FROM blobs WHERE hash = ?", [png])[0];
    if (!found) throw new Error("the page's session lacks the photo");
    return found.values[0][0] as Uint8Array;
  }

  logits(hash: string): Float32Array {
    return new Float32Array(this.#blob(hash).data.slice().buffer);
  }

  addDocument(kind: DocumentKind, body: Body): string {
    const json = ascii(JSON.stringify(sorted(body)));
    const hash = digest(`${kind} ${json}`);
    if (!this.#documents.has(hash)) {
      this.#documents.set(hash, body);
      this.#newDocuments.set(hash, { kind, json });
    }
    return hash;
  }

  /** Add the mask of a candidate, packed, or that of an object, as plain runs. */
  addMask(mask: Mask, kind: "packed" | "mask"): string {
    const { width, height, runs } = mask;
    const data = kind === "packed" ? packMask(mask) : new Uint8Array(runs.slice().buffer);
    const hash = digest(`${kind} ${height} ${width} `, data);
    if (!this.#blobs.has(hash)) {
      this.#blobs.set(hash, { kind, height, width, data });
      this.#newBlobs.add(hash);
    }
    this.#masks.set(hash, new WeakRef(mask));
    return hash;
  }

  /** Add the logits of a square mask, row by row, which a prompt can name. */
  addLogits(values: Float32Array): string {
    const side = Math.sqrt(values.length);
    const data = new Uint8Array(values.slice().buffer);
    const hash = digest(`logits ${side} ${side} `, data);
    if (!this.#blobs.has(hash)) {
      this.#blobs.set(hash, { kind: "logits", height: side, width: side, data });
      this.#newBlobs.add(hash);
    }
    return hash;
  }

  /** Commit a state after the present one; what could be redone is gone. */
  push(state: string): void {
    this.history = [...this.history.slice(0, this.position + 1), state];
    this.position++;
    this.#forget();
  }

  /** The bytes of a session file with everything. */
  save(): Uint8Array<ArrayBuffer> {
    const database = this.#database;
    database.run("BEGIN");
    for (const [hash, { kind, json }] of this.#newDocuments)
      database.run("INSERT INTO documents VALUES (?, ?, ?)", [hash, kind, json]);
    for (const hash of this.#newBlobs) {
      const { kind, height, width, data } = this.#blob(hash);
      database.run("INSERT INTO blobs VALUES (?, ?, ?, ?, ?)", [hash, kind, height, width, data]);
    }
    database.run("DELETE FROM history");
    let sum = "";
    this.history.forEach((state, position) => {
      sum = digest(sum + state);
      database.run("INSERT INTO history VALUES (?, ?, ?)", [position, state, sum]);
    });
    const stamp = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
    const meta = [...this.meta].sort(([a], [b]) => (a < b ? -1 : 1));
    const head = [this.position, stamp.join(""), sum, meta] as const;
    database.run("UPDATE head SET position = ?, stamp = ?, checksum = ?", [
      head[0],
      head[1],
      digest(ascii(JSON.stringify(head))),
    ]);
    database.run("COMMIT");
    this.#newDocuments.clear();
    this.#newBlobs.clear();
    return database.export();
  }

  #blob(hash: string): Blob {
    const found = this.#blobs.get(hash);
    if (!found) throw new Error(`the page's session lacks ${hash}`);
    return found;
  }

  /** Drop what is new and that no state names any more, so that memory does not grow with what was undone. */
  #forget(): void {
    if (this.#newDocuments.size < MOST_NEW) return;
    const live = new Set<string>();
    const visit = (value: Json): void => {
      if (typeof value === "string") {
        if (live.has(value)) return;
        if (this.#blobs.has(value)) live.add(value);
        const body = this.#documents.get(value);
        if (!body) return;
        live.add(value);
        visit(body);
      } else if (value && typeof value === "object") for (const each of Object.values(value)) visit(each);
    };
    for (const state of this.history) visit(state);
    for (const hash of [...this.#newDocuments.keys()])
      if (!live.has(hash)) {
        this.#newDocuments.delete(hash);
        this.#documents.delete(hash);
      }
    for (const hash of [...this.#newBlobs])
      if (!live.has(hash)) {
        this.#newBlobs.delete(hash);
        this.#blobs.delete(hash);
        this.#masks.delete(hash);
      }
  }
}

/** New documents from which on it is worth looking for some that can be dropped. */
const MOST_NEW = 5000;

/** 32 hexadecimal digits of BLAKE2b. */
export function digest(text: string, data: Uint8Array = new Uint8Array()): string {
  const head = new TextEncoder().encode(text);
  const all = new Uint8Array(head.length + data.length);
  all.set(head);
  all.set(data, head.length);
  return blake2bHex(all, undefined, 16);
}

/** The same with sorted keys. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
