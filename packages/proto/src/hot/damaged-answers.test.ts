import { create, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelInferResponseSchema, NumerixResponseProtoSchema, RetrieveResultSchema } from '../index.js';
import { ComputeAnswer } from './compute.js';
import { WalkScratch, walkFeatureRows } from './feature-answer.js';
import { findFeatureRows, readFeatureSchema } from './feature-answer-head.js';
import { InferAnswer, MAX_RANK } from './infer-response.js';
import { RawScratch } from './typed-contents.js';
import { compileWalk } from './walk-spec.js';

// 100 000 damaged answers per codec: no exception, no look past the end, and the verdict of a decoder that was written for this test and
// of the generated code (which reads a field of another wire type as if it were the declared one: those are left out there).

type Field = 'varint' | 'bytes' | 'text' | 'dims' | Schema;
interface Schema {
  readonly [field: number]: Field;
}

/** Whether a message is well-formed, and whether all declared fields have the declared wire type. */
class NaiveDecoder {
  strange = false;

  isWellFormed(bytes: Uint8Array, schema: Schema): boolean {
    let at = 0;
    let dims = 0;
    const varint = (): bigint | null => {
      let value = 0n;
      for (let index = 0; index < 10; index++) {
        const byte = bytes[at++];
        if (byte === undefined || (index === 9 && byte > 1)) return null;
        value |= BigInt(byte & 0x7f) << BigInt(7 * index);
        if (byte < 0x80) return value;
      }
      return null;
    };
    const skipGroup = (field: bigint, depth: number): boolean => {
      if (depth > 100) return false;
      for (;;) {
        const tag = varint();
        if (tag === null || tag < 8n || tag > 0xffffffffn) return false;
        if (tag % 8n === 4n) return tag / 8n === field;
        if (!skip(Number(tag % 8n), tag / 8n, depth)) return false;
      }
    };
    const skip = (wireType: number, field: bigint, depth: number): boolean => {
      if (wireType === 0) return varint() !== null;
      if (wireType === 1 || wireType === 5) {
        at += wireType === 1 ? 8 : 4;
        return at <= bytes.length;
      }
      if (wireType === 2) {
        const length = varint();
        if (length === null || length > BigInt(bytes.length - at)) return false;
        at += Number(length);
        return true;
      }
      return wireType === 3 && skipGroup(field, depth + 1);
    };
    while (at < bytes.length) {
      const tag = varint();
      if (tag === null || tag < 8n || tag > 0xffffffffn) return false;
      const wireType = Number(tag % 8n);
      const declared = schema[Number(tag / 8n)];
      if (wireType === 4 || wireType > 5) return false;
      if (wireType === 3) this.strange = true;
      if (declared === undefined || !fits(declared, wireType)) {
        if (declared !== undefined) this.strange = true;
        if (!skip(wireType, tag / 8n, 0)) return false;
        continue;
      }
      const start = at;
      if (!skip(wireType, tag / 8n, 0)) return false;
      if (declared === 'dims' && wireType === 0) dims++;
      if (wireType !== 2) continue;
      const length = bytesOf(bytes, start, at);
      if (typeof declared === 'object' && !this.isWellFormed(length, declared)) return false;
      if (declared === 'text' && !isText(length)) this.strange = true;
      if (declared === 'dims') {
        const added = packedCount(length);
        if (added < 0) return false;
        dims += added;
      }
    }
    return dims <= MAX_RANK;
  }
}

function fits(declared: Field, wireType: number): boolean {
  if (declared === 'dims') return wireType === 0 || wireType === 2;
  return declared === 'varint' ? wireType === 0 : wireType === 2;
}

/** The payload of a length-delimited field. */
function bytesOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let at = start;
  while ((bytes[at] as number) >= 0x80) at++;
  return bytes.subarray(at + 1, end);
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Varints in a packed field; −1 if malformed. */
function packedCount(bytes: Uint8Array): number {
  let run = 0;
  let count = 0;
  for (const byte of bytes) {
    run++;
    if (run > 10 || (run === 10 && byte > 1)) return -1;
    if (byte < 0x80) {
      run = 0;
      count++;
    }
  }
  return run === 0 ? count : -1;
}

/** A small generator: 100 000 damages are too many for one that can shrink. */
function createDice(seed: number): (sides: number) => number {
  let state = seed | 1;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}

const likely = [0, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0x7f, 0x80, 0xff];
const damagesPerMessage = 500;

function damaged(whole: Uint8Array, dice: (sides: number) => number): Uint8Array {
  const message = whole.slice(0, dice(3) === 0 ? dice(whole.length + 1) : whole.length);
  if (message.length === 0) return message;
  for (let change = dice(4); change > 0; change--)
    message[dice(message.length)] = dice(2) === 0 ? dice(256) : (likely[dice(likely.length)] as number);
  return message;
}

