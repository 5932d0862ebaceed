import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, createServer, readEnvironment } from '../../apps/server/src/index.js';

/** The stock server in this process, on a free port, with models that need no other service. */
export interface ServerUnderTest {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** `total = a + b` for every target, `together = x` for every pair or slate; the values come with the request. */
function sumModel(requestValues: 'text' | 'typed') {
  const numerix = (component: string, scoreColumn: string, expression: string, mapping: Record<string, string>, isSlate: boolean) => ({
    component,
    component_id: 'item_id',
    score_col: scoreColumn,
    data_type: 'DataTypeFP32',
    expression,
    score_mapping: mapping,
    ...(isSlate && { slate_component: true }),
  });
  return {
    request_values: requestValues,
    dag_execution_config: { component_dependency: { sum: ['feature_initializer'], together: ['sum'] } },
    component_config: {
      numerix_components: [
        numerix('sum', 'total', 'a b +', { 'a@DataTypeFP32': 'a', 'b@DataTypeFP32': 'b' }, false),
        numerix('together', 'together', 'x 2 *', { 'x@DataTypeFP32': 'x' }, true),
      ],
    },
    response_config: { features: ['item_id', 'total', 'together'] },
  };
}

const refused = {
  dag_execution_config: { component_dependency: { sum: ['other'], other: ['sum'] } },
  component_config: { numerix_components: [] },
  response_config: { features: ['item_id'] },
};

/** Starts it with the models `sum` (values as text), `sum-typed` and `refused` (a cycle). */
export async function startServerUnderTest(env: Readonly<Record<string, string>> = {}): Promise<ServerUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-interop-'));
  mkdirSync(join(directory, 'models'));
  const models = { sum: sumModel('text'), 'sum-typed': sumModel('typed'), refused };
  for (const [id, model] of Object.entries(models)) writeFileSync(join(directory, 'models', `${id}.json`), JSON.stringify(model));
  const environment = readEnvironment({
    APP_PORT: '0',
    INFERFLOW_HOST: '127.0.0.1',
    INFERFLOW_CONFIG_DIR: directory,
    INFERFLOW_SHUTDOWN_GRACE_MS: '200',
    ...env,
  });
  const server = await createServer(environment, createLogger('DISABLED', 'interop'));
  return {
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
    async close() {
      await server.shutdown();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
