import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StockServer, startStockServer } from './testing/stock-server.js';

const decoderPath = '/api/v1/inference/mp-config-registry/get_feature_schema';
const controlPlanePath = '/api/v1/horizon/inferflow-config-registry/get_feature_schema';

function model(version: number, feature: string) {
  return {
    dag_execution_config: { component_dependency: { feature_initializer: ['f'], f: [] } },
    component_config: {
      cache_version: version,
      feature_components: [
        {
          component: 'f',
          component_id: 'item',
          fs_keys: [{ schema: 'item', col: 'item' }],
          fs_request: { label: 'it', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: [feature] }] },
          fs_flatten_resp_keys: ['item'],
        },
      ],
    },
    response_config: { features: ['item', `it:g:${feature}`] },
  };
}

interface Schema {
  readonly config_hash?: string;
  readonly version?: number;
  readonly data: readonly { readonly feature_name: string; readonly feature_type: string; readonly feature_size: number }[];
}

const settings = { EXTERNAL_SERVICE_ONFS_FS_HOST: '127.0.0.1:9' };
let state: string;
let server: StockServer;
const ask = async (path: string): Promise<{ readonly status: number; readonly body: unknown }> => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
  expect(response.headers.get('content-type')).toBe('application/json');
  return { status: response.status, body: await response.json() };
};
const schemaOf = async (path: string): Promise<Schema> => (await ask(path)).body as Schema;
const names = ({ data }: Schema): readonly string[] => data.map(({ feature_name }) => feature_name);

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'inferflow-state-'));
});
afterEach(async () => {
  await server.close();
  rmSync(state, { recursive: true, force: true });
});

describe('GET /schema', () => {
  it('answers the newest schema, one by version, one by hash, and a list', async () => {
    server = await startStockServer({ m: model(3, 'a') }, settings);
    const newest = await schemaOf('/schema?model_config_id=m');
    expect(newest).toMatchObject({
      model_config_id: 'm',
      version: 3,
      config_hash: server.server.engine.snapshot.models.get('m')?.config?.hash,
    });
    expect(newest.data).toEqual([{ feature_name: 'it:g:a', feature_type: 'DataTypeFP32', feature_size: 1 }]);
    server.setModel('m', model(4, 'b'));
    await expect.poll(async () => (await schemaOf('/schema?model_config_id=m')).version, { timeout: 5000 }).toBe(4);
    expect(names(await schemaOf('/schema?model_config_id=m'))).toEqual(['it:g:b']);
    expect(names(await schemaOf('/schema?model_config_id=m&version=3'))).toEqual(['it:g:a']);
    expect(names(await schemaOf(`/schema?model_config_id=m&config_hash=${newest.config_hash}`))).toEqual(['it:g:a']);
    expect((await ask('/schema')).body).toMatchObject({
      models: [{ model_config_id: 'm', schemas: [{ version: 3 }, { version: 4, features: 1 }] }],
    });
    expect((await ask('/schema?model_config_id=nobody')).status).toBe(404);
    expect((await ask('/schema?model_config_id=m&version=9')).status).toBe(404);
  });

  it.each([decoderPath, controlPlanePath])('answers today’s readers at %s', async (path) => {
    server = await startStockServer({ m: model(3, 'a') }, settings);
    server.setModel('m', model(3, 'b'));
    await expect.poll(async () => names(await schemaOf(`${path}?model_config_id=m&version=3`)), { timeout: 5000 }).toEqual(['it:g:b']);
    expect((await ask(`${path}?model_config_id=m&version=3`)).body).toEqual({
      data: [{ feature_name: 'it:g:b', feature_type: 'DataTypeFP32', feature_size: 1 }],
    });
    for (const query of ['model_config_id=m&version=5', 'model_config_id=m&version=x', 'model_config_id=m', 'version=3'])
      expect(await ask(`${path}?${query}`)).toEqual({ status: 400, body: 'Error getting feature schema' });
  });

  it('knows configurations of before a restart', async () => {
    const withState = { ...settings, INFERFLOW_STATE_DIR: state };
    server = await startStockServer({ m: model(3, 'a'), gone: model(2, 'c') }, withState);
    await server.close();
    server = await startStockServer({ m: model(4, 'b') }, withState);
    expect(names(await schemaOf(`${decoderPath}?model_config_id=m&version=3`))).toEqual(['it:g:a']);
    expect(names(await schemaOf(`${decoderPath}?model_config_id=m&version=4`))).toEqual(['it:g:b']);
    expect(names(await schemaOf(`${decoderPath}?model_config_id=gone&version=2`))).toEqual(['it:g:c']);
    expect((await schemaOf('/schema?model_config_id=m')).version).toBe(4);
  });
});