/** Damages each message, compares the verdicts, and checks that surroundings do not matter. */
function compare<T>(
  messages: fc.Arbitrary<T>,
  encode: (init: T) => Uint8Array,
  desc: DescMessage | null,
  schema: Schema,
  read: (message: Uint8Array, start: number, end: number) => boolean,
) {
  let accepted = 0;
  let refused = 0;
  const dice = createDice(20_261_121);
  for (const init of fc.sample(messages, { numRuns: 200, seed: 7 })) {
    const whole = encode(init);
    for (let round = 0; round < damagesPerMessage; round++) {
      const message = damaged(whole, dice);
      const hex = () => Buffer.from(message).toString('hex');
      const padded = new Uint8Array(message.length + 64).fill(dice(256));
      padded.set(message, 32);
      const verdict = read(message, 0, message.length);
      const naive = new NaiveDecoder();
      const expected = naive.isWellFormed(message, schema);
      if (verdict !== expected && !(naive.strange && !verdict)) throw new Error(`verdict ${verdict}, expected ${expected}: ${hex()}`);
      if (read(padded, 32, 32 + message.length) !== verdict) throw new Error(`the surroundings change the verdict: ${hex()}`);
      // The generated code lets some malformed messages pass, but refuses none that is well-formed.
      if (desc !== null && expected && !naive.strange && !accepts(desc, message)) throw new Error(`the generated code refuses: ${hex()}`);
      if (expected) accepted++;
      else refused++;
    }
  }
  expect(accepted).toBeGreaterThan(10_000);
  expect(refused).toBeGreaterThan(10_000);
}

function accepts(desc: DescMessage, message: Uint8Array): boolean {
  try {
    fromBinary(desc, message);
    return true;
  } catch {
    return false;
  }
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 5 });
const bytes = fc.uint8Array({ maxLength: 12 });

describe('damaged answers', () => {
  it('of the feature store', () => {
    const layout = { offsets: Uint32Array.of(0, 4, 12), widths: Uint32Array.of(4, 8, 3), isVariable: [false, true, false], stride: 15 };
    const spec = compileWalk(layout, [{ slot: 0 }, { slot: -1 }, { slot: 1 }, { slot: 2 }], { present: 2, missing: 8, failed: 10 });
    const scratch = new WalkScratch();
    const result = fc.record({
      entityLabel: name,
      keysSchema: fc.array(name, { maxLength: 2 }),
      featureSchemas: fc.array(
        fc.record({ featureGroupLabel: name, features: fc.array(fc.record({ label: name, columnIdx: fc.integer() }), { maxLength: 3 }) }),
        { maxLength: 2 },
      ),
      rows: fc.array(fc.record({ keys: fc.array(name, { maxLength: 2 }), columns: fc.array(bytes, { maxLength: 5 }) }), { maxLength: 4 }),
    });
    const schema: Schema = { 1: 'text', 2: 'text', 3: { 1: 'text', 2: { 1: 'text', 2: 'varint' } }, 4: { 1: 'text', 2: 'bytes' } };
    compare(
      result,
      (init) => toBinary(RetrieveResultSchema, create(RetrieveResultSchema, init)),
      RetrieveResultSchema,
      schema,
      (message, start, end) => {
        const rowsAt = findFeatureRows(message, start, end);
        return (
          rowsAt >= 0 && readFeatureSchema(message, start, end) !== null && walkFeatureRows(message, rowsAt, end, spec, 100, scratch) >= 0
        );
      },
    );
  }, 120_000);

  it('of a model server', () => {
    const answer = new InferAnswer();
    const raw = new RawScratch();
    const response = fc.record({
      modelName: name,
      id: name,
      outputs: fc.array(
        fc.record({
          name,
          datatype: fc.constantFrom('FP32', 'INT64', 'BYTES'),
          shape: fc.array(fc.bigInt({ min: -3n, max: 1n << 40n }), { maxLength: 3 }),
          contents: fc.record({ intContents: fc.array(fc.integer(), { maxLength: 3 }), bytesContents: fc.array(bytes, { maxLength: 2 }) }),
        }),
        { maxLength: 3 },
      ),
      rawOutputContents: fc.array(bytes, { maxLength: 3 }),
    });
    // Contents are read only when an output is taken, parameters never: the generated code, which reads all, is no judge here.
    const output: Schema = { 1: 'text', 2: 'text', 3: 'dims', 5: 'bytes' };
    const schema: Schema = { 5: output, 6: 'bytes' };
    const encode = (init: object) => toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, init));
    compare(response, encode, null, schema, (message, start, end) => {
      if (!answer.read(message, start, end)) return false;
      for (let index = 0; index < answer.outputCount; index++) {
        for (const type of ['BOOL', 'INT8', 'INT64', 'UINT32', 'UINT64', 'FP32', 'FP64', 'BYTES', 'FP16']) {
          if (answer.hasContents(index)) answer.readContents(message, index, type, 1000, raw);
        }
      }
      return true;
    });
  }, 120_000);

  it('of the compute service', () => {
    const answer = new ComputeAnswer();
    const row = fc.oneof(
      fc.record({
        matrixFormat: fc.record({
          case: fc.constant('byteData' as const),
          value: fc.record({ values: fc.array(bytes, { maxLength: 3 }) }),
        }),
      }),
      fc.record({
        matrixFormat: fc.record({
          case: fc.constant('stringData' as const),
          value: fc.record({ values: fc.array(name, { maxLength: 3 }) }),
        }),
      }),
    );
    const response = fc.oneof(
      fc.record({
        response: fc.record({
          case: fc.constant('computationScoreData' as const),
          value: fc.record({ schema: fc.array(name, { maxLength: 2 }), computationScores: fc.array(row, { maxLength: 4 }) }),
        }),
      }),
      fc.record({ response: fc.record({ case: fc.constant('error' as const), value: fc.record({ message: name }) }) }),
    );
    const score: Schema = { 1: { 1: 'text' }, 2: { 1: 'bytes' } };
    const schema: Schema = { 1: { 1: 'text', 2: score }, 2: { 1: 'text' } };
    const desc = NumerixResponseProtoSchema;
    compare(
      response,
      (init) => toBinary(desc, create(desc, init)),
      desc,
      schema,
      (message, start, end) => answer.read(message, start, end),
    );
  }, 120_000);
});
