/** Bytes of a record that stands in a line as base64; null for what is none. */
export function recordBytes(text: string): Uint8Array | null {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 ? new Uint8Array(Buffer.from(text, 'base64')) : null;
}
