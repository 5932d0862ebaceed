// The hand-written codecs of @inferflow/proto as functions from bytes to plain objects, beside what the generated code makes of the same
// bytes, and schemas of the fields they read.
import * as hot from '../../../packages/proto/dist/hot/index.js';
import * as proto from '../../../packages/proto/dist/index.js';

const utf8 = new TextDecoder();
const textAt = (message, start, end) => utf8.decode(message.subarray(start, end));
const hex = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
const range = (count, make) => Array.from({ length: count }, (_, index) => make(index));

const named = { 1: 'text', 2: 'varint', 3: 'varint', 100: 'varint' };
const context = { 1: 'text', 2: 'bytes', 3: 'varint', 4: 'varint' };
const target = { 1: 'text', 2: 'bytes' };
const options = { 1: 'varint', 2: 'varint' };
const head = { 1: 'text', 2: 'text', 3: context, 4: named, 100: options };
const predictSchemas = [
  { ...head, 5: target, 6: 'text' },
  { ...head, 5: named, 6: { 1: 'varint', 2: 'varint', 3: 'bytes' }, 7: target, 8: 'text' },
  { ...head, 5: named, 6: { 1: 'ints', 2: 'bytes' }, 7: target, 8: 'text' },
];

/** More values of a row than that are not compared. */
const comparedValues = 8;
const valueWords = Int32Array.from({ length: comparedValues }, (_, at) => 2 + at * 2);
const predictScan = new hot.PredictRequestScan();
const feature = new hot.FeatureScan();
const indexList = new hot.IndexList();

function readPredict(message, kind) {
  if (!predictScan.scan(message, kind)) return null;
  let isGood = true;
  const schemaOf = (list) =>
    range(list.count, (at) => {
      if (!feature.readSchema(message, list.start(at), list.end(at))) isGood = false;
      return { name: textAt(message, feature.nameStart, feature.nameEnd), dataType: feature.dataType, vectorDim: feature.vectorDim };
    });
  const cells = (words, count) =>
    range(Math.min(count, comparedValues), (at) => hex(message.subarray(words[2 + at * 2], words[2 + at * 2] + words[3 + at * 2])));
  const contextFeatures = range(predictScan.contextFeatures.count, (at) => {
    const { contextFeatures } = predictScan;
    if (!feature.readContext(message, contextFeatures.start(at), contextFeatures.end(at))) isGood = false;
    return {
      name: textAt(message, feature.nameStart, feature.nameEnd),
      value: hex(message.subarray(feature.valueStart, feature.valueEnd)),
      dataType: feature.dataType,
      vectorDim: feature.vectorDim,
    };
  });
  const rowWords = 2 + comparedValues * 2;
  const targets = range(predictScan.targets.count, (at) => {
    const words = new Int32Array(rowWords);
    const count = hot.placeTarget(message, predictScan.targets.start(at), predictScan.targets.end(at), words, 0, 0, valueWords);
    if (count < 0) isGood = false;
    return { id: textAt(message, words[0], words[0] + words[1]), values: cells(words, count), count };
  });
  const slates = range(predictScan.slates.count, (at) => {
    const words = new Int32Array(rowWords);
    indexList.clear();
    const { slates } = predictScan;
    const count = hot.placeSlate(message, slates.start(at), slates.end(at), kind, indexList, words, 0, valueWords);
    if (count < 0) isGood = false;
    return { indices: [...indexList.values.subarray(0, indexList.count)], values: cells(words, count), count };
  });
  const plain = {
    modelConfigId: textAt(message, predictScan.modelConfigIdStart, predictScan.modelConfigIdEnd),
    trackingId: textAt(message, predictScan.trackingIdStart, predictScan.trackingIdEnd),
    tenantId: textAt(message, predictScan.tenantIdStart, predictScan.tenantIdEnd),
    options: [predictScan.options.omitQuality ?? null, predictScan.options.includeConfigHash],
    contextFeatures,
    targetSchema: schemaOf(predictScan.targetSchema),
    slateSchema: schemaOf(predictScan.slateSchema),
    targets,
    slates,
  };
  return isGood ? plain : null;
}

const plainSchema = (features) => features.map(({ name, dataType, vectorDim }) => ({ name, dataType, vectorDim }));
const plainValues = (values) => ({ values: values.slice(0, comparedValues).map(hex), count: values.length });
const plainOptions = (given) => [given?.omitQuality ?? null, given?.includeConfigHash ?? false];

