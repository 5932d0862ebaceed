import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { Inferflow, Predict } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { cyclicModel, sumModel, sumRequest } from './testing/sum-model.js';

describe('/metrics of the stock server', () => {
  let stock: StockServer;
  beforeAll(async () => {
    stock = await startStockServer({ sum: sumModel(), broken: cyclicModel });
  });
  afterAll(() => stock.close());

  const text = async () => (await fetch(`http://127.0.0.1:${stock.port}/metrics`)).text();
  /** Names with labels of everything that is not about the process itself. */
  const series = (metrics: string) =>
    metrics
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#') && !/^(nodejs|process)_/.test(line))
      .map((line) => line.replace(/ [^ ]+$/, ''));

  it('does not get longer however many models, methods, ids, columns and headers callers make up', async () => {
    const baseUrl = `http://127.0.0.1:${stock.port}`;
    const transports = [createGrpcTransport({ baseUrl }), createConnectTransport({ baseUrl, httpVersion: '1.1' })];
    const burden = async (at: number) => {
      for (const transport of transports) {
        const predict = createClient(Predict, transport);
        const options = { headers: { 'user-id': `user-${at}`, 'x-request-id': `id-${at}`, 'app-version-code': `${at}` } };
        const known = sumRequest('sum', [[`target-${at}`, '1', '2']]);
        await predict.inferPointWise({ ...known, trackingId: `track-${at}`, tenantId: `tenant-${at}` }, options);
        const feature = { name: `column-${at}`, value: Uint8Array.of(49) };
        await predict.inferPointWise({ ...known, contextFeatures: [feature] }, options);
        for (const id of [`made-up-${at}`, 'broken']) await predict.inferPointWise(sumRequest(id), options).catch(() => {});
        await predict.inferPairWise({ ...sumRequest(`made-up-${at}`), pairs: [] }, options).catch(() => {});
        await createClient(Inferflow, transport)
          .retrieveModelScore({ modelConfigId: `made-up-${at}` }, options)
          .catch(() => {});
      }
      await fetch(`${baseUrl}/made-up-${at}`);
      await fetch(`${baseUrl}/Predict/MadeUp${at}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    };
    await burden(0);
    const before = new Set(series(await text()));
    for (let at = 1; at <= 60; at++) await burden(at);
    const after = await text();
    expect(series(after).filter((line) => !before.has(line))).toEqual([]);
    expect(after).not.toMatch(/made-?up|target-|track-|tenant-|user-\d|column-/i);
    expect(after).toMatch(/predict_infer_request_total\{model_id="unknown",inference_mode="pointwise"\} 122/);
    expect(after).toMatch(/predict_infer_request_total\{model_id="broken",inference_mode="pointwise"\} 122/);
  });

  it('tells the state of every model, and forgets a model that is gone', async () => {
    const before = await text();
    expect(before).toMatch(/inferflow_config_model_state\{model_id="sum",state="live"\} 1/);
    expect(before).toMatch(/inferflow_config_model_state\{model_id="broken",state="rejected"\} 1/);
    expect(before).toMatch(/inferflow_config_schema_parsing_error_total\{model_id="broken"\} 1/);
    expect(before).toMatch(/inferflow_build_info\{version="[^"]+",node_version="[^"]+"\} 1/);
    stock.setModel('broken', undefined);
    await expect.poll(text, { timeout: 5000 }).not.toContain('model_id="broken"');
    expect(await text()).toContain('model_id="sum"');
  });
});
