import { create, toBinary } from '@bufbuild/protobuf';
import { component, createRegistry, defineComponent, PENDING, readColumn, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { EngineError } from './errors.js';
import type { LogTap } from './log-tap.js';
import { modelConfig } from './testing/model-config.js';
import { text } from './testing/read-answer.js';

let hasRun = false;

/** Attaches what throws at the end of the request, and waits, where the request says so. */
const odd = defineComponent({
  type: 'odd',
  apiVersion: 1,
  parseConfig: () => null,
  create: () =>
    component({
      reads: { v: readColumn('v') },
      writes: { a: writeColumns({ name: 'a', type: DataType.FP32 }) },
      execute(run) {
        const scopeEnded = (reason: string): void => {
          throw new Error(`broke when ${reason}`);
        };
        const how = run.reads.v.text(0);
        if (how !== 'plain') run.scope.attach({ scopePrevious: null, scopeNext: null, scopeEnded });
        run.writes.a.setNumber(0, 1);
        hasRun = true;
        return how === 'waits' ? PENDING : undefined;
      },
      cancelled() {},
    }),
});

/** More at once than are let in at first: who wedges a place wedges them all. */
const MANY = 40;

async function start(logTap?: LogTap) {
  const lines: unknown[] = [];
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const engine = await createEngine({
    configSource: createObjectSource({ m: modelConfig({ plugins: [{ component: 'p', type: 'odd', config: {} }], answer: ['item', 'a'] }) }),
    registry: createRegistry().register(odd),
    telemetry,
    logger: { info() {}, warn() {}, error: (fields) => lines.push(String(fields['err'])) },
    ...(logTap && { logTap }),
  });
  const request = (v: string) =>
    create(PointWiseRequestSchema, {
      modelConfigId: 'm',
      targetInputSchema: [{ name: 'v' }],
      targets: [{ id: 't', featureValues: [text(v)] }],
    });
  const discarded = async () => /^inferflow_runs_discarded_total\{[^}]*\} (\d+)$/m.exec(await telemetry.prometheusText())?.[1];
  return { engine, telemetry, lines, request, discarded };
}

describe('what throws when it is told of the end of a request', () => {
  it.each([
    ['is answered', 'done', /^$/],
    ['runs out of time', 'deadline', /^p: deadline|DEADLINE_EXCEEDED$/],
    ['is left by its caller', 'cancelled', /CANCELLED$/],
  ])('takes no place from others, is told, and its run is not used again: a request that %s', async (_end, reason, expected) => {
    const { engine, telemetry, lines, request, discarded } = await start();
    const ask = async () => {
      const left = new AbortController();
      const asked = engine.inferPointWise(request(reason === 'done' ? 'goes on' : 'waits'), {
        ...(reason === 'deadline' && { deadlineMs: 20 }),
        signal: left.signal,
      });
      if (reason === 'cancelled') setImmediate(() => left.abort());
      return asked.then(
        ({ targetScores }) => targetScores[0]?.error,
        ({ code }) => code,
      );
    };
    for (let asked = 0; asked < MANY; asked++) expect(await ask()).toMatch(expected);
    expect(engine.inFlight).toBe(0);
    expect(lines).toEqual(Array(MANY).fill(`Error: broke when ${reason}`));
    expect(await discarded()).toBe(`${MANY}`);
    await engine.close();
    await telemetry.close();
  });

  it.each([
    ['before it has begun', true, 'INFERFLOW_ENGINE_INTERNAL'],
    ['when it is answered and logged', false, undefined],
  ])('takes no place from others where it is the headers of a request, %s', async (_when, isEarly, expected) => {
    const { engine, telemetry, lines, request } = await start({ wants: () => false, taken() {} });
    const header = (): undefined => {
      if (isEarly || hasRun) throw new Error('no headers');
    };
    const call = { header, headerValues: () => [], deadline: Number.POSITIVE_INFINITY };
    for (let asked = 0; asked < MANY; asked++) {
      hasRun = false;
      const answer = engine.handle('InferPointWise', toBinary(PointWiseRequestSchema, request('plain')), call);
      const code = await answer.then(
        () => undefined,
        (error: EngineError) => error.code,
      );
      expect(code).toBe(expected);
    }
    expect(engine.inFlight).toBe(0);
    expect(lines).toEqual(Array(MANY).fill('Error: no headers'));
    await engine.close();
    await telemetry.close();
  });
});
