declare module "*?raw" {
  const text: string;
  export default text;
}

interface ImportMeta {
  glob(pattern: string, options: { query: "?raw"; import: "default"; eager: true }): Record<string, string>;
}

declare module "node:events" {
  export function setMaxListeners(count: number): void;
}

declare module "node:fs" {
  export function readFileSync(path: string): Uint8Array;
}
