import { DataType, dataTypes } from '@inferflow/matrix';
import { ComponentOutcome_Status } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { captured, clientOf, echo, failure, type Handlers } from './client.fixture.js';
import { createInferflowClient } from './client.js';
import { ClientError, ClientErrorCode } from './errors.js';
import type { FeatureTypeName, FeatureValue } from './feature-type.js';

const samples: Record<string, readonly FeatureValue[]> = {
  float: [0, 1.5, -2, 448],
  int: [0, 127, -128],
  uint: [0, 255],
  bool: [true, false],
  text: ['a', 'ü€😀', 'x:y'],
};

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

describe('inferPointWise', () => {
  for (const info of dataTypes.filter((type) => type.dataType !== DataType.Unknown)) {
    const name = info.name.slice('DataType'.length) as FeatureTypeName;
    const is64 = info.elementType === DataType.Int64 || info.elementType === DataType.Uint64;
    it(`carries ${name} there and back as typed bytes`, async () => {
      const scalars = samples[info.family]!.map((value) => (is64 ? BigInt(value as number) : value));
      const values = info.isVector ? [scalars, [...scalars].reverse()] : scalars;
      const client = clientOf(echo, { requestValues: 'typed' });
      const result = await client.inferPointWise({
        modelConfigId: 'm',
        targetTypes: { f: name },
        targets: [...values, null].map((value, index) => ({ id: String(index), features: { f: value as FeatureValue } })),
      });
      expect(result.targetColumns).toEqual([{ name: 'f', type: name, width: 0 }]);
      expect(result.targets.map((target) => target.values['f'])).toEqual([...values, null]);
    });
  }

  it('writes text for models that read text, whatever the declared type', async () => {
    const server = captured();
    await clientOf(server.handlers).inferPointWise({
      modelConfigId: 'm',
      tenantId: 'shop',
      targetTypes: { price: 'FP32', big: 'Int64', ok: 'Bool', vector: { type: 'FP32Vector', length: 3 }, name: 'String', none: 'FP64' },
      targets: [{ id: 'a', features: { price: 0.55, big: 2n ** 60n, ok: true, vector: new Float32Array([1, 0.5, -2]), name: 'n' } }],
      context: { country: 'IN', hour: 7 },
    });
    const message = server.last();
    expect(message.targets[0]!.featureValues.map(text)).toEqual(['0.55', '1152921504606846976', 'true', '1:0.5:-2', 'n', '']);
    expect(message.targetInputSchema.map((column) => [column.name, column.dataType, column.vectorDim])).toEqual([
      ['price', DataType.FP32, 0],
      ['big', DataType.Int64, 0],
      ['ok', DataType.Bool, 0],
      ['vector', DataType.FP32Vector, 3],
      ['name', DataType.String, 0],
      ['none', DataType.FP64, 0],
    ]);
    expect(message.contextFeatures.map((feature) => [feature.name, text(feature.value), feature.dataType])).toEqual([
      ['country', 'IN', DataType.String],
      ['hour', '7', DataType.FP64],
    ]);
    expect(message.tenantId).toBe('shop');
    expect(message.options).toBeUndefined();
  });

  it('takes columns and lossless types from the values when none are declared', async () => {
    const server = captured();
    await clientOf(server.handlers, { requestValues: 'typed' }).inferPointWise({
      modelConfigId: 'm',
      targets: [
        { id: 'a', features: { n: null, v: [1, 2] } },
        { id: 'b', features: { n: 2 ** 40 + 0.5, s: 'x', v: [3, 4], f: new Float32Array(3) } },
      ],
    });
    expect(server.last().targetInputSchema.map((column) => [column.name, column.dataType, column.vectorDim])).toEqual([
      ['n', DataType.FP64, 0],
      ['v', DataType.FP64Vector, 2],
      ['s', DataType.String, 0],
      ['f', DataType.FP32Vector, 3],
    ]);
    expect(server.last().targets.map((target) => target.featureValues.map((value) => value.length))).toEqual([
      [0, 16, 0, 0],
      [8, 16, 1, 12],
    ]);
  });

  it('writes -0 as the 0 it is for integers, which have no other', async () => {
    const server = captured();
    const targetTypes = { count: 'Uint32', counts: 'Uint8Vector', half: 'FP32' } as const;
    const features = { count: Math.round(-0.3), counts: [-0, 1], half: -0 };
    await clientOf(server.handlers).inferPointWise({ modelConfigId: 'm', targetTypes, targets: [{ id: 'a', features }] });
    expect(server.last().targets[0]!.featureValues.map(text)).toEqual(['0', '0:1', '-0']);
  });

  it('re-attaches ids, surfaces quality and row errors', async () => {
    const client = clientOf({
      inferPointWise: (request) => ({
        targetOutputSchema: [{ name: 'score', dataType: DataType.FP32 }],
        targetScores: [
          { outputValues: [Uint8Array.of(0, 0, 0x80, 0x3f)] },
          { error: 'ranker: deadline', outputValues: [new Uint8Array(0)] },
        ],
        quality: {
          components: [
            { name: 'ranker', status: ComponentOutcome_Status.DEFAULTED, reason: 'deadline', durationUs: 1500 },
            { name: 'late', status: 9 as never },
          ],
          cells: { fresh: 1, failed: 1 },
          inputsDefaulted: [{ component: 'ranker', count: 3 }],
          absentColumns: [
            { component: 'ranker', columns: ['price', 'age'] },
            { component: '', columns: ['note'] },
          ],
          configHash: request.options?.includeConfigHash ? 'abc' : '',
        },
      }),
    });
    const result = await client.inferPointWise({ modelConfigId: 'm', targets: [{ id: 'a' }, { id: 'b' }], includeConfigHash: true });
    expect(result.targets).toEqual([
      { id: 'a', index: 0, values: { score: 1 }, error: '' },
      { id: 'b', index: 1, values: { score: null }, error: 'ranker: deadline' },
    ]);
    expect(result.faults).toEqual([{ scope: 'target', index: 1, error: 'ranker: deadline' }]);
    expect(result.quality).toEqual({
      components: [
        { name: 'ranker', status: 'defaulted', reason: 'deadline', durationMs: 1.5 },
        { name: 'late', status: 'unknown', reason: '', durationMs: 0 },
      ],
      cells: { provided: 0, fresh: 1, cached: 0, stale: 0, defaulted: 0, missing: 0, null: 0, failed: 1, skipped: 0 },
      inputsDefaulted: { ranker: 3 },
      absentColumns: { ranker: ['price', 'age'], '': ['note'] },
      configHash: 'abc',
    });
  });

  it('says null for the quality of a server that sends none', async () => {
    const result = await clientOf(echo).inferPointWise({ modelConfigId: 'm', targets: [{ id: 'a' }] });
    expect(result.quality).toBeNull();
  });

  it('reports everything wrong with a request at once and sends nothing', async () => {
    let calls = 0;
    const client = clientOf({
      inferPointWise() {
        calls++;
        return {};
      },
    });
    const error = await failure(
      client.inferPointWise(
        {
          modelConfigId: '',
          targetTypes: {
            'film:age': 'FP32',
            bad: 'Nope' as FeatureTypeName,
            small: 'Int8',
            half: 'FP16',
            v: { type: 'Int32Vector', length: 2 },
          },
          targets: [
            { id: 7 as never, features: { 'film:ages': 1, small: 128, half: 70_000, v: [1] } },
            { id: 'b', features: { small: 1.5, v: [] } },
          ],
          context: { small: 1 },
        },
        { timeoutMs: 0 },
      ),
    );
    expect(error.code).toBe(ClientErrorCode.requestInvalid);
    expect(Object.fromEntries(error.problems.map((problem) => [problem.path, problem.message]))).toEqual({
      timeoutMs: 'expected milliseconds, more than 0',
      modelConfigId: 'expected the name of a model configuration',
      'targets[0].id': 'expected a string, got a number',
      'targetTypes["bad"]': 'unknown type; expected a name such as FP32, Int64, String or FP32Vector',
      'targets[0].features["film:ages"]': 'not declared in targetTypes; did you mean "film:age"?',
      'targets[0].features["small"]': 'does not fit signed 8 bits',
      'targets[0].features["half"]': 'does not fit DataTypeFP16',
      'targets[0].features["v"]': 'expected 2 elements, got 1',
      'targets[1].features["small"]': 'expected a whole number (a bigint beyond 2^53)',
      'targets[1].features["v"]': 'an empty vector cannot be told from an absent value; leave it out, or give null',
      'context["small"]': 'is a feature of the targets too; a name can be only one of them',
    });
    expect(calls).toBe(0);
    const endless = await failure(
      client.inferPointWise({ modelConfigId: 'm', targets: [{ id: 'a' }] }, { timeoutMs: Number.POSITIVE_INFINITY }),
    );
    expect(endless.problems).toEqual([{ path: 'timeoutMs', message: 'expected at most 2147483647 milliseconds, got Infinity' }]);
    const empty = await failure(client.inferPointWise({ modelConfigId: 'm', targets: [] }));
    expect(empty.problems).toEqual([{ path: 'targets', message: 'expected at least one' }]);
    const none = await failure(client.inferPointWise(undefined as never));
    expect(none.problems).toEqual([{ path: 'request', message: 'expected an object' }]);
    const slates = [{ targetIndices: 'all' as never }];
    const unlisted = await failure(client.inferSlateWise({ modelConfigId: 'm', targets: [{ id: 'a' }], slates }));
    expect(unlisted.problems).toEqual([{ path: 'slates[0].targetIndices', message: 'expected at least one' }]);
  });

  it('tells undeclared features of many targets in a moment', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `user_features:price_bucket_${index}`);
    const features = Object.fromEntries(names.map((name) => [`${name}_`, 1]));
    const request = {
      modelConfigId: 'm',
      targetTypes: Object.fromEntries(names.map((name) => [name, 'FP32' as const])),
      targets: Array.from({ length: 500 }, (_, index) => ({ id: String(index), features })),
    };
    const started = performance.now();
    const error = await failure(clientOf(echo).inferPointWise(request));
    expect(performance.now() - started).toBeLessThan(1500);
    expect(error.problems).toHaveLength(500 * 40);
    expect(error.problems.at(-1)).toEqual({
      path: 'targets[499].features["user_features:price_bucket_39_"]',
      message: 'not declared in targetTypes; did you mean "user_features:price_bucket_39"?',
    });
  });

  it('refuses vectors of different length only where their bytes are typed', async () => {
    const request = {
      modelConfigId: 'm',
      targets: [
        { id: 'a', features: { v: [1] } },
        { id: 'b', features: { v: [1, 2] } },
      ],
    };
    const error = await failure(clientOf(echo, { requestValues: 'typed' }).inferPointWise(request));
    expect(error.problems[0]!.message).toBe('expected 1 elements as in the rows before, got 2');
    const server = captured();
    await clientOf(server.handlers).inferPointWise(request);
    expect(server.last().targets.map((target) => text(target.featureValues[0]))).toEqual(['1', '1:2']);
  });

  it('refuses an answer whose rows or values do not line up', async () => {
    const request = { modelConfigId: 'm', targets: [{ id: 'a' }, { id: 'b' }] };
    const schema = [{ name: 's', dataType: DataType.FP32 }];
    const answers: [Awaited<ReturnType<NonNullable<Handlers['inferPointWise']>>>, RegExp][] = [
      [{ targetOutputSchema: schema, targetScores: [{}] }, /1 target rows, 2 were asked/],
      [{ targetOutputSchema: schema, targetScores: [{}, {}, {}] }, /3 target rows, 2 were asked/],
      [
        { targetOutputSchema: schema, targetScores: [{ outputValues: [new Uint8Array(4), new Uint8Array(4)] }, {}] },
        /2 values, .* 1 columns/,
      ],
      [{ targetOutputSchema: schema, targetScores: [{ outputValues: [new Uint8Array(8)] }, {}] }, /8 bytes are no FP32/],
      [
        {
          targetOutputSchema: [{ name: 's', dataType: DataType.FP32Vector, width: 3 }],
          targetScores: [{ outputValues: [new Uint8Array(8)] }, {}],
        },
        /8 bytes are no FP32Vector of 3 elements/,
      ],
    ];
    for (const [answer, expected] of answers) {
      const error = await failure(clientOf({ inferPointWise: () => answer }).inferPointWise(request));
      expect(error.code).toBe(ClientErrorCode.answerInvalid);
      expect(error.message).toMatch(expected);
    }
  });

  it('never reads numbers that are declared String as text, and reads them as stated', async () => {
    const client = clientOf({
      inferPointWise: () => ({
        targetOutputSchema: [{ name: 's', dataType: DataType.String }],
        targetScores: [{ outputValues: [Uint8Array.of(0, 0, 0, 0x3f)] }],
      }),
    });
    const request = { modelConfigId: 'm', targets: [{ id: 'a' }] };
    expect((await failure(client.inferPointWise(request))).message).toMatch(/outputTypes/);
    const stated = await client.inferPointWise(request, { outputTypes: { s: 'FP32' } });
    expect(stated.targets[0]!.values['s']).toBe(0.5);
    const raw = await client.inferPointWise(request, { outputTypes: { s: 'bytes' } });
    expect(raw.targets[0]!.values['s']).toEqual(Uint8Array.of(0, 0, 0, 0x3f));
  });

  it('throws the error that an answer carries', async () => {
    const error = await failure(
      clientOf({ inferPointWise: () => ({ requestError: 'no' }) }).inferPointWise({ modelConfigId: 'm', targets: [{ id: 'a' }] }),
    );
    expect(error.code).toBe(ClientErrorCode.callFailed);
    expect(error.message).toMatch(/no/);
  });
});

