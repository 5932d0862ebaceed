import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as proto from './index.js';

const generated = join(import.meta.dirname, 'gen');
const files = readdirSync(generated, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('_pb.ts'));

describe('the root of the package', () => {
  it('exports every message, enum, service and file', () => {
    const index = readFileSync(join(import.meta.dirname, 'index.ts'), 'utf8');
    for (const file of files) {
      const listed = index.split('export {').find((block) => block.includes(`'./gen/${file.slice(0, -3)}.js'`));
      expect(listed, file).toBeDefined();
      const names = [...readFileSync(join(generated, file), 'utf8').matchAll(/^export (?:const|type) ([\w$]+)/gm)].map(
        (match) => match[1]!,
      );
      for (const name of names) {
        expect(listed!.split(/[\s,]+/), `${file}: ${name}`).toContain(name);
      }
    }
  });

  it('keeps the method paths of the original, which have no package', () => {
    expect(proto.Predict.typeName).toBe('Predict');
    expect(proto.Predict.methods.map((method) => method.name)).toEqual(['InferPointWise', 'InferPairWise', 'InferSlateWise']);
    expect(proto.Inferflow.typeName).toBe('Inferflow');
    expect(proto.InferflowLogSchema.typeName).toBe('InferflowLog');
    expect(proto.GRPCInferenceService.typeName).toBe('inference.GRPCInferenceService');
  });

  it('numbers every field of ours from 100 on', () => {
    const ours = [
      [proto.PointWiseRequestSchema, 'options', 100],
      [proto.PairWiseRequestSchema, 'options', 100],
      [proto.SlateWiseRequestSchema, 'options', 100],
      [proto.InferflowRequestProtoSchema, 'options', 100],
      [proto.PointWiseResponseSchema, 'quality', 100],
      [proto.PairWiseResponseSchema, 'quality', 100],
      [proto.SlateWiseResponseSchema, 'quality', 100],
      [proto.InferflowResponseProtoSchema, 'quality', 100],
      [proto.InferflowResponseProtoSchema, 'row_errors', 101],
      [proto.FeatureSchemaSchema, 'width', 100],
    ] as const;
    for (const [schema, name, number] of ours) {
      expect(schema.fields.find((field) => field.name === name)?.number).toBe(number);
    }
  });

  it('numbers the 31 data types in order', () => {
    expect(Object.values(proto.DataType)).toEqual(Array.from({ length: 31 }, (_, index) => index));
    expect(proto.DataType.DataTypeFP32Vector).toBe(19);
  });
});
