import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromJson } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { parseScoringLog, readDelimited, ScoringAssembler, type ScoringRequest } from '@inferflow/logging/scoring';
import { PairWiseRequestSchema, PointWiseRequestSchema, Predict } from '@inferflow/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createServer } from './create-server.js';
import { readEnvironment } from './env.js';
import { createLogger } from './logger.js';

const folder = new URL('../../../examples/movies/requests/', import.meta.url);
const requestOf = (name: string) => JSON.parse(readFileSync(new URL(`${name}.connect.json`, folder), 'utf8'));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'inferflow-scoring-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function start(environment: Readonly<Record<string, string>>) {
  const settings = { APP_PORT: '0', INFERFLOW_HOST: '127.0.0.1', INFERFLOW_SHUTDOWN_GRACE_MS: '500' };
  return createServer(readEnvironment({ ...settings, ...environment }), createLogger('DISABLED', 'test', { write: () => {} }));
}

async function readAll(): Promise<ScoringRequest[]> {
  const requests: ScoringRequest[] = [];
  const assembler = new ScoringAssembler();
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.scoring'));
  for (const file of files) {
    const chunks = (async function* () {
      yield readFileSync(join(directory, file));
    })();
    for await (const bytes of readDelimited(chunks)) {
      const request = assembler.add(await parseScoringLog(bytes), bytes.length);
      if (request !== null) requests.push(request);
    }
  }
  return requests;
}

describe('scoring logs of the server', () => {
  it('hold what the demo was asked, fetched, called and answered', async () => {
    const server = await start({ INFERFLOW_SCORING_DIR: directory, INFERFLOW_SCORING_PERCENT: '100' });
    const client = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }));
    const headers = { 'user-id': 'critic', 'app-version-code': '7', 'inferflow-caller-id': 'web' };
    const point = fromJson(PointWiseRequestSchema, requestOf('rank-drama'));
    await client.inferPointWise({ ...point, trackingId: 'track-1' }, { headers });
    await client.inferPairWise(fromJson(PairWiseRequestSchema, requestOf('compare-films')), { headers });
    await server.shutdown();
    const requests = await readAll();
    const ranked = requests.find(({ head }) => head.method === 'InferPointWise') as ScoringRequest;
    expect(ranked.head).toMatchObject({ modelConfigId: 'film-ranking', trackingId: 'track-1', callerId: 'web', isUserIdHashed: true });
    expect(ranked.head.rowCount).toBe(point.targets.length);
    expect(ranked.components.map(({ name, status }) => `${name} ${status}`)).toContain('blend ok');
    const ranker = ranked.components.find(({ name }) => name === 'ranker');
    expect(ranker?.calls).toMatchObject({ service: 'local', modelName: 'movie_ranker', modelVersion: '1', count: 1, failed: 0 });
    const scoreColumns = ranked.targets.all.filter(({ component }) => ['ranker', 'rating', 'blend'].includes(component));
    expect(scoreColumns.length).toBeGreaterThanOrEqual(3);
    for (const column of scoreColumns)
      for (let row = 0; row < ranked.head.rowCount; row++) expect([column.status(row), column.bytes(row).length]).toEqual([2, 4]);
    const pairs = requests.find(({ head }) => head.method === 'InferPairWise') as ScoringRequest;
    expect(pairs.slateSizes).toEqual(new Array(pairs.head.slateCount).fill(2));
    expect(pairs.slates.all.map(({ component }) => component)).toContain('appeal');
  });

  it('are off unless asked for, and say what is wrong with their settings', async () => {
    await expect(start({ INFERFLOW_SCORING_PERCENT: '10' })).rejects.toMatchObject({
      problems: [expect.stringContaining('INFERFLOW_SCORING_PERCENT needs a place')],
    });
    const wrong = {
      INFERFLOW_SCORING_DIR: directory,
      INFERFLOW_SCORING_TOPIC: 't',
      INFERFLOW_SCORING_USER_ID: 'maybe',
      INFERFLOW_SCORING_HEADERS: 'Authorization,user-id',
    };
    await expect(start(wrong)).rejects.toMatchObject({
      problems: [
        expect.stringContaining('needs KAFKA_BOOTSTRAP_SERVERS'),
        expect.stringContaining('expected hash, plain, omit'),
        expect.stringContaining('"authorization" holds a secret'),
        expect.stringContaining('"user-id" is logged as'),
      ],
    });
    const server = await start({ INFERFLOW_SCORING_DIR: directory });
    const client = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }));
    await client.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'film-ranking', targets: [{ id: 'x' }] }));
    await server.shutdown();
    expect(await readAll()).toEqual([]);
  });
});
