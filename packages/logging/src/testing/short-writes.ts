import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Lets writes of file handles take half of what they are given, as a disk does that gets full. Returns how to end it. */
export async function shortenWrites(): Promise<() => void> {
  const handle = await open(fileURLToPath(import.meta.url));
  const handles = Object.getPrototypeOf(handle) as { write(bytes: Uint8Array, ...place: unknown[]): Promise<unknown> };
  await handle.close();
  const { write } = handles;
  handles.write = function (bytes, offset, length, position) {
    const from = typeof offset === 'number' ? offset : 0;
    const most = typeof length === 'number' ? length : bytes.length - from;
    return write.call(this, bytes, from, Math.ceil(most / 2), position);
  };
  return () => {
    handles.write = write;
  };
}
