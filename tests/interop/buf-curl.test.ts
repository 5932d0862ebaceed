import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.js';

const buf = join(import.meta.dirname, '../../node_modules/.bin/buf');
let server: ServerUnderTest;
beforeAll(async () => {
  server = await startServerUnderTest();
});
afterAll(() => server.close());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly problems: string;
}

function curl(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(buf, ['curl', ...args], { timeout: 20_000 }, (error, out, problems) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, problems });
    });
  });
}

const base64 = (value: string): string => Buffer.from(value).toString('base64');
const data = JSON.stringify({
  modelConfigId: 'sum',
  targetInputSchema: [
    { name: 'a', dataType: 'DataTypeString' },
    { name: 'b', dataType: 'DataTypeString' },
  ],
  targets: [{ id: 'one', featureValues: [base64('1'), base64('2')] }],
});

describe('buf curl by reflection', () => {
  it.each([
    ['grpc', ['--protocol', 'grpc', '--http2-prior-knowledge']],
    ['grpcweb', ['--protocol', 'grpcweb', '--http2-prior-knowledge']],
    ['connect', ['--protocol', 'connect', '--http2-prior-knowledge']],
    ['reflection v1alpha', ['--protocol', 'grpc', '--http2-prior-knowledge', '--reflect-protocol', 'grpc-v1alpha']],
  ])('scores with %s', async (_, options) => {
    const { code, out, problems } = await curl(...options, '-d', data, `${server.url}/Predict/InferPointWise`);
    expect(problems).toBe('');
    expect(code).toBe(0);
    const [row] = JSON.parse(out).targetScores;
    expect(Buffer.from(row.outputValues[0], 'base64').toString()).toBe('one');
    expect(Buffer.from(row.outputValues[1], 'base64').readFloatLE(0)).toBe(3);
  });

  it('lists the methods', async () => {
    const { out } = await curl('--http2-prior-knowledge', '--list-methods', server.url);
    expect(out).toContain('Predict/InferPointWise');
    expect(out).toContain('Inferflow/RetrieveModelScore');
  });

  it('shows what is wrong with a request', async () => {
    const { code, problems } = await curl(
      '--protocol',
      'grpc',
      '--http2-prior-knowledge',
      '-d',
      '{"modelConfigId":"sum"}',
      `${server.url}/Predict/InferPointWise`,
    );
    expect(code).not.toBe(0);
    expect(problems).toContain('pointwise request must have at least one target');
  });
});
