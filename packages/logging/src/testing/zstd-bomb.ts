const blockBytes = 1 << 17;

/** A zstd frame of zeros, four bytes for each 128 KiB of them. @param bytes a multiple of 128 KiB */
export function zstdBomb(bytes: number): Uint8Array {
  // The content's size in four bytes, no window: the content is it.
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes, 5);
  const count = bytes / blockBytes;
  const blocks = Array.from({ length: count }, (_, index) => {
    const block = Buffer.alloc(4);
    // Last or not, a run of one byte, so many times.
    block.writeUInt32LE((index === count - 1 ? 1 : 0) | (1 << 1) | (blockBytes << 3));
    return block;
  });
  return Buffer.concat([head, ...blocks]);
}
