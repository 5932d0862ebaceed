import { fromBinary } from '@bufbuild/protobuf';
import { KafkaRequestSchema, ScoringTable_Origin } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { LogPipeline } from '../pipeline/log-pipeline.js';
import { LogSampling } from '../sampling.js';
import type { LogSink } from '../sink.js';
import { scoredRequest } from '../testing/scoring-vectors.js';
import { loadZstd, type Zstd } from '../zstd.js';
import { LogTaps } from './log-taps.js';
import { parseScoringLog } from './parse-scoring-log.js';
import { SCORING_TYPE_URL, ScoringEncoder } from './scoring-encoder.js';
import { ScoringRecord } from './scoring-record.js';
import { ScoringAssembler, type ScoringRequest } from './scoring-request.js';
import { UserIdentity, type UserIdentityOptions } from './user-identity.js';

interface EncodeOptions {
  readonly maxRecordBytes?: number;
  readonly identity?: UserIdentityOptions;
  readonly zstd?: Zstd;
}

function encode(made: ReturnType<typeof scoredRequest>, { maxRecordBytes = 1_000_000, identity, zstd }: EncodeOptions = {}) {
  const messages: LogMessage[] = [];
  const lost: string[] = [];
  const encoder = new ScoringEncoder(
    { encoded: (message) => messages.push(message), lost: (_, rows, reason) => lost.push(`${rows} ${reason}`), unfit: () => {} },
    new UserIdentity(identity),
  );
  const record = new ScoringRecord(made.record, made.details, ['app-version-code', 'accept-language'], () => {});
  const schema = { modelConfigId: 'films', configHash: 'hash-1', version: 3, features: [] };
  const task = {
    record,
    parentEntity: '',
    schema,
    format: 'proto',
    zstd: zstd ?? null,
    topic: 'scoring',
    maxRecordBytes,
    createdAtMs: 5000,
  };
  for (const _ of encoder.encode(task as Parameters<ScoringEncoder['encode']>[0]));
  return { messages, lost };
}

async function assemble(messages: readonly LogMessage[]): Promise<ScoringRequest> {
  const assembler = new ScoringAssembler();
  let request: ScoringRequest | null = null;
  for (const { value } of messages) request = assembler.add(await parseScoringLog(value), value.length) ?? request;
  if (request === null) throw new Error('not complete');
  return request;
}

const decoder = new TextDecoder();
const float = (bytes: Uint8Array): number | null =>
  bytes.length === 0 ? null : new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);

