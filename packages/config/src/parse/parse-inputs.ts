import { joinPath } from '../json-path.js';
import type { ModelInput } from '../model-config.js';
import { readTensorType } from './data-type-text.js';
import { checkDimensions } from './dimensions.js';
import { type ObjectReader, reportType } from './object-reader.js';

/** Input tensors of the deployed dialect. */
export function readDeployedInputs(reader: ObjectReader): readonly ModelInput[] {
  reader.context.note(`${reader.place}/inputs`, reader.pathOf('inputs'));
  return reader.objects('inputs', 'input', (index) => `${reader.place}/inputs/${index}`).map((tensor) => readInput(tensor, new Map()));
}

/** Input tensors of the documented dialect: `tensors`, or one per column of `feature_map`. */
export function readDocumentedInputs(reader: ObjectReader, what: string): readonly ModelInput[] {
  const inputs = reader.object('inputs', 'inputs', `${reader.place}/inputs`);
  if (inputs === undefined) return [];
  const types = readFeatureMap(inputs);
  if (inputs.has('tensors')) {
    inputs.context.note(`${reader.place}/inputs`, inputs.pathOf('tensors'));
    const tensors = inputs
      .objects('tensors', 'input', (index) => `${reader.place}/inputs/${index}`)
      .map((tensor) => readInput(tensor, types));
    const used = new Set(tensors.flatMap((tensor) => tensor.features));
    for (const column of types.keys()) {
      if (used.has(column)) continue;
      const path = joinPath(inputs.pathOf('featureMap'), column);
      inputs.context.report(
        'INFERFLOW_CONFIG_INVALID_VALUE',
        path,
        `no tensor of ${what} uses column ${JSON.stringify(column)} of feature_map`,
      );
    }
    return tensors;
  }
  inputs.context.note(`${reader.place}/inputs/from`, inputs.pathOf('featureMap'));
  if (types.size > 0) {
    inputs.context.assume(
      inputs.pathOf('tensors'),
      `${types.size} tensor${types.size === 1 ? '' : 's'}`,
      'one tensor of shape [1] per column of feature_map, named like the column',
    );
  }
  return [...types].map(([column, typeText]) => {
    const dataType = readTensorType(inputs.context, typeText, joinPath(inputs.pathOf('featureMap'), column));
    return { name: column, features: [column], shape: [1], dataType, dataTypeText: typeText };
  });
}

function readFeatureMap(inputs: ObjectReader): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const [column, value] of inputs.map('featureMap')) {
    if (column === '') inputs.invalid('featureMap', 'feature_map has an entry without a column name', { found: '""' });
    if (typeof value === 'string') types.set(column, value);
    else reportType(inputs.context, joinPath(inputs.pathOf('featureMap'), column), value, 'a data type');
  }
  return types;
}

function readInput(reader: ObjectReader, types: ReadonlyMap<string, string>): ModelInput {
  const name = reader.requiredText('name', 'an input tensor');
  const features = reader.names('features', `input tensor ${JSON.stringify(name)}`);
  const isDocumented = reader.context.dialect === 'documented';
  if (features.length === 0) reader.missing('features', `input tensor ${JSON.stringify(name)}`);
  const isAssumed = isDocumented && reader.raw('dataType') !== '';
  const dataTypeText = reader.text('dataType') || (isAssumed ? (types.get(features[0] ?? '') ?? 'FP32') : '');
  if (isDocumented && !reader.has('dataType') && !types.has(features[0] ?? '')) {
    reader.context.assume(reader.pathOf('dataType'), 'FP32', `type of input tensor ${JSON.stringify(name)}`);
  }
  const shape = reader.has('shape') || !isDocumented ? readShape(reader, name) : [features.length];
  return { name, features, shape, dataType: readTensorType(reader.context, dataTypeText, reader.pathOf('dataType')), dataTypeText };
}

function readShape(reader: ObjectReader, name: string): readonly number[] {
  const shape = reader.integers('shape');
  if (shape.length === 0) reader.missing('shape', `input tensor ${JSON.stringify(name)}`);
  checkDimensions(reader, shape, reader.pathOf('shape'));
  return shape;
}
