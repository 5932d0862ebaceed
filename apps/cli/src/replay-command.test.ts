import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Engine } from '@inferflow/engine';
import { InferflowRequestProtoSchema, PairWiseRequestSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandIo } from './command-io.js';
import type { ReplayReport } from './replay/replay-report.js';
import { createReplayCommand } from './replay-command.js';
import { exampleModel, logRequests } from './testing/scoring-log.js';

let directory: string;
let log: string;
const values: Uint8Array[] = [];
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function ask(engine: Engine, options: Parameters<Engine['inferPointWise']>[1]): Promise<void> {
  const ids = (count: number) => Array.from({ length: count }, (_, row) => ({ id: `e${row + 1}`, featureValues: [text(String(row % 3))] }));
  const common = {
    modelConfigId: 'm',
    trackingId: 'track',
    tenantId: 'shop',
    contextFeatures: [{ name: 'weight', value: text('0.5') }],
    targetInputSchema: [{ name: 'boost' }],
  };
  for (let round = 0; round < 3; round++) {
    await engine.inferPointWise(create(PointWiseRequestSchema, { ...common, targets: ids(40) }), options);
    await engine.inferPairWise(
      create(PairWiseRequestSchema, {
        ...common,
        targets: ids(4),
        pairs: [
          { firstTargetIndex: 0, secondTargetIndex: 3 },
          { firstTargetIndex: 2, secondTargetIndex: 1 },
        ],
      }),
      options,
    );
    await engine.inferSlateWise(
      create(SlateWiseRequestSchema, { ...common, targets: ids(5), slates: [{ targetIndices: [0, 1, 2] }, { targetIndices: [4] }] }),
      options,
    );
    await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, {
        modelConfigId: 'm',
        trackingId: 'track-r',
        entities: [
          { entity: 'item', ids: ['e1', 'e2', 'x'], features: [{ name: 'boost', idsFeatureValue: ['1', '2', '3'] }] },
          { entity: 'weight', ids: ['0.5'] },
        ],
      }),
      options,
    );
  }
}

function delimited(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const head: number[] = [];
      for (let rest = message.length; ; rest >>>= 7) {
        head.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
        if (rest <= 0x7f) break;
      }
      return [Buffer.from(head), message];
    }),
  );
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'inferflow-replay-'));
  const messages: Uint8Array[] = [];
  await logRequests(
    exampleModel(),
    ask,
    (message, value) => {
      messages.push(message);
      values.push(value);
    },
    1500,
  );
  expect(messages.length).toBeGreaterThan(12);
  log = join(directory, 'log.scoring');
  writeFileSync(log, delimited(messages));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function replay(candidate: object, ...flags: string[]): Promise<{ report: ReplayReport; code: number; errors: string; out: string }> {
  return replayOf(log, candidate, ...flags);
}

async function replayOf(source: string, candidate: object, ...flags: string[]) {
  const config = join(directory, 'm.json');
  const json = join(directory, 'report.json');
  writeFileSync(config, JSON.stringify(candidate));
  rmSync(json, { force: true });
  let [code, errors, out] = [-1, '', ''];
  const io: CommandIo = {
    readStdin: async () => '',
    out: (written) => {
      out += written;
    },
    error: (written) => {
      errors += written;
    },
    exitWith: (status) => {
      code = status;
    },
  };
  await createReplayCommand(io).parseAsync(['node', 'replay', source, '--config', config, '--json', json, ...flags]);
  const report = code === 2 ? (null as never) : (JSON.parse(readFileSync(json, 'utf8')) as ReplayReport);
  return { report, code, errors, out };
}