describe('ScoringEncoder', () => {
  it('writes everything of a request, each fetched value once', async () => {
    const { messages, lost } = encode(scoredRequest({ slates: true }), { identity: { form: 'plain' } });
    expect(lost).toEqual([]);
    expect(messages.map(({ rowCount, format, topic }) => [rowCount, format, topic])).toEqual([[4, 'scoring', 'scoring']]);
    const { head, components, targets, slates, slateSizes, slateTargets, rowErrors } = await assemble(messages);
    expect(head).toMatchObject({
      modelConfigId: 'films',
      configHash: 'hash-1',
      cacheVersion: 3,
      method: 'InferPairWise',
      trackingId: 't-1',
      tenantId: 'shop',
      callerId: 'web',
      userId: 'u-1',
      isUserIdHashed: false,
      startedAtUs: 1_700_000_000_000_000n,
      durationUs: 12500,
      rowCount: 4,
      slateCount: 2,
      routeHash: 0xdeadbeef,
      responseColumns: ['item', 'score'],
    });
    expect(head.headers.map(({ name, value }) => [name, value])).toEqual([['app-version-code', '12']]);
    expect(components.map(({ name, kind, calls }) => [name, kind, calls?.service, calls?.modelVersion, calls?.totalUs])).toEqual([
      ['film', 'feature', 'store:1', '', 3000],
      ['ranker', 'predator', 'models:1', '7', 4000],
      ['blend', 'numerix', undefined, undefined, undefined],
    ]);
    expect(head.tables.map(({ rows }) => rows)).toEqual([4, 1, 1, 2, 4]);
    expect(targets.all.map(({ name }) => name)).toHaveLength(6);
    expect(targets.named('user_id')[0]?.origin).toBe(ScoringTable_Origin.HEADER);
    const year = targets.ofComponent('film', 'film:year');
    expect([0, 1, 2, 3].map((row) => [year?.status(row), float(year?.bytes(row) ?? new Uint8Array(0))])).toEqual([
      [3, 1990],
      [2, 1991],
      [11, null],
      [2, 1991],
    ]);
    expect(decoder.decode(targets.ofComponent('film', 'film:title')?.bytes(3))).toBe('title 1 ');
    const score = targets.ofComponent('ranker', 'score');
    expect([0, 1, 2].map((row) => score?.status(row))).toEqual([2, 10, 2]);
    expect(float(score?.bytes(2) ?? new Uint8Array(0))).toBeCloseTo(0.2);
    expect([slateSizes, slateTargets]).toEqual([
      [2, 1],
      [0, 1, 3],
    ]);
    expect([0, 1].map((row) => slates.ofComponent('lead', 'lead')?.status(row))).toEqual([2, 5]);
    expect(rowErrors.map(({ error, rows }) => [error, rows])).toEqual([['ranker: failed', [1]]]);
  });

  it('travels in the envelope under its own name', () => {
    const [message] = encode(scoredRequest()).messages;
    const envelope = fromBinary(KafkaRequestSchema, message?.value as Uint8Array).value;
    expect(envelope).toMatchObject({ eventName: 'inferflow_scoring_logs', eventId: 't-1', createdAt: 5n });
    expect(envelope?.properties?.typeUrl).toBe(SCORING_TYPE_URL);
  });

  it('splits what is too large, by rows, and readers put it together again', async () => {
    const made = scoredRequest({ rows: 300, slates: true, textBytes: 500 });
    const { messages, lost } = encode(made, { maxRecordBytes: 3000 });
    expect(lost).toEqual([]);
    expect(messages.length).toBeGreaterThan(2);
    expect(messages.every(({ value }) => value.length <= 3000)).toBe(true);
    expect(messages.reduce((rows, { rowCount }) => rows + rowCount, 0)).toBe(300);
    const { targets, slates, rowErrors } = await assemble([...messages].reverse());
    for (const row of [0, 2, 150, 298, 299]) {
      expect(decoder.decode(targets.named('item')[0]?.bytes(row))).toBe(`e${row}`);
      expect(float(targets.ofComponent('ranker', 'score')?.bytes(row) ?? new Uint8Array(0))).toBeCloseTo(row / 10, 4);
      if (row !== 2) expect(decoder.decode(targets.ofComponent('film', 'film:title')?.bytes(row))).toContain(`title ${row % 2}`);
    }
    expect(slates.ofComponent('lead', 'lead')?.hasValue(1)).toBe(true);
    expect(rowErrors.map(({ rows }) => rows)).toEqual([[1]]);
  });

  it('says which rows are too large; the request is then not whole', async () => {
    const { messages, lost } = encode(scoredRequest({ rows: 3, textBytes: 4000 }), { maxRecordBytes: 3000 });
    expect(lost).toEqual(['1 record_too_large', '1 record_too_large']);
    const assembler = new ScoringAssembler();
    for (const { value } of messages) expect(assembler.add(await parseScoringLog(value), value.length)).toBeNull();
    assembler.end();
    expect(assembler.incomplete).toBe(1);
  });

  it('hides user ids, in the column of the header too, unless told otherwise', async () => {
    const hashed = await assemble(encode(scoredRequest()).messages);
    expect(hashed.head.isUserIdHashed).toBe(true);
    expect(hashed.head.userId).toMatch(/^[0-9a-f]{32}$/);
    expect(decoder.decode(hashed.targets.named('user_id')[0]?.bytes(0))).toBe(hashed.head.userId);
    expect(Buffer.concat(encode(scoredRequest()).messages.map(({ value }) => value)).includes('u-1')).toBe(false);
    const keyed = await assemble(encode(scoredRequest(), { identity: { secret: 'k' } }).messages);
    expect(keyed.head.userId).not.toBe(hashed.head.userId);
    const omitted = await assemble(encode(scoredRequest(), { identity: { form: 'omit' } }).messages);
    expect([omitted.head.userId, omitted.targets.named('user_id')[0]?.bytes(0).length]).toEqual(['', 0]);
  });

  it('compresses whole messages, and readers see no difference', async () => {
    const { messages } = encode(scoredRequest({ rows: 200, textBytes: 200 }), { zstd: await loadZstd() });
    const [message] = messages as [LogMessage];
    expect(message.value[message.messageStart]).toBe(0x28);
    expect((await assemble(messages)).head.rowCount).toBe(200);
  });
});

