/** The same bytes as a plain `Uint8Array`. `slice()` of a `Buffer` is no copy, and one class per function keeps kernels monomorphic. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}
