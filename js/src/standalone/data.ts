/** What a page without a kernel contains: data in script elements of types that browsers do not run. */

import { unpacked } from "../local/unpacked";

export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page lacks ${id}`);
  return found;
}

/** The compressed bytes of a script element; `last` removes it, since the text takes megabytes. */
export function bytesOf(id: string, last = true): Uint8Array {
  const script = element(id);
  const text = script.textContent ?? "";
  if (last) script.remove();
  return fromBase64(text);
}

export function fromBase64(text: string): Uint8Array {
  // Browsers before 2025 lack it.
  const { fromBase64: quickly } = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array };
  if (quickly) return quickly(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Start a Web Worker from the page's own code; its address may be revoked once the worker has answered. */
export async function startWorker(id: string, last = true): Promise<{ worker: Worker; address: string }> {
  const code = await unpacked(bytesOf(id, last));
  const address = URL.createObjectURL(new Blob([code as BlobPart], { type: "text/javascript" }));
  return { worker: new Worker(address), address };
}