describe('inferflow replay', () => {
  it('reports nothing where nothing changed, for every method', async () => {
    const { report, code, errors, out } = await replay(exampleModel());
    expect(errors).toBe('');
    expect(report.totals).toMatchObject({ requests: 12, rows: 156, failed: 0, unreadable: 0, incomplete: 0, otherModels: 0 });
    const [model] = report.models;
    expect(
      model?.scores.map(({ column, scope, rows, changed, lost, gained, gone, unknown, max_delta }) => [
        column,
        scope,
        rows,
        changed + lost + gained + gone + unknown,
        max_delta,
      ]),
    ).toEqual([
      ['score', 'target', 156, 0, 0],
      ['final', 'target', 156, 0, 0],
      ['list_score', 'slate', 12, 0, 0],
    ]);
    expect([model?.columns, model?.defaulted_inputs, model?.worst]).toEqual([[], [], []]);
    expect(model?.ranking).toMatchObject({ column: 'final', requests: 12, tau: { mean: 1, min: 1 }, overlap: { mean: 1 } });
    expect([report.ok, code]).toEqual([true, 0]);
    expect(out).toContain('within the limits');
  });

  it('finds a changed weight: how much, where, and what it does to the order', async () => {
    const { report, code, out } = await replay(exampleModel({ expression: 'score * -2 + 1' }));
    const [model] = report.models;
    const final = model?.scores.find(({ column }) => column === 'final');
    expect(final).toMatchObject({ changed: 156, unknown: 0 });
    // 4 × score; the largest score is price 39 + boost 2.
    expect(final?.max_delta).toBeCloseTo(164);
    expect(model?.scores.find(({ column }) => column === 'score')).toMatchObject({ changed: 0 });
    expect(model?.ranking.tau?.mean).toBeLessThan(-0.9);
    expect(model?.worst[0]).toMatchObject({ trackingId: 'track', column: 'final', delta: 164 });
    expect([report.ok, code]).toEqual([false, 1]);
    expect(report.limits.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['max-changed']);
    expect(out).toContain('--max-changed 0 is broken: 100');
    const lenient = await replay(
      exampleModel({ expression: 'score * 2 + 1.5' }),
      '--max-changed',
      '100',
      '--max-delta',
      '0.6',
      '--min-tau',
      '0.99',
    );
    expect([lenient.code, lenient.report.limits.map(({ name, ok }) => [name, ok])]).toEqual([
      0,
      [
        ['max-changed', true],
        ['max-delta', true],
        ['min-tau', true],
        ['max-defaulted', true],
        ['max-unknown', true],
      ],
    ]);
  });

  it('says what the log cannot tell: a model that would see other inputs, another model', async () => {
    const inputs = await replay(exampleModel({ features: ['price', 'size'], inputs: ['it:g:price', 'it:g:size'] }));
    const [model] = inputs.report.models;
    expect(inputs.code).toBe(1);
    expect(model?.columns).toEqual([
      { component: 'f', name: 'it:g:size', rows: 156, newly_defaulted: 0, newly_without: 156, newly_filled: 0, is_new: true },
    ]);
    const renamed = await replay(exampleModel({ modelName: 'other' }));
    expect(renamed.report.models[0]?.scores.every(({ unknown, rows }) => unknown === rows)).toBe(true);
    expect(renamed.report.models[0]?.unknown_because).toMatchObject({
      ranker: 'the log holds outputs of model sum, the candidate asks other',
    });
    expect(renamed.report.limits.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['max-unknown']);
    expect((await replay(exampleModel({ modelName: 'other' }), '--max-unknown', '100')).code).toBe(0);
  });

  it('reads lines of the standard-output sink and of base64, and counts what it cannot read', async () => {
    const lines = join(directory, 'log.jsonl');
    const json = values.map((value) => JSON.stringify({ topic: 't', format: 'scoring', message: Buffer.from(value).toString('base64') }));
    const noise = ['{"level":"info","msg":"hello"}', '{"format":"proto","message":"AAAA"}', ''];
    writeFileSync(lines, [...noise, ...json, Buffer.from(values[0] as Uint8Array).toString('base64')].join('\n'));
    const whole = await replayOf(lines, exampleModel());
    expect([whole.report.totals.requests, whole.code]).toEqual([12, 0]);
    writeFileSync(lines, [...json.slice(1), 'garbage'].join('\n'));
    const cut = await replayOf(lines, exampleModel());
    expect(cut.report.totals).toMatchObject({ requests: 11, unreadable: 1, incomplete: 1 });
    expect(cut.code).toBe(1);
    expect(cut.errors).toContain('log.jsonl:');
  });

  it('counts what a damaged file hides; a file that is still written may end anywhere', async () => {
    const whole = readFileSync(log);
    for (const [name, code] of [
      ['cut.scoring', 1],
      ['cut.scoring.open', 0],
    ] as const) {
      const cut = join(directory, name);
      writeFileSync(cut, Buffer.concat([whole, whole.subarray(0, 20)]));
      const { report, code: status, errors } = await replayOf(cut, exampleModel());
      expect([report.totals.requests, report.totals.unreadable, status]).toEqual([12, code, code]);
      expect(errors.includes(`${name}#`)).toBe(code === 1);
    }
  });

  it('writes a page that needs nothing else', async () => {
    const html = join(directory, 'report.html');
    await replay(exampleModel({ expression: 'score * 3 + 1' }), '--html', html);
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('The candidate differs from the log.');
    expect(page).toContain('<svg');
    expect(page).not.toMatch(/https?:\/\/|<script|src=/);
  });

  it('refuses what cannot be tried', async () => {
    const broken = await replay({ ...exampleModel(), response_config: {}, component_config: {} });
    expect([broken.code, broken.errors]).toEqual([2, expect.stringContaining('the candidate is refused')]);
    const nowhere = await replayOf(join(directory, 'no.scoring'), exampleModel());
    expect([nowhere.code, nowhere.errors]).toEqual([2, expect.stringContaining('cannot be read')]);
    const unwritable = await replay(exampleModel(), '--html', join(directory, 'no-such-folder', 'report.html'));
    expect([unwritable.code, unwritable.errors]).toEqual([2, expect.stringContaining('cannot be written')]);
    const placed = await replay(exampleModel(), '--from', 'latest');
    expect([placed.code, placed.errors]).toEqual([2, expect.stringContaining('are for topics')]);
    const log = join(directory, 'kept.json');
    writeFileSync(log, '{"level":"info"}\n');
    const lost = await replayOf(log, exampleModel(), '--json', log);
    expect([lost.code, lost.errors]).toEqual([2, expect.stringContaining('kept.json is what is read')]);
    const unscored = await replay(exampleModel(), '--score', 'scroe');
    expect([unscored.code, unscored.errors]).toEqual([
      2,
      expect.stringMatching(/--score scroe: no answer of the log has it; there are .*score/),
    ]);
  });
});