function plainPredict(message) {
  return {
    modelConfigId: message.modelConfigId,
    trackingId: message.trackingId,
    tenantId: message.tenantId,
    options: plainOptions(message.options),
    contextFeatures: message.contextFeatures.map(({ name, value, dataType, vectorDim }) => ({
      name,
      value: hex(value),
      dataType,
      vectorDim,
    })),
    targetSchema: plainSchema(message.targetInputSchema),
    slateSchema: plainSchema(message.pairInputSchema ?? message.slateInputSchema ?? []),
    targets: message.targets.map(({ id, featureValues }) => ({ id, ...plainValues(featureValues) })),
    slates: (message.pairs ?? message.slates ?? []).map((slate) => ({
      indices: slate.targetIndices ?? [slate.firstTargetIndex, slate.secondTargetIndex],
      ...plainValues(slate.featureValues),
    })),
  };
}

const inferflowScan = new hot.InferflowRequestScan();
const namedTexts = new hot.NamedTextsScan();

function readInferflow(message) {
  if (!inferflowScan.scan(message)) return null;
  let isGood = true;
  const read = (start, end, features) => {
    if (!namedTexts.read(message, start, end, features)) isGood = false;
    const { textCount, nameStart, nameEnd } = namedTexts;
    const words = new Int32Array(textCount * 2);
    if (isGood && hot.placeTexts(message, start, end, words, 0, 2, textCount) < 0) isGood = false;
    return {
      name: textAt(message, nameStart, nameEnd),
      texts: range(textCount, (row) => textAt(message, words[row * 2], words[row * 2] + words[row * 2 + 1])),
    };
  };
  const entities = range(inferflowScan.entities.count, (at) => {
    const features = new hot.PositionList();
    const self = read(inferflowScan.entities.start(at), inferflowScan.entities.end(at), features);
    return { ...self, features: range(features.count, (index) => read(features.start(index), features.end(index), null)) };
  });
  const plain = {
    modelConfigId: textAt(message, inferflowScan.modelConfigIdStart, inferflowScan.modelConfigIdEnd),
    trackingId: textAt(message, inferflowScan.trackingIdStart, inferflowScan.trackingIdEnd),
    options: [inferflowScan.options.omitQuality ?? null, inferflowScan.options.includeConfigHash],
    entities,
  };
  return isGood ? plain : null;
}

const plainInferflow = (message) => ({
  modelConfigId: message.modelConfigId,
  trackingId: message.trackingId,
  options: plainOptions(message.options),
  entities: message.entities.map(({ entity, ids, features }) => ({
    name: entity,
    texts: ids,
    features: features.map(({ name, idsFeatureValue }) => ({ name, texts: idsFeatureValue })),
  })),
});

// Answers of a feature store: columns of 4, any, ignored, 4, 9 and 3 bytes; a slot that no column fills.
const statuses = { present: 2, missing: 8, failed: 10 };
export const featureWidths = [4, -1, -2, 4, 9, 3];
const wideSpec = walkSpec(featureWidths, [9]);
const wordSpec = walkSpec([4, 4, 4, 4, 4, 4], []);

function walkSpec(columns, unfilled) {
  const slots = [...columns.filter((width) => width !== -2), ...unfilled].map((width) => ({
    width: width < 0 ? 8 : width,
    isVariable: width < 0,
  }));
  let stride = 0;
  const offsets = slots.map(({ width }) => {
    stride += width;
    return stride - width;
  });
  let slot = 0;
  return hot.compileWalk(
    {
      offsets: Uint32Array.from(offsets),
      widths: Uint32Array.from(slots, ({ width }) => width),
      isVariable: slots.map(({ isVariable }) => isVariable),
      stride,
    },
    columns.map((width) => ({ slot: width === -2 ? -1 : slot++ })),
    statuses,
  );
}

export const wasmWalk = hot.WasmWalk.create();
const plainScratch = new hot.WalkScratch();
const wasmScratch = new hot.WalkScratch(wasmWalk);
const mostRows = 64;

