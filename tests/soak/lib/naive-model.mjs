// The meaning of a configuration, written down as plainly as possible: one row at a time, one component after another. Nothing here is
// shared with the product; values come from the recorded value functions of the conformance fakes.
import { encodeScalar, featureBytes, hash, modelRow, valueOf as valueOfHash } from '../../../conformance/wire/lib/values.mjs';

const defaults = {
  FP32: Buffer.alloc(4),
  FP64: Buffer.alloc(8),
  INT32: Buffer.alloc(4),
  INT64: Buffer.alloc(8),
  BOOL: Buffer.alloc(1),
  BYTES: Buffer.alloc(0),
};
const elementBytes = { fp32: 4, fp64: 8, int64: 8, fp32v3: 4 };

/** A cell: bytes or none; `isTainted` when something that failed, or was left out because of a failure, stands behind it. */
const cell = (bytes, isTainted, isReal) => ({ bytes, isTainted, isReal });
const failed = () => cell(null, true, false);

/**
 * Evaluates one request.
 * @returns `failure`: the component whose failure fails the request, or null; `cells`: column → cell per target; `slateCells`: column → cell per slate
 */
export function evaluate(model, request) {
  const rows = request.targets.length;
  const cells = new Map();
  const slateCells = new Map();
  for (const name of ['item_id', ...model.requestColumns])
    cells.set(
      name,
      request.targets.map((target) => textCell(target[name])),
    );
  cells.set(
    'user_id',
    request.targets.map(() => textCell(request.user)),
  );
  const skipped = new Set();
  let failure = null;
  for (const component of model.components) {
    if (component.dependencies.some((name) => skipped.has(name))) {
      skipped.add(component.name);
      leaveOut(component, cells, slateCells, rows, request.slates?.length ?? 0);
      continue;
    }
    const hasFailed = run[component.kind](component, cells, slateCells, request);
    if (!hasFailed) continue;
    if (component.onFailure === 'fail') failure ??= component.name;
    if (component.onFailure === 'skip_dependents') skipped.add(component.name);
  }
  return { failure, cells, slateCells };
}

const textCell = (text) => (text === '' ? cell(null, false, false) : cell(Buffer.from(text), false, true));

/** Every column that a component writes. */
function columnsOf(component) {
  if (component.kind === 'feature') return component.columns.map(({ name }) => name);
  if (component.kind === 'numerix') return [component.score];
  return component.outputs.flatMap(({ scores }) => scores);
}

function leaveOut(component, cells, slateCells, rows, slates) {
  const [into, count] = component.kind === 'slate' ? [slateCells, slates] : [cells, rows];
  for (const name of columnsOf(component)) into.set(name, Array.from({ length: count }, failed));
}

const run = {
  feature(component, cells, _slateCells, request) {
    let asked = 0;
    const rows = request.targets.map((_, row) => {
      const parts = component.keys.map((name) => cells.get(name)[row]);
      const texts = parts.map(({ bytes }, at) => (bytes === null ? '' : keyText(component.keys[at], bytes, request)));
      const isTainted = parts.some((part) => part.isTainted);
      if (texts.includes('')) return component.columns.map(() => cell(null, isTainted, false));
      asked++;
      if (component.fault === '__err14') return component.columns.map(failed);
      return component.columns.map(({ group, feature }, column) => {
        if (component.fault === '__shortcols' && column === component.columns.length - 1) return failed();
        const bytes = featureBytes(component.label, texts, group, feature);
        return bytes.length === 0
          ? cell(null, isTainted, false)
          : cell(
              bytes,
              isTainted,
              parts.every((part) => part.isReal),
            );
      });
    });
    component.columns.forEach(({ name }, column) =>
      cells.set(
        name,
        rows.map((row) => row[column]),
      ),
    );
    return component.fault === '__err14' && asked > 0;
  },

  predator(component, cells, _slateCells, request) {
    const { fault, outputs, batchSize } = component;
    const count = request.targets.length;
    const rows = request.targets.map((_, row) => inputsOf(component, cells, row));
    outputs.forEach((output, at) => {
      const isLost = fault === '__err14' || fault === '__empty' || (fault === '__dropoutput' && at === outputs.length - 1);
      output.scores.forEach((score) => cells.set(score, []));
      rows.forEach((row, index) => {
        const isLastOfChunk = index % batchSize === batchSize - 1 || index === count - 1;
        const isFailed = isLost || (fault === '__short' && isLastOfChunk);
        const bytes = isFailed ? null : modelRow(component.model, row.tensors, output.name);
        let from = 0;
        output.scores.forEach((score, position) => {
          const width = output.dims[position][0] * elementBytes[output.type];
          cells.get(score).push(isFailed ? failed() : cell(bytes.subarray(from, from + width), row.isTainted, row.isReal));
          from += width;
        });
      });
    });
    return fault === '__err14' || fault === '__empty' || (fault === '__dropoutput' && outputs.length === 1);
  },

  numerix(component, cells, _slateCells, request) {
    const operations = { sum: (a, b) => a + b, product: (a, b) => a * b, mixed: (a, b) => Math.fround(a * 2) - b, most: Math.max };
    const isFailed = component.fault === '__err14';
    cells.set(
      component.score,
      request.targets.map((_, row) => {
        if (isFailed) return failed();
        const [a, b] = [component.a, component.b].map((name) => cells.get(name)[row]);
        const value = ({ bytes }) => (bytes === null ? 0 : bytes.readFloatLE(0));
        const result = Math.fround(operations[component.operation](value(a), value(b)));
        return cell(encodeScalar('fp32', result), a.isTainted || b.isTainted, a.isReal && b.isReal);
      }),
    );
    return isFailed;
  },

  slate(component, cells, slateCells, request) {
    if (request.slates === null) return false;
    const isFailed = component.fault === '__err14';
    let asked = 0;
    const [output] = component.outputs;
    slateCells.set(
      output.scores[0],
      request.slates.map((targets) => {
        if (targets.length === 0) return cell(null, false, false);
        asked++;
        if (isFailed) return failed();
        const rows = targets.map((row) => inputsOf(component, cells, row));
        const h = hash(component.model, output.name, '0', ...rows.flatMap(({ tensors }) => tensors).flat());
        return cell(
          encodeScalar('fp32', valueOfHash('fp32', h)),
          rows.some((row) => row.isTainted),
          rows.every((row) => row.isReal),
        );
      }),
    );
    return isFailed && asked > 0;
  },
};

/** The input tensors of one row: cells next to each other, defaults where there is none. */
function inputsOf(component, cells, row) {
  let isTainted = false;
  let isReal = true;
  const tensors = component.inputs.map(({ name, type, features, width }) => {
    const parts = features.map((feature) => {
      const { bytes, ...state } = cells.get(feature)[row];
      isTainted ||= state.isTainted;
      isReal &&= state.isReal;
      const value = bytes ?? (features.length === 1 && width > 1 ? Buffer.alloc(4 * width) : defaults[type]);
      if (type !== 'BYTES') return value;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(value.length);
      return Buffer.concat([length, value]);
    });
    return [name, type, Buffer.concat(parts)];
  });
  return { tensors, isTainted, isReal };
}

/** A key is text: numbers are written as plain decimals. */
function keyText(column, bytes, request) {
  if (column === 'item_id' || column === 'user_id' || column in request.targets[0]) return bytes.toString();
  const group = column.split(':').at(-2);
  if (group === 'int32_b') return String(bytes.readInt32LE(0));
  if (group === 'int64_e') return String(bytes.readBigInt64LE(0));
  return bytes.toString();
}
