import { renameSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { sumModel } from './testing/sum-model.js';

let stock: StockServer | undefined;
afterEach(async () => {
  await stock?.close();
  vi.restoreAllMocks();
});

describe('followDirectory', () => {
  it('tells that the directory is gone in a log line and a metric, serves on, and takes it up again by itself', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    stock = await startStockServer({ sum: sumModel() });
    const { port, directory, lines, setModel } = stock;
    const metric = async () =>
      (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).match(/config_source_state\{state="stale"\} (\d)/)?.[1];
    const said = (part: string) => lines().filter(({ msg }) => String(msg).includes(part));
    expect(await metric()).toBe('0');

    renameSync(directory, `${directory}-away`);
    await expect
      .poll(() => said('cannot be followed'), { timeout: 4000 })
      .toEqual([expect.objectContaining({ level: 'error', reason: 'ENOENT' })]);
    expect(await metric()).toBe('1');
    expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200);
    expect(stock.server.engine.snapshot.models.get('sum')?.state).toBe('live');

    renameSync(`${directory}-away`, directory);
    await expect.poll(() => said('followed again').length, { timeout: 4000 }).toBe(1);
    expect(await metric()).toBe('0');
    setModel('another', sumModel());
    await expect.poll(() => stock?.server.engine.snapshot.models.get('another')?.state, { timeout: 4000 }).toBe('live');
    expect(said('cannot be followed')).toHaveLength(1);
    expect(warning).not.toHaveBeenCalled();
  });
});