describe('parseScoringLog', () => {
  it('refuses what is something else', async () => {
    await expect(parseScoringLog(Uint8Array.of(1, 2, 3))).rejects.toThrow('not a ScoringLog');
    await expect(parseScoringLog(new Uint8Array(0))).rejects.toThrow('names no record');
  });
});

describe('ScoringAssembler', () => {
  it('takes records given twice once, and gives up what waits longest', async () => {
    const parts = await Promise.all(
      encode(scoredRequest({ rows: 300, textBytes: 500 }), { maxRecordBytes: 3000 }).messages.map(({ value }) => parseScoringLog(value)),
    );
    const assembler = new ScoringAssembler({ maxBytes: 10_000 });
    const twice = parts.flatMap((part) => [part, part]);
    expect(twice.map((part) => assembler.add(part, 100)).filter((request) => request !== null)).toHaveLength(1);
    for (let other = 0; other < 20; other++) assembler.add({ ...(parts[0] as (typeof parts)[0]), recordId: `other ${other}` }, 1000);
    expect(assembler.incomplete).toBe(10);
  });
});

describe('LogTaps', () => {
  const sink = (delivered: LogMessage[]): LogSink => ({
    name: 'memory',
    maxBatchBytes: 1 << 20,
    deliver: async (_, batch) => {
      delivered.push(...batch);
      return { isDelivered: true };
    },
    close: async () => {},
  });

  it('gives a request back once both kinds of records are made, and tells them apart in metrics', async () => {
    const [inferenceLogs, scoringLogs]: LogMessage[][] = [[], []];
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const settings = () => ({ format: 'proto' as const, isCompressed: false, zstd: null });
    const stream = (delivered: LogMessage[]) => ({ sink: sink(delivered), settings, topicOf: () => 't', lingerMs: 0 });
    const sampling = new LogSampling({ percentOf: () => 100 });
    const inference = new LogPipeline({ streams: [stream(inferenceLogs as LogMessage[])], telemetry });
    const scoring = new LogPipeline({
      streams: [stream(scoringLogs as LogMessage[])],
      telemetry,
      sampling,
      kind: 'scoring',
      createEncoder: (observer) => new ScoringEncoder(observer, new UserIdentity()),
    });
    const taps = new LogTaps({ inference, scoring });
    const made = scoredRequest();
    const detailed = { ...made.record, details: () => made.details };
    expect(taps.wants(detailed.plan, detailed)).toBe(true);
    taps.taken(detailed);
    expect(made.released()).toBe(0);
    await Promise.all([inference.close(1000), scoring.close(1000)]);
    expect(made.released()).toBe(1);
    expect(inferenceLogs?.map(({ format }) => format)).toEqual(['proto']);
    expect(scoringLogs?.map(({ format }) => format)).toEqual(['scoring']);
    const metrics = await telemetry.prometheusText();
    expect(metrics).toContain('inferflow_logging_rows_delivered_total{model_id="films",sink="memory",kind="scoring"} 4');
    expect(metrics).toMatch(/inferflow_logging_rows_total\{model_id="films"\} 4/);
    telemetry.close();
  });
});
