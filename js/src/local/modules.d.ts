/** Modules without types of their own. */

declare module "*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

declare module "sql.js/dist/sql-wasm-browser.js" {
  export type SqlValue = string | number | Uint8Array | null;
  export interface Database {
    exec(sql: string, params?: SqlValue[]): { columns: string[]; values: SqlValue[][] }[];
    run(sql: string, params?: SqlValue[]): void;
    getRowsModified(): number;
    export(): Uint8Array<ArrayBuffer>;
    close(): void;
  }
  export default function initSqlJs(options: {
    wasmBinary: ArrayBuffer;
  }): Promise<{ Database: new (bytes: Uint8Array) => Database }>;
}

declare module "blakejs" {
  export function blake2bInit(length: number): unknown;
  export function blake2bUpdate(state: unknown, input: Uint8Array): void;
  export function blake2bFinal(state: unknown): Uint8Array;
  export function blake2bHex(input: Uint8Array, key?: undefined, length?: number): string;
}