describe('inferPairWise', () => {
  it('types pair features, checks indices and keeps request order', async () => {
    const client = clientOf({
      inferPairWise: (request) => ({
        pairOutputSchema: request.pairInputSchema,
        pairScores: request.pairs.map((pair) => ({ outputValues: pair.featureValues, error: pair.firstTargetIndex === 1 ? 'e' : '' })),
      }),
    });
    const targets = [{ id: 'a' }, { id: 'b' }];
    const result = await client.inferPairWise({
      modelConfigId: 'm',
      targets,
      pairs: [
        { first: 1, second: 0, features: { gap: 3 } },
        { first: 0, second: 1, features: { gap: 4 } },
      ],
      pairTypes: { gap: 'FP32' },
    });
    expect(result.pairs).toEqual([
      { index: 0, first: 1, second: 0, values: { gap: 3 }, error: 'e' },
      { index: 1, first: 0, second: 1, values: { gap: 4 }, error: '' },
    ]);
    expect(result.targets.map((target) => target.id)).toEqual(['a', 'b']);
    expect(result.faults).toEqual([{ scope: 'pair', index: 0, error: 'e' }]);
    const error = await failure(
      client.inferPairWise({
        modelConfigId: 'm',
        targets,
        pairs: [
          { first: -1, second: 2 },
          { first: 0.5, second: 0 },
        ],
      }),
    );
    expect(error.problems.map((problem) => problem.path)).toEqual(['pairs[0].first', 'pairs[0].second', 'pairs[1].first']);
    expect((await failure(client.inferPairWise({ modelConfigId: 'm', targets, pairs: [] }))).problems[0]!.path).toBe('pairs');
  });
});

