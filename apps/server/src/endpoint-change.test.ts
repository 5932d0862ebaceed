import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Predict } from '@inferflow/proto';
import { expect, it } from 'vitest';
import { startFakeServices } from './testing/fake-services.js';
import { startStockServer } from './testing/stock-server.js';

/** Features from the store, scored by a model at this port. */
function rankerAt(port: number): object {
  return {
    dag_execution_config: { component_dependency: { fs: ['feature_initializer'], rank: ['fs'] } },
    component_config: {
      feature_components: [
        {
          component: 'fs',
          component_id: 'item',
          fs_keys: [{ schema: 'item', col: 'item' }],
          fs_request: { label: 'item', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: ['x'] }] },
          fs_flatten_resp_keys: ['item'],
        },
      ],
      predator_components: [
        {
          component: 'rank',
          component_id: 'item',
          model_name: 'ranker',
          model_end_point: `127.0.0.1:${port}`,
          deadline: 8000,
          inputs: [{ name: 'in', features: ['item:g:x'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'out', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: ['item', 'score'] },
  };
}

it.each(['moves', 'goes'])('a request that still fetches features when its model %s is scored where it began', async (how) => {
  const [store, before, after] = await Promise.all([startFakeServices(), startFakeServices(), startFakeServices()]);
  const stock = await startStockServer(
    { ranker: rankerAt(before.port) },
    {
      EXTERNAL_SERVICE_ONFS_FS_HOST: `127.0.0.1:${store.port}`,
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: '20000',
      INFERFLOW_DEFAULT_DEADLINE_MS: '20000',
    },
  );
  try {
    const predict = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` }));
    const ask = (id: string) => predict.inferPointWise({ modelConfigId: 'ranker', targets: [{ id }] });
    const right = await ask('a');
    expect(right.targetScores).toHaveLength(1);
    let letOn = () => {};
    const fetches = new Promise<void>((resolve) => {
      store.beforeFeatures = () => {
        resolve();
        return new Promise((done) => {
          letOn = done;
        });
      };
    });
    const early = ask('b');
    await fetches;
    store.beforeFeatures = () => Promise.resolve();
    const changed = new Promise<void>((resolve) => stock.server.engine.onSnapshot(() => resolve()));
    stock.setModel('ranker', how === 'moves' ? rankerAt(after.port) : undefined);
    await changed;
    letOn();
    const { targetScores, quality } = await early;
    expect(targetScores[0]?.outputValues).toEqual([new Uint8Array(Buffer.from('b')), right.targetScores[0]?.outputValues[1]]);
    const outcomesOf = (of: typeof quality) => of?.components.map(({ name, status, reason }) => ({ name, status, reason }));
    expect(outcomesOf(quality)).toEqual(outcomesOf(right.quality));
  } finally {
    await stock.close();
    await Promise.all([store, before, after].map((service) => service.close()));
  }
});
