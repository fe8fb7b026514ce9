/**
 * A session file in memory: documents and blobs by hash, and the states of the history;
 * `sam_widget/session/file/format.py` describes the format.
 */

import { blake2bHex } from "blakejs";
import type { Database, SqlValue } from "sql.js/dist/sql-wasm-browser.js";
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

/** All that was ever shown is in the database, which takes a fifth of the memory of the same things as objects. */
export class Archive {
  readonly meta: ReadonlyMap<string, string>;
  history: string[];
  position: number;
  readonly #database: Database;
  readonly #documents = new Recent<Body>(1000);
  readonly #masks = new Recent<Mask>(100);
  /** The last rows of the file that was opened: what comes after them may be dropped. */
  readonly #opened: { readonly documents: number; readonly blobs: number };
  #added = 0;

  constructor(database: Database) {
    this.#database = database;
    // Nothing else reads this database, and a rollback would only follow a fault: no journal.
    database.run("PRAGMA journal_mode = OFF");
    this.meta = new Map(this.#rows("SELECT key, value FROM meta") as [string, string][]);
    this.history = this.#rows("SELECT state FROM history ORDER BY position").map(([state]) => state as string);
    this.position = this.#rows("SELECT position FROM head")[0][0] as number;
    this.#opened = { documents: this.#last("documents"), blobs: this.#last("blobs") };
  }

  document(hash: string): Body {
    return this.#documents.get(hash, () => {
      const found = this.#rows("SELECT json FROM documents WHERE hash = ?", [hash])[0];
      if (!found) throw new Error(`the page's session lacks ${hash}`);
      return JSON.parse(found[0] as string);
    });
  }

  mask(hash: string): Mask {
    return this.#masks.get(hash, () => {
      const { kind, width, height, data } = this.#blob(hash);
      return kind === "packed"
        ? unpackMask(data, width, height)
        : { width, height, runs: new Uint32Array(data.slice().buffer) };
    });
  }

  packed(hash: string): Uint8Array {
    const { kind, data } = this.#blob(hash);
    return kind === "packed" ? data : packMask(this.mask(hash));
  }

  /** The photo, as PNG. */
  photo(): Uint8Array {
    const { png } = JSON.parse(this.meta.get("image") ?? "{}");
    const found = this.#rows("SELECT data FROM blobs WHERE hash = ?", [png])[0];
    if (!found) throw new Error("the page's session lacks the photo");
    return found[0] as Uint8Array;
  }

  logits(hash: string): Float32Array {
    return new Float32Array(this.#blob(hash).data.slice().buffer);
  }

  addDocument(kind: DocumentKind, body: Body): string {
    const json = ascii(JSON.stringify(sorted(body)));
    const hash = digest(`${kind} ${json}`);
    this.#add("INSERT OR IGNORE INTO documents VALUES (?, ?, ?)", [hash, kind, json]);
    return hash;
  }

  /** Add the mask of a candidate, packed, or that of an object, as plain runs. */
  addMask(mask: Mask, kind: "packed" | "mask"): string {
    const { width, height, runs } = mask;
    const data = kind === "packed" ? packMask(mask) : new Uint8Array(runs.slice().buffer);
    const hash = digest(`${kind} ${height} ${width} `, data);
    this.#add("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, ?)", [hash, kind, height, width, data]);
    this.#masks.get(hash, () => mask);
    return hash;
  }

  /** Add the logits of a square mask, row by row, which a prompt can name. */
  addLogits(values: Float32Array): string {
    const side = Math.sqrt(values.length);
    const data = new Uint8Array(values.slice().buffer);
    const hash = digest(`logits ${side} ${side} `, data);
    this.#add("INSERT OR IGNORE INTO blobs VALUES (?, 'logits', ?, ?, ?)", [hash, side, side, data]);
    return hash;
  }

  /** Commit a state after the present one; what could be redone is gone. */
  push(state: string): void {
    this.history.length = ++this.position;
    this.history.push(state);
    if (this.#added >= SWEEP_AFTER) this.#sweep();
  }

  /** The bytes of a session file with everything. */
  save(): Uint8Array<ArrayBuffer> {
    const database = this.#database;
    database.run("BEGIN");
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
    return database.export();
  }

  #rows(sql: string, values: SqlValue[] = []): SqlValue[][] {
    return this.#database.exec(sql, values)[0]?.values ?? [];
  }

  #last(table: "documents" | "blobs"): number {
    return (this.#rows(`SELECT max(rowid) FROM ${table}`)[0][0] ?? 0) as number;
  }

  #blob(hash: string): Blob {
    const found = this.#rows(
      "SELECT kind, height, width, data FROM blobs WHERE hash = ? AND kind IN ('mask', 'packed', 'logits')",
      [hash],
    )[0] as [string, number, number, Uint8Array] | undefined;
    if (!found) throw new Error(`the page's session lacks ${hash}`);
    const [kind, height, width, data] = found;
    return { kind, height, width, data };
  }

  #add(sql: string, values: SqlValue[]): void {
    this.#database.run(sql, values);
    this.#added += this.#database.getRowsModified();
  }

  /** Drop what is new and that no state names any more, so that memory does not grow with what was undone. */
  #sweep(): void {
    this.#added = 0;
    const news = new Map(
      this.#rows("SELECT hash, json FROM documents WHERE rowid > ?", [this.#opened.documents]) as [string, string][],
    );
    const hashes = this.#rows("SELECT hash FROM blobs WHERE rowid > ?", [this.#opened.blobs]);
    const blobs = new Set(hashes.map(([hash]) => hash as string));
    // What the opened file holds names nothing new, so it need not be followed.
    const follow = (value: Json): void => {
      if (typeof value === "string") {
        blobs.delete(value);
        const json = news.get(value);
        if (json === undefined) return;
        news.delete(value);
        follow(JSON.parse(json));
      } else if (value && typeof value === "object") for (const each of Object.values(value)) follow(each);
    };
    for (const state of this.history) follow(state);
    for (const hash of news.keys()) this.#drop("documents", hash);
    for (const hash of blobs) this.#drop("blobs", hash);
  }

  #drop(table: "documents" | "blobs", hash: string): void {
    this.#database.run(`DELETE FROM ${table} WHERE hash = ?`, [hash]);
    (table === "documents" ? this.#documents : this.#masks).delete(hash);
  }
}

/** New rows from which on it is worth looking for some that can be dropped. */
export const SWEEP_AFTER = 10_000;

/** What was used last. */
class Recent<Value> {
  readonly #values = new Map<string, Value>();

  constructor(readonly most: number) {}

  get(key: string, make: () => Value): Value {
    const value = this.#values.get(key) ?? make();
    // A map keeps the order of insertion: the first key is the one unused for longest.
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.most) this.#values.delete(this.#values.keys().next().value as string);
    return value;
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}

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