describe('inferSlateWise', () => {
  it('types slate features, checks indices and keeps request order', async () => {
    const client = clientOf({
      inferSlateWise: (request) => ({
        slateOutputSchema: [{ name: 'first', dataType: DataType.Int32 }],
        slateScores: request.slates.map((slate) => ({ outputValues: [new Uint8Array(Int32Array.of(slate.targetIndices[0]!).buffer)] })),
        targetOutputSchema: [{ name: 't', dataType: DataType.Bool }],
        targetScores: request.targets.map(() => ({ outputValues: [Uint8Array.of(1)] })),
      }),
    });
    const targets = [{ id: 'a' }, { id: 'b' }];
    const result = await client.inferSlateWise({
      modelConfigId: 'm',
      targets,
      slates: [{ targetIndices: [1, 0, 1] }, { targetIndices: [0] }],
    });
    expect(result.slates).toEqual([
      { index: 0, targetIndices: [1, 0, 1], values: { first: 1 }, error: '' },
      { index: 1, targetIndices: [0], values: { first: 0 }, error: '' },
    ]);
    expect(result.targets.map((target) => target.values)).toEqual([{ t: true }, { t: true }]);
    const error = await failure(
      client.inferSlateWise({ modelConfigId: 'm', targets, slates: [{ targetIndices: [0, 2] }, { targetIndices: [] }] }),
    );
    expect(error.problems.map((problem) => problem.path)).toEqual(['slates[0].targetIndices[1]', 'slates[1].targetIndices']);
  });
});

describe('createInferflowClient', () => {
  it('names every wrong option', () => {
    const make = () =>
      createInferflowClient({ transport: {} as never, retries: -1, timeoutMs: Number.NaN, requestValues: 'x' as never, authToken: 'a\nb' });
    expect(make).toThrow(ClientError);
    try {
      make();
    } catch (error) {
      expect((error as ClientError).problems.map((problem) => problem.path)).toEqual([
        'transport',
        'requestValues',
        'timeoutMs',
        'retries',
        'authToken',
      ]);
    }
  });
});
