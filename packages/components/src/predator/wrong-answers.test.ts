import { GrpcError } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { answerOf, configOf, floats, model, type Output, output, price, run } from './predator-component.fixture.js';

describe('predator component when the answer is not what was asked for', () => {
  const good = { name: 'o', datatype: 'FP32', shape: [5, 1], raw: floats(price) };
  it.each([
    ['no outputs', [], 'shape'],
    ['another name', [{ ...good, name: 'q' }], 'shape'],
    ['another type', [{ ...good, datatype: 'INT32' }], 'shape'],
    ['another width', [{ ...good, shape: [5, 2], raw: floats([...price, ...price]) }], 'shape'],
    ['no shape', [{ ...good, shape: [] }], 'shape'],
    ['a negative shape', [{ ...good, shape: [-5, 1] }], 'shape'],
    ['a shape whose negative dimensions make up for each other', [{ ...good, shape: [5, -1, -1] }], 'shape'],
    ['a shape without rows', [{ ...good, shape: [0, 1], raw: new Uint8Array(0) }], 'shape'],
    ['fewer bytes than its shape', [{ ...good, raw: floats(price).subarray(1) }], 'shape'],
    ['no contents', [{ name: 'o', datatype: 'FP32', shape: [5, 1] }], 'shape'],
    ['typed contents of another length', [{ name: 'o', datatype: 'FP32', shape: [5, 1], contents: { fp32Contents: [1] } }], 'shape'],
  ] as [string, Output[], string][])('%s: the cells fail', async (_name, outputs, reason) => {
    const { backends } = model(() => answerOf(outputs));
    const result = await run({ config: configOf(), columns: { price }, backends });
    expect(result.failure?.reason).toBe(reason);
    expect(result.status['s']).toEqual(price.map(() => 'failed'));
  });

  it.each([
    [[[1], [2]], 'FP32', '4 values per row; its scores take 3'],
    [[[1], [-1], [6]], 'FP32', '4 values per row; its scores take 7 or more'],
    [[[1], [2]], 'BYTES', '4 values per row; its scores take 2, one text each'],
  ])('another width: says which it takes (%s %s)', async (dims, datatype, text) => {
    const raw = datatype === 'BYTES' ? new Uint8Array(4 * 4) : floats([1, 2, 3, 4]);
    const { backends } = model(() => answerOf([{ name: 'o', datatype, shape: [1, 4], raw }]));
    const scores = dims.map((each, index) => ({ name: `s${index}`, dims: each }));
    const result = await run({
      config: configOf({ outputs: [output({ scores, dataType: datatype })] }),
      columns: { price: [1] },
      backends,
    });
    expect(result.failure?.message).toContain(text);
  });

  it('fewer rows: the rows that came stand', async () => {
    const { backends } = model(() => answerOf([{ ...good, shape: [3, 1], raw: floats([1, 2, 3]) }]));
    const result = await run({ config: configOf(), columns: { price }, backends });
    expect(result.columns['s']).toEqual([1, 2, 3, null, null]);
    expect(result.faults).toMatchObject([{ from: 3, to: 5, failure: { reason: 'shape' } }]);
    expect(result.failure).toBeNull();
  });

  it('more rows: the rest is left out', async () => {
    const { backends } = model(() => answerOf([{ ...good, shape: [7, 1], raw: floats([...price, 6, 7]) }]));
    expect((await run({ config: configOf(), columns: { price }, backends })).columns['s']).toEqual(price);
    const texts = model(() =>
      answerOf([{ name: 'o', datatype: 'BYTES', shape: [2, 1], raw: Uint8Array.of(1, 0, 0, 0, 65, 1, 0, 0, 0, 66) }]),
    );
    expect(
      (await run({ config: configOf({ outputs: [output({ dataType: 'BYTES' })] }), columns: { price: [1] }, backends: texts.backends }))
        .columns['s'],
    ).toEqual(['A']);
  });

  it('one output of two: the one that came is delivered', async () => {
    const { backends } = model(() => answerOf([good]));
    const config = configOf({ outputs: [output({ name: 'gone', scores: [{ name: 'g', dims: [1] }] }), output()] });
    const result = await run({ config, columns: { price }, backends });
    expect(result.columns).toEqual({ g: price.map(() => null), s: price });
    expect(result.failure).toBeNull();
    expect(result.faults).toMatchObject([{ from: 0, to: 5 }]);
  });

  it('one row for many: given to all only where that is allowed', async () => {
    const one = () => answerOf([{ ...good, shape: [1, 1], raw: floats([7]) }]);
    expect((await run({ config: configOf(), columns: { price }, backends: model(one).backends })).columns['s']).toEqual([
      7,
      null,
      null,
      null,
      null,
    ]);
    expect(
      (await run({ config: configOf({ broadcastSingleScore: true }), columns: { price }, backends: model(one).backends })).columns['s'],
    ).toEqual([7, 7, 7, 7, 7]);
  });

  it.each([
    ['garbage', () => Uint8Array.of(0x2a, 0x7f, 1), 'malformed'],
    ['an error', () => Promise.reject(new GrpcError(13, 'broken')), 'rejected'],
    ['unauthenticated', () => Promise.reject(new GrpcError(16, 'who')), 'rejected'],
    ['unavailable', () => Promise.reject(new GrpcError(14, 'gone')), 'unavailable'],
  ])('%s: the component fails', async (_name, handler, reason) => {
    const result = await run({ config: configOf(), columns: { price }, backends: model(handler as () => Uint8Array).backends });
    expect(result.failure?.reason).toBe(reason);
    expect(result.status['s']).toEqual(price.map(() => 'failed'));
  });

  it('slow: the deadline of the component ends the call, that of the request ends everything', async () => {
    const { backends } = model(() => new Promise(() => {}));
    expect((await run({ config: configOf({ deadlineMs: 15 }), columns: { price }, backends })).failure?.reason).toBe('deadline');
    const late = await run({ config: configOf(), columns: { price }, backends, deadlineMs: 15 });
    expect(late.failure?.reason).toBe('deadline');
  });
});