function readFeatures(message, spec, scratch) {
  const rowsAt = hot.findFeatureRows(message, 0, message.length);
  const schema = rowsAt < 0 ? null : hot.readFeatureSchema(message, 0, message.length);
  const rows = schema === null ? -1 : hot.walkFeatureRows(message, rowsAt, message.length, spec, mostRows, scratch);
  if (rows < 0) return null;
  return {
    schema: schema.map(({ group, feature, column }) => [group, feature, column]),
    withoutValue: scratch.withoutValue,
    oddCount: scratch.oddCount,
    rows: range(rows, (row) => {
      const keys = keysAt(scratch.lateKeys ?? message, scratch.keys[row * 2], scratch.keys[row * 2 + 1]);
      return { keys, cells: range(spec.columnCount, (column) => cellOf(message, spec, scratch, row, column)) };
    }),
  };
}

/** Keys are compared as bytes: what is no text is just nobody's key. */
function keysAt(message, start, end) {
  const keys = [];
  for (let at = start; at < end; ) {
    let length = 0;
    let scale = 1;
    at++;
    do {
      length += (message[at] & 0x7f) * scale;
      scale *= 128;
    } while (message[at++] >= 0x80);
    keys.push(hex(message.subarray(at, at + length)));
    at += length;
  }
  return keys;
}

function cellOf(message, spec, scratch, row, column) {
  if (spec.kinds[column] === 0) return null;
  const status = scratch.status[row * spec.slotCount + spec.slots[column]];
  const at = row * spec.stride + spec.offsets[column];
  const isFixed = spec.kinds[column] === 1;
  const bytes = scratch.rows.subarray(at, at + spec.widths[column]);
  if (status !== statuses.present) return bytes.every((byte) => byte === 0) ? status : `not zero: ${hex(bytes)}`;
  if (isFixed) return hex(bytes);
  const start = scratch.view.getUint32(at, true);
  return hex(message.subarray(start, start + scratch.view.getUint32(at + 4, true)));
}

function plainFeatures(message, spec) {
  let withoutValue = message.rows.length * spec.absentSlots.length;
  let oddCount = 0;
  const rows = message.rows.map(({ keys, columns }) => ({
    keys: keys.map((key) => Buffer.from(key).toString('hex')),
    cells: range(spec.columnCount, (column) => {
      if (spec.kinds[column] === 0) return null;
      const bytes = columns[column];
      const isVariable = spec.kinds[column] === 2;
      if (bytes !== undefined && bytes.length > 0 && (isVariable || bytes.length === spec.widths[column])) return hex(bytes);
      withoutValue++;
      if (bytes !== undefined && bytes.length > 0) oddCount++;
      return bytes?.length === 0 ? statuses.missing : statuses.failed;
    }),
  }));
  const schema = message.featureSchemas.flatMap(({ featureGroupLabel, features }) =>
    features.map(({ label, columnIdx }) => [featureGroupLabel, label, columnIdx]),
  );
  return { schema, withoutValue, oddCount, rows };
}

const inferAnswer = new hot.InferAnswer();

function readInfer(message) {
  if (!inferAnswer.read(message, 0, message.length)) return null;
  return {
    version: textAt(message, inferAnswer.modelVersionStart, inferAnswer.modelVersionEnd),
    outputs: range(inferAnswer.outputCount, (output) => ({
      datatype: inferAnswer.typeText(message, output),
      shape: range(inferAnswer.rank(output), (dim) => inferAnswer.dim(output, dim)),
      hasContents: inferAnswer.hasContents(output),
    })),
    raw: range(inferAnswer.rawCount, (index) => hex(message.subarray(inferAnswer.rawStart(index), inferAnswer.rawEnd(index)))),
  };
}

/** For messages of errors, so cut, and byte by byte. */
const printed = (text) => Buffer.from(text).subarray(0, 32).toString('latin1');

const hasElements = (contents) => Object.values(contents ?? {}).some((list) => Array.isArray(list) && list.length > 0);

/** A dimension as a number: no tensor is larger than what one holds exactly. */
const clamped = (dimension) => Math.max(-(2 ** 53), Math.min(2 ** 53, Number(dimension)));

const plainInfer = (message, read) => ({
  version: message.modelVersion,
  outputs: message.outputs.map(({ datatype, shape, contents }, output) => ({
    datatype: printed(datatype),
    shape: shape.map(clamped),
    // Bytes that stand for no element may be there or not.
    hasContents: hasElements(contents) || (contents !== undefined && read?.outputs[output]?.hasContents === true),
  })),
  raw: message.rawOutputContents.map(hex),
});

const computeAnswer = new hot.ComputeAnswer();

