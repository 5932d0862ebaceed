import { parentPort, workerData } from 'node:worker_threads';
import { openParquetFiles } from './open-parquet-files.js';
import type { ClosedFile, FileRecord, ParquetFiles } from './parquet-files.js';

/** What the thread that writes files is asked. */
export type WorkerInput =
  | { readonly kind: 'append'; readonly id: number; readonly records: readonly FileRecord[] }
  | { readonly kind: 'close'; readonly id: number };

/** What it answers. */
export type WorkerOutput = { readonly id: number; readonly closed: readonly ClosedFile[] };

const port = parentPort;
if (port !== null) {
  const files: ParquetFiles = await openParquetFiles(workerData);
  const timer = setInterval(
    () => {
      const closed = files.flush(false);
      if (closed.length > 0) port.postMessage({ id: 0, closed } satisfies WorkerOutput);
    },
    Math.max(50, Math.min(1000, workerData.intervalMs / 4)),
  );
  port.on('message', (input: WorkerInput) => {
    if (input.kind === 'append') {
      const closed: ClosedFile[] = [];
      for (const record of input.records) {
        try {
          closed.push(...files.append(record));
        } catch (error) {
          closed.push({
            modelConfigId: record.modelConfigId,
            rows: record.rowCount,
            reason: 'file_failed',
            detail: (error as Error).message,
          });
        }
      }
      port.postMessage({ id: input.id, closed } satisfies WorkerOutput);
      return;
    }
    clearInterval(timer);
    port.postMessage({ id: input.id, closed: files.flush(true) } satisfies WorkerOutput);
    port.close();
  });
}
