import { parentPort } from 'node:worker_threads';
import { loadZstd } from '../zstd.js';
import { buffersOf, EncodeRequests } from './encode-requests.js';
import type { ThreadInput } from './thread-messages.js';

const port = parentPort;
if (port !== null) {
  const work = new EncodeRequests(await loadZstd().catch(() => null));
  port.on('message', (input: ThreadInput) => {
    const outputs = work.run(input);
    port.postMessage(outputs, buffersOf(outputs));
  });
}