function readCompute(message) {
  if (!computeAnswer.read(message, 0, message.length)) return null;
  const { errorStart, errorEnd } = computeAnswer;
  if (errorStart >= 0) return { error: textAt(message, errorStart, errorEnd) };
  return {
    rows: range(computeAnswer.rowCount, (row) => {
      const [id, value] = [computeAnswer.idStart(row), computeAnswer.valueStart(row)];
      if (value < 0) return { id: id < 0 ? null : hex(message.subarray(id, computeAnswer.idEnd(row))), value: null };
      return {
        id: hex(message.subarray(id, computeAnswer.idEnd(row))),
        value: hex(message.subarray(value, computeAnswer.valueEnd(row))),
        isText: computeAnswer.isText(row),
      };
    }),
  };
}

function plainCompute({ response }) {
  if (response.case === 'error') return { error: response.value.message };
  const rows = response.case === undefined ? [] : response.value.computationScores;
  return {
    rows: rows.map(({ matrixFormat }) => {
      const isText = matrixFormat.case === 'stringData';
      const [id, value] = (matrixFormat.value?.values ?? []).map((entry) => (isText ? Buffer.from(entry).toString('hex') : hex(entry)));
      return value === undefined ? { id: id ?? null, value: null } : { id, value, isText };
    }),
  };
}

const parameters = { 1: 'text', 2: { 1: 'varint', 2: 'varint', 3: 'text', 4: 'double', 5: 'varint' } };
const contents = { 1: 'ints', 2: 'ints', 3: 'ints', 4: 'ints', 5: 'ints', 6: 'words', 7: 'doubles', 8: 'bytes' };
const inferSchema = {
  1: 'text',
  2: 'text',
  3: 'text',
  4: parameters,
  5: { 1: 'text', 2: 'text', 3: 'ints', 4: parameters, 5: contents },
  6: 'bytes',
};

const group = { 1: 'text', 2: { 1: 'text', 2: 'varint' } };
const featureSchema = { 1: 'text', 2: 'text', 3: group, 4: { 1: 'text', 2: 'bytes' } };
const scores = { 1: 'text', 2: { 1: { 1: 'text' }, 2: { 1: 'bytes' } } };

/**
 * Every reader: `schema` has the fields it reads, `whole` all of the message where that is more; `needsTexts`: one that is no UTF-8 is
 * refused; `read` gives a plain object or null (refused), `plain` the same from what the generated code decoded; `also` are further
 * readers, which must agree with the first to the letter.
 */
export const readers = [
  ...[proto.PointWiseRequestSchema, proto.PairWiseRequestSchema, proto.SlateWiseRequestSchema].map((desc, kind) => ({
    name: desc.name,
    desc,
    schema: predictSchemas[kind],
    needsTexts: true,
    read: (message) => readPredict(message, kind),
    plain: plainPredict,
  })),
  {
    name: 'InferflowRequestProto',
    desc: proto.InferflowRequestProtoSchema,
    schema: { 1: { 1: 'text', 2: 'text', 3: { 1: 'text', 2: 'text' } }, 2: 'text', 3: 'text', 100: options },
    needsTexts: true,
    read: readInferflow,
    plain: plainInferflow,
  },
  ...[wordSpec, wideSpec].map((spec) => ({
    name: spec === wideSpec ? 'feature answer, mixed widths' : 'feature answer, words',
    desc: proto.RetrieveResultSchema,
    schema: featureSchema,
    widths: spec === wideSpec ? featureWidths : [4, 4, 4, 4, 4, 4],
    read: (message) => readFeatures(message, spec, plainScratch),
    plain: (message) => plainFeatures(message, spec),
    also: { WebAssembly: (message) => readFeatures(message, spec, wasmScratch) },
    mostRows,
  })),
  {
    name: 'ModelInferResponse',
    desc: proto.ModelInferResponseSchema,
    // Parameters are never read, contents when an output is taken.
    schema: { 2: 'text', 5: { 1: 'text', 2: 'text', 3: 'ints', 5: 'bytes' }, 6: 'bytes' },
    mostInts: hot.MAX_RANK,
    whole: inferSchema,
    read: readInfer,
    plain: plainInfer,
  },
  {
    name: 'NumerixResponseProto',
    desc: proto.NumerixResponseProtoSchema,
    schema: { 1: scores, 2: { 1: 'text' } },
    read: readCompute,
    plain: plainCompute,
  },
];
