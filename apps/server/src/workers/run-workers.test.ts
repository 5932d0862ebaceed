import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { toWorkerProcess } from './run-workers.js';

/** A worker of a cluster with this process id. */
function clusterWorker(pid: number | undefined): Worker {
  const worker = Object.assign(new EventEmitter(), { process: { pid }, isConnected: () => false });
  // Only what is used of it.
  return worker as unknown as Worker;
}

function endsOf(worker: Worker): unknown[] {
  const ends: unknown[] = [];
  toWorkerProcess(worker).onExit((...end) => ends.push(end));
  return ends;
}

describe('toWorkerProcess', () => {
  it('ends when there never was a process, which says so with an error alone', () => {
    const worker = clusterWorker(undefined);
    const ends = endsOf(worker);
    const error = new Error('spawn EAGAIN');
    worker.emit('error', error);
    expect(ends).toEqual([[null, null, error]]);
  });

  it('does not end because its channel breaks', () => {
    const worker = clusterWorker(12);
    const ends = endsOf(worker);
    worker.emit('error', new Error('write EPIPE'));
    worker.emit('exit', null, 'SIGKILL');
    expect(ends).toEqual([[null, 'SIGKILL']]);
  });
});
