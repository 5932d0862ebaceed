import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { NumerixRequestProtoSchema, NumerixResponseProtoSchema } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExpressionEngine } from './expression-engine.js';
import { loadExpressions } from './load-expressions.js';
import { COMPUTE_PATH, createNumerixHandler } from './numerix-handler.js';

function request(computeId: string, schema = ['id', 'a', 'b']): Uint8Array {
  return toBinary(
    NumerixRequestProtoSchema,
    create(NumerixRequestProtoSchema, {
      entityScoreData: {
        computeId,
        schema,
        dataType: 'fp32',
        entityScores: [{ matrixFormat: { case: 'stringData', value: { values: ['r1', '1.5', '2'] } } }],
      },
    }),
  );
}

function answer(bytes: Uint8Array): unknown {
  const { response } = fromBinary(NumerixResponseProtoSchema, bytes);
  if (response.case !== 'computationScoreData') return response.value?.message;
  return response.value.computationScores.map((score) => score.matrixFormat.value?.values);
}

describe('createExpressionEngine', () => {
  it('takes postfix text, objects and infix', () => {
    const engine = createExpressionEngine({ expressions: { '1': 'a b +', two: { expression: 'a b *' }, three: { infix: 'a * (b + 1)' } } });
    expect(engine.computeIds).toEqual(['1', 'three', 'two']);
    expect(answer(engine.computeReply(request('1')))).toEqual([['r1', '3.5']]);
    expect(answer(engine.computeReply(request('two')))).toEqual([['r1', '3.0']]);
    expect(answer(engine.computeReply(request('three')))).toEqual([['r1', '4.5']]);
  });

  it('replaces and removes expressions while it runs', () => {
    const engine = createExpressionEngine({ expressions: { '1': 'a b +' } });
    engine.computeReply(request('1'));
    engine.set('1', 'a b -');
    expect(answer(engine.computeReply(request('1')))).toEqual([['r1', '-0.5']]);
    expect(engine.delete('1')).toBe(true);
    expect(answer(engine.computeReply(request('1')))).toBe('No expression configured for compute_id: 1');
  });

  it('computes what stands before a mistake first', () => {
    const engine = createExpressionEngine({ expressions: { '1': 'a 0 / nope' } });
    expect(answer(engine.computeReply(request('1')))).toContain('Division by zero');
  });

  it('tells columns of one request from those of the next', () => {
    const engine = createExpressionEngine({ expressions: { '1': 'a b -' } });
    expect(answer(engine.computeReply(request('1')))).toEqual([['r1', '-0.5']]);
    expect(answer(engine.computeReply(request('1', ['id', 'b', 'a'])))).toEqual([['r1', '0.5']]);
  });

  it('lists what no request can cure', () => {
    const engine = createExpressionEngine({ expressions: { good: 'a', bad: 'a +' } });
    expect([...engine.problems().keys()]).toEqual(['bad']);
  });

  it('refuses entries that hold no expression, by name', () => {
    expect(() => createExpressionEngine({ expressions: { '7': { infix: 'a +' } } })).toThrow('expression "7": infix expression');
    expect(() => createExpressionEngine({ expressions: JSON.parse('{"7":{"expression":3}}') })).toThrow('expression "7": expected text');
  });
});

describe('createNumerixHandler', () => {
  const headers = {};
  const signal = () => new AbortController().signal;

  it('answers Compute and nothing else', async () => {
    const handler = createNumerixHandler(createExpressionEngine({ expressions: { '1': 'a b +' } }));
    expect(answer(await handler(COMPUTE_PATH, request('1'), headers, signal))).toEqual([['r1', '3.5']]);
    expect(() => handler('/numerix.Numerix/compute', request('1'), headers, signal)).toThrow(expect.objectContaining({ grpcCode: 12 }));
    expect(() => handler(COMPUTE_PATH, Uint8Array.of(0xff), headers, signal)).toThrow(expect.objectContaining({ grpcCode: 13 }));
    expect(answer(await handler(COMPUTE_PATH, new Uint8Array(0), headers, signal))).toBe(
      'Request validation failed: Missing entity_score_data',
    );
  });
});

describe('loadExpressions', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'numerix-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('reads a file, and names it when something is wrong', async () => {
    const path = join(folder, 'expressions.json');
    await writeFile(path, '{"1":{"infix":"a + b"}}');
    const engine = createExpressionEngine({ expressions: await loadExpressions(path) });
    expect(engine.expression('1')?.text).toBe('a b +');
    await writeFile(path, '[]');
    await expect(loadExpressions(path)).rejects.toThrow(`${path}: expected an object`);
    await writeFile(path, '{');
    await expect(loadExpressions(path)).rejects.toMatchObject({ code: 'INFERFLOW_NUMERIX_EXPRESSIONS_INVALID' });
    await expect(loadExpressions(join(folder, 'absent.json'))).rejects.toThrow('cannot be read');
  });
});
