import { create } from '@bufbuild/protobuf';
import { component, createFailure, createRegistry, defineComponent, readColumn, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { CellStatus, DataType } from '@inferflow/matrix';
import { ComponentOutcome_Status, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';
import { readRows, text } from './testing/read-answer.js';

/** Does to each row (or slate) what its request value says. */
const odd = defineComponent({
  type: 'odd',
  apiVersion: 1,
  parseConfig: () => null,
  create: (_config, deps) =>
    component({
      reads: { what: readColumn('what') },
      writes: {
        out: writeColumns([
          { name: 'a', type: DataType.FP32 },
          { name: 'v', type: DataType.FP32Vector, width: 8 },
        ]),
      },
      execute(run) {
        const [a, v] = run.writes.out.columns;
        if (a === undefined || v === undefined) throw new Error('no columns');
        const rows = run.slate === null ? run.rows.count : run.slate.offsets.length - 1;
        for (let row = 0; row < rows; row++) {
          a.setNumber(row, row);
          v.setValue(row, [1, 2]);
          switch (run.reads.what.text(row)) {
            case 'fail':
              a.fail(row);
              break;
            case 'explain':
              a.fail(row, 'the rule book has no page for it');
              break;
            case 'text':
              a.setText(row, 'cheap');
              break;
            case 'width':
              v.setValue(row, [1, 2, 3]);
              break;
            case 'mark':
              run.writes.out.block.markCell(row, run.writes.out.slots[1] as number, CellStatus.failed);
              break;
            case 'changed':
              a.fail(row);
              a.setNumber(row, 7);
              break;
            case 'told':
              a.fail(row);
              run.failRows(row, row + 1, createFailure('rejected', 'no', deps.componentName));
              break;
            case 'null':
              a.setNull(row);
              break;
            default:
          }
        }
      },
    }),
});

const start = (extra: object = {}) =>
  createEngine({
    configSource: createObjectSource({
      m: modelConfig({ plugins: [{ component: 'rules', type: 'odd', config: {}, ...extra }], answer: ['item', 'a'] }),
    }),
    registry: createRegistry().register(odd),
  });

const schema = [{ name: 'what' }];

describe('cells that a plugin failed', () => {
  it('name the component and the reason in the error of their row', async () => {
    const engine = await start();
    const what = ['', 'fail', 'explain', 'text', 'width', 'mark', 'changed', 'told', 'null', 'fail'];
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: schema,
        targets: what.map((value, index) => ({ id: `t${index}`, featureValues: [text(value)] })),
      }),
    );
    expect(answer.targetScores.map(({ error }) => error)).toEqual([
      '',
      'rules: not-written: column "a": the value could not be had',
      'rules: not-written: column "a": the rule book has no page for it',
      'rules: conversion: column "a" was given a value that DataTypeFP32 cannot hold',
      'rules: conversion: column "v" was given a value that DataTypeFP32Vector cannot hold',
      'rules: not-written: column "v": the value could not be had',
      '',
      'rules: rejected: no',
      '',
      'rules: not-written: column "a": the value could not be had',
    ]);
    expect(readRows(answer).map((row) => row['a'])).toEqual([0, null, null, null, 4, 5, 7, null, null, null]);
    expect(answer.quality?.components[0]).toMatchObject({ status: ComponentOutcome_Status.DEFAULTED });
    expect(answer.quality?.cells?.failed).toBe(7);
    // The next request of the same run state starts clean.
    const next = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: schema,
        targets: what.map((_, index) => ({ id: `t${index}`, featureValues: [text('')] })),
      }),
    );
    expect(next.targetScores.map(({ error }) => error).join('')).toBe('');
    await engine.close();
  });

  it('are errors of slates where the plugin scores slates', async () => {
    const engine = await start({ slate_component: true });
    const answer = await engine.inferSlateWise(
      create(SlateWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: schema,
        targets: ['', 'explain'].map((value, index) => ({ id: `t${index}`, featureValues: [text(value)] })),
        slates: [{ targetIndices: [0] }, { targetIndices: [1, 1] }],
      }),
    );
    expect(answer.slateScores.map(({ error }) => error)).toEqual(['', 'rules: not-written: column "a": the rule book has no page for it']);
    await engine.close();
  });

  it('tell a bounded number of different reasons', async () => {
    const many = createEngine({
      configSource: createObjectSource({
        m: modelConfig({ plugins: [{ component: 'rules', type: 'many', config: {} }], answer: ['item', 'a'] }),
      }),
      registry: createRegistry().register(
        defineComponent({
          type: 'many',
          apiVersion: 1,
          parseConfig: () => null,
          create: () =>
            component({
              reads: {},
              writes: { a: writeColumns({ name: 'a', type: DataType.FP32 }) },
              execute(run) {
                for (let row = 0; row < run.rows.count; row++) run.writes.a.fail(row, `reason ${row}`);
              },
            }),
        }),
      ),
    });
    const engine = await many;
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, { modelConfigId: 'm', targets: Array.from({ length: 300 }, (_, index) => ({ id: `t${index}` })) }),
    );
    const errors = answer.targetScores.map(({ error }) => error);
    expect(errors[5]).toContain('reason 5');
    expect(errors[299]).toContain('reason 99');
    await engine.close();
  });
});
