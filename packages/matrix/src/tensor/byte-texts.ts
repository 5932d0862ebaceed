/** A BYTES tensor of these texts: before each its length, four bytes, little-endian. */
export function joinByteTexts(texts: readonly Uint8Array[]): Uint8Array {
  const raw = new Uint8Array(texts.reduce((sum, text) => sum + 4 + text.length, 0));
  const view = new DataView(raw.buffer);
  let at = 0;
  for (const text of texts) {
    view.setUint32(at, text.length, true);
    raw.set(text, at + 4);
    at += 4 + text.length;
  }
  return raw;
}

/** The texts of a BYTES tensor as views of it; null when a length points past its end. */
export function splitByteTexts(raw: Uint8Array): Uint8Array[] | null {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const texts: Uint8Array[] = [];
  for (let at = 0; at < raw.length; ) {
    const end = at + 4 <= raw.length ? at + 4 + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > raw.length) return null;
    texts.push(raw.subarray(at + 4, end));
    at = end;
  }
  return texts;
}
