import { create, fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf';
import { readers, wasmWalk } from './lib/hot-codecs.mjs';
import { judge } from './lib/wire-judge.mjs';

export const name = 'codecs';
export const about =
  'random and damaged messages through the hand-written codecs, WebAssembly and the generated code: equal, or refused by all';
export const shortLimitMinutes = 2;
export const short = (run) => suite(run, 100_000, 100_000);
/** A million damaged messages; with minutes, as many as fit. */
export const long = (run, minutes) => suite(run, 100_000, minutes === undefined ? 1_000_000 : Number.POSITIVE_INFINITY, minutes);

async function suite(run, randomCount, damagedCount, minutes = Number.POSITIVE_INFINITY) {
  const seed = Number(process.env.SOAK_SEED ?? 20_261_121);
  run.note(`SOAK_SEED=${seed}; ${wasmWalk === null ? 'without' : 'with'} WebAssembly`);
  const end = performance.now() + minutes * 60_000;
  for (const [index, reader] of readers.entries()) {
    const dice = createDice(seed + index);
    const tally = { equal: 0, refused: 0, strange: 0 };
    const [random, damaged] = [Math.ceil(randomCount / readers.length), Math.ceil(damagedCount / readers.length)];
    let problem = null;
    for (let count = 0; count < random && problem === null; count++) problem = checkRandom(reader, dice, tally);
    run.check(`${reader.name}: ${random} random messages are read as the generated code reads them`, problem === null, problem ?? '');
    if (problem !== null) continue;
    let count = 0;
    const share = performance.now() + (end - performance.now()) / (readers.length - index);
    while (count < damaged && problem === null && performance.now() < share) {
      const whole = anyMessage(reader, dice);
      for (let damage = 0; damage < 20 && problem === null; damage++, count++)
        problem = checkDamaged(reader, damageOf(whole, dice), dice, tally);
    }
    const figures = `${tally.equal} equal, ${tally.refused} refused, ${tally.strange} strange`;
    run.check(`${reader.name}: ${count} damaged messages get the right verdict`, problem === null, problem ?? figures);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What every reader makes of a message as text; they must agree. Throws what a reader throws. */
function readByAll(reader, message) {
  const plain = reader.read(message);
  const text = JSON.stringify(plain);
  for (const [how, read] of Object.entries(reader.also ?? {})) {
    const other = JSON.stringify(read(message));
    if (other !== text) throw new Error(`${how} reads ${other}, not ${text}`);
  }
  return { plain, text };
}

function checkRandom(reader, dice, tally) {
  const message = anyMessage(reader, dice);
  return explained(message, () => {
    const { plain, text } = readByAll(reader, message);
    const expected = JSON.stringify(reader.plain(fromBinary(reader.desc, message), plain));
    if (text !== expected) throw new Error(`read ${text}, the generated code ${expected}`);
    tally.equal++;
  });
}

function checkDamaged(reader, message, dice, tally) {
  return explained(message, () => {
    const { plain, text } = readByAll(reader, message);
    const verdict = judge(message, reader.schema, reader.mostInts);
    const isAccepted = plain !== null;
    if (isAccepted && !verdict.isWellFormed) throw new Error('a malformed message is accepted');
    if (isAccepted && verdict.hasBadText && reader.needsTexts) throw new Error('a text that is no UTF-8 is accepted');
    if (!isAccepted && verdict.isWellFormed && !verdict.hasBadText) throw new Error('a well-formed message is refused');
    // What lies around a message must not matter: nothing is read past its end.
    const padded = new Uint8Array(message.length + 64).fill(dice(256));
    padded.set(message, 32);
    const again = readByAll(reader, padded.subarray(32, 32 + message.length)).text;
    if (again !== text) throw new Error(`in other surroundings ${again}, not ${text}`);
    if (verdict.isStrange || verdict.hasBadText || (isAccepted && !isOrdinary(message, reader.whole))) tally.strange++;
    else if (!isAccepted) tally.refused++;
    else {
      const decoded = decode(reader, message);
      if (decoded === null) throw new Error('the generated code refuses a message that is accepted');
      const expected = JSON.stringify(reader.plain(decoded, plain));
      if (text !== expected) throw new Error(`read ${text}, the generated code ${expected}`);
      tally.equal++;
    }
  });
}

/** What a reader skips may be damaged, too, and the generated code, which reads all, is no judge then. */
function isOrdinary(message, whole) {
  if (whole === undefined) return true;
  const verdict = judge(message, whole);
  return verdict.isWellFormed && !verdict.isStrange && !verdict.hasBadText;
}

function decode({ desc }, message) {
  try {
    return fromBinary(desc, message);
  } catch {
    return null;
  }
}

/** Null, or the message and what is wrong with it. */
function explained(message, check) {
  try {
    check();
    return null;
  } catch (error) {
    return `${Buffer.from(message).toString('hex')}: ${error.message}`;
  }
}

/** A message as the generated code writes it, and sometimes with fields in another order, or fields that nobody knows. */
function anyMessage(reader, dice) {
  const message = toBinary(reader.desc, create(reader.desc, anyInit(reader.desc, dice, 0, reader.widths)));
  if (dice(3) > 0) return message;
  const fields = cut(message);
  if (dice(2) === 0) fields.splice(dice(fields.length + 1), 0, unknownFields[dice(unknownFields.length)]);
  if (dice(2) === 0 && fields.length > 1) fields.push(...fields.splice(dice(fields.length), 1));
  return Uint8Array.from(fields.flatMap((field) => [...field]));
}

const unknownFields = [
  [0xb8, 0x3e, 0x96, 0x01],
  [0xba, 0x3e, 3, 1, 2, 3],
  [0xb9, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8],
  [0xbd, 0x3e, 1, 2, 3, 4],
];

/** The fields of a message, all of wire types 0 and 2. */
function cut(message) {
  const fields = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      value += (message[at] & 0x7f) * shift;
      if (message[at++] < 0x80) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const isLong = varint() % 8 === 2;
    const value = varint();
    if (isLong) at += value;
    fields.push(message.subarray(start, at));
  }
  return fields;
}

const words = ['', 'a', 'film', 'ü', '✓', '😀', 'a b', 'x'.repeat(130)];

/** Values for all fields of a message by its description. `widths`: of the columns of feature rows. */
function anyInit(desc, dice, depth, widths) {
  const init = {};
  for (const member of desc.members) {
    if (member.kind === 'oneof') {
      const field = member.fields[dice(member.fields.length + 1)];
      if (field !== undefined) init[member.localName] = { case: field.localName, value: anyValue(field, dice, depth, widths) };
    } else if (member.fieldKind === 'map') init[member.localName] = {};
    else if (member.fieldKind === 'list') {
      const columns = widths !== undefined && member.localName === 'columns' ? widths : null;
      const count = columns === null ? dice(depth > 2 ? 3 : 5) : dice(8) === 0 ? dice(columns.length + 2) : columns.length;
      init[member.localName] = Array.from({ length: count }, (_, index) =>
        columns === null ? anyValue(member, dice, depth, widths) : anyCell(columns[index], dice),
      );
    } else if (dice(5) > 0) init[member.localName] = anyValue(member, dice, depth, widths);
  }
  return init;
}

function anyCell(width, dice) {
  const isOdd = dice(12) === 0;
  const length = isOdd ? dice(3) * 5 : width === undefined || width < 0 ? dice(20) : width;
  return Uint8Array.from({ length }, () => dice(256));
}

function anyValue(field, dice, depth, widths) {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  if (kind === 'message') return anyInit(field.message, dice, depth + 1, widths);
  if (kind === 'enum') return dice(40);
  switch (field.scalar) {
    case ScalarType.STRING:
      return words[dice(words.length)];
    case ScalarType.BYTES:
      return Uint8Array.from({ length: dice(6) === 0 ? dice(200) : dice(9) }, () => dice(256));
    case ScalarType.BOOL:
      return dice(2) === 0;
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return BigInt(dice(3) === 0 ? dice(2 ** 31) * 4 : dice(300));
    case ScalarType.INT32:
      return dice(4) === 0 ? -dice(2 ** 31) : dice(300);
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return dice(1000) / 8;
    default:
      return dice(2 ** 31);
  }
}

const likely = [0, 0x08, 0x0a, 0x10, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0x7f, 0x80, 0xff];

function damageOf(whole, dice) {
  const message = whole.slice(0, dice(3) === 0 ? dice(whole.length + 1) : whole.length);
  for (let change = 1 + dice(4); change > 0 && message.length > 0; change--) {
    message[dice(message.length)] = dice(2) === 0 ? dice(256) : likely[dice(likely.length)];
  }
  return message;
}

/** Small and quick: there are hundreds of thousands of messages. */
function createDice(seed) {
  let state = seed | 1;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}
