import { isJsonObject, type JsonValue } from '../json.js';
import { joinPath } from '../json-path.js';
import type { PredatorComponentConfig } from '../model-config.js';
import type { ObjectReader } from './object-reader.js';
import { readOnFailure, readScope } from './on-failure.js';
import { readEndpoints } from './parse-endpoints.js';
import { readDeployedInputs, readDocumentedInputs } from './parse-inputs.js';
import { readDeployedOutputs, readDocumentedOutputs } from './parse-outputs.js';

/** Longest `coalesce_wait_ms`. */
const LONGEST_WAIT_MS = 50;
const slateCalls = ['per_slate', 'rows', 'dimension'] as const;

/** Reads one predator component. Names of columns are still as written. */
export function parsePredator(reader: ObjectReader, componentName: string, compat: boolean): PredatorComponentConfig {
  const what = `component ${JSON.stringify(componentName)}`;
  const isDocumented = reader.context.dialect === 'documented';
  const endpoints = readEndpoints(reader);
  const endpoint = reader.text('endpoint');
  if (endpoint === '' && endpoints.length === 0 && !reader.has('endpoints') && !reader.has('routes')) reader.missing('endpoint', what);
  else if (endpoint === '' && endpoints.every(({ percentage }) => percentage === 0))
    reader.missing('endpoint', `${what}, whose endpoints have no share,`);
  const componentId = reader.text('componentId');
  if (componentId === '' && !isDocumented) {
    reader.context.report(
      'INFERFLOW_CONFIG_DEFAULTED',
      reader.pathOf('componentId'),
      'component_id is missing; the original service would skip this component',
    );
  }
  const inputs = isDocumented ? readDocumentedInputs(reader, what) : readDeployedInputs(reader);
  const outputs = isDocumented ? readDocumentedOutputs(reader, what) : readDeployedOutputs(reader);
  reportRepeats(reader, 'inputs', inputs);
  reportRepeats(reader, 'outputs', outputs);
  if (inputs.length === 0 && isEmpty(reader.raw('inputs'))) reader.missing('inputs', what);
  if (outputs.length === 0 && isEmpty(reader.raw('outputs'))) reader.missing('outputs', what);
  if (outputs.length > 0 && outputs.every((output) => output.scores.length === 0))
    reader.invalid('outputs', `${what} has outputs, but no scores in them`);
  return {
    kind: 'predator',
    componentName,
    onFailure: readOnFailure(reader),
    componentId,
    modelName: reader.requiredText('modelName', what),
    modelVersion: reader.text('modelVersion') || '1',
    endpoint,
    endpoints,
    deadlineMs: reader.positive('deadline', 'ms'),
    batchSize: reader.positive('batchSize', 'rows'),
    calibration: isDocumented ? readCalibration(reader, componentName) : reader.text('calibration'),
    inputs,
    outputs,
    scope: readScope(reader),
    slateCalls: reader.choice('slateCalls', slateCalls, 'per_slate'),
    coalesce: reader.boolean('coalesce'),
    coalesceWaitMs: readWait(reader),
    broadcastSingleScore: reader.optionalBoolean('broadcast') ?? compat,
  };
}

function readWait(reader: ObjectReader): number {
  const waitMs = reader.positive('coalesceWait', 'ms') ?? 0;
  if (waitMs <= LONGEST_WAIT_MS) return waitMs;
  const details = { found: String(waitMs), expected: `0 to ${LONGEST_WAIT_MS} ms` };
  reader.invalid('coalesceWait', `coalesce_wait_ms is longer than ${LONGEST_WAIT_MS} ms, which every request would wait`, details);
  return LONGEST_WAIT_MS;
}

/** Tensors are told apart by name, so a name must not repeat. */
function reportRepeats(reader: ObjectReader, key: 'inputs' | 'outputs', tensors: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  const list = reader.context.places.get(`${reader.place}/${key}`) ?? reader.context.places.get(`${reader.place}/${key}/from`);
  for (const [index, { name }] of tensors.entries()) {
    if (seen.has(name) && name !== '') {
      const path = list === undefined ? reader.pathOf(key) : joinPath(list, index);
      reader.context.report('INFERFLOW_CONFIG_INVALID_VALUE', path, `tensor ${JSON.stringify(name)} is declared twice`, { found: name });
    }
    seen.add(name);
  }
}

function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0) || isJsonObject(value);
}

function readCalibration(reader: ObjectReader, componentName: string): string {
  const calibration = reader.object('calibration', 'calibration', `${reader.place}/calibration`);
  if (calibration?.boolean('enabled') !== true) return '';
  const name = calibration.text('name');
  if (name !== '') return name;
  calibration.context.assume(calibration.pathOf('name'), componentName, 'name of the calibration helper columns');
  return componentName;
}
