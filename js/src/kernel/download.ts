/** Download a file. */

export interface Download {
  readonly name: string;
  readonly mime: string;
  readonly bytes: Uint8Array;
}

/** Milliseconds after which the browser has surely started to read the file. */
const BEGUN = 60_000;

export function download({ name, mime, bytes }: Download): void {
  const address = URL.createObjectURL(new Blob([bytes as BlobPart], { type: mime }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), BEGUN);
}
