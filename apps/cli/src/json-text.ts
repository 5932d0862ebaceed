/** Anything as indented JSON: 64-bit integers as text, bytes as base64. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, each: unknown) =>
      typeof each === 'bigint' ? String(each) : each instanceof Uint8Array ? Buffer.from(each).toString('base64') : each,
    2,
  );
}
