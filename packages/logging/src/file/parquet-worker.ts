import { parentPort, workerData } from 'node:worker_threads';
import { openParquetFiles } from './open-parquet-files.js';
import type { FileRecord, LostFile, ParquetFiles } from './parquet-files.js';

/** What the thread that writes files is asked. */
export type WorkerInput =
  | { readonly kind: 'append'; readonly id: number; readonly records: readonly FileRecord[] }
  | { readonly kind: 'close'; readonly id: number };

/** What it answers. */
export type WorkerOutput = { readonly id: number; readonly lost: readonly LostFile[] };

const port = parentPort;
if (port !== null) {
  const files: ParquetFiles = await openParquetFiles(workerData);
  const timer = setInterval(
    () => {
      const lost = files.flush(false);
      if (lost.length > 0) port.postMessage({ id: 0, lost } satisfies WorkerOutput);
    },
    Math.max(50, Math.min(1000, workerData.intervalMs / 4)),
  );
  port.on('message', (input: WorkerInput) => {
    if (input.kind === 'append') {
      const lost: LostFile[] = [];
      for (const record of input.records) {
        try {
          lost.push(...files.append(record));
        } catch (error) {
          lost.push({
            modelConfigId: record.modelConfigId,
            rows: record.rowCount,
            reason: 'file_failed',
            detail: (error as Error).message,
          });
        }
      }
      port.postMessage({ id: input.id, lost } satisfies WorkerOutput);
      return;
    }
    clearInterval(timer);
    port.postMessage({ id: input.id, lost: files.flush(true) } satisfies WorkerOutput);
    port.close();
  });
}
