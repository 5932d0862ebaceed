import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { closestName } from '@inferflow/dag';
import type { Violation } from '@inferflow/engine';

/** More places than anybody reads. */
const most = 50;

/**
 * Everything in the JSON of a request that is no such message: members that it does not have, values of another kind. A member that is
 * not known is most likely a slip, and leaving it out would answer another question than the one asked. Places are named, values never.
 */
export function jsonProblems(message: DescMessage, json: unknown): readonly Violation[] {
  const found: Violation[] = [];
  visitMessage(message, json, '', found);
  return found;
}

function visitMessage(message: DescMessage, json: unknown, path: string, found: Violation[]): void {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return wrong(path, `an object (${message.name})`, json, found);
  for (const [name, value] of Object.entries(json)) {
    if (found.length >= most) return;
    const field = message.fields.find((each) => each.jsonName === name || each.name === name);
    if (field === undefined) unknown(message, name, path, found);
    else visitField(field, value, place(path, field.name), found);
  }
}

function unknown(message: DescMessage, name: string, path: string, found: Violation[]): void {
  const meant = closestName(
    name,
    message.fields.map(({ jsonName }) => jsonName),
  );
  // A name that somebody else chose may be anything: a long one is not repeated.
  const shown = /^\w{1,64}$/.test(name) ? name : '?';
  found.push({
    field: place(path, shown),
    description: `${message.name} has no field "${shown}"; ${
      meant === undefined ? `it has ${message.fields.map(({ jsonName }) => jsonName).join(', ')}` : `did you mean "${meant}"?`
    }`,
  });
}

function visitField(field: DescField, value: unknown, path: string, found: Violation[]): void {
  if (value === null) return; // the default
  if (field.fieldKind === 'list') {
    if (!Array.isArray(value)) return wrong(path, 'a list', value, found);
    value.forEach((each, index) => {
      if (found.length < most) visitOne(field, each, `${path}[${index}]`, found);
    });
  } else if (field.fieldKind === 'map') {
    if (typeof value !== 'object' || Array.isArray(value)) wrong(path, 'an object', value, found);
  } else visitOne(field, value, path, found);
}

function visitOne(
  field: DescField & { fieldKind: 'list' | 'scalar' | 'enum' | 'message' },
  value: unknown,
  path: string,
  found: Violation[],
): void {
  if (field.message !== undefined) return visitMessage(field.message, value, path, found);
  if (field.enum !== undefined) {
    const { values } = field.enum;
    if (typeof value === 'number' && integer.accepts(value)) return;
    if (typeof value !== 'string') return wrong(path, `a name of ${field.enum.name}`, value, found);
    if (values.some(({ name }) => name === value)) return;
    const meant = closestName(
      value,
      values.map(({ name }) => name),
    );
    found.push({
      field: path,
      description: `is not a name of ${field.enum.name}${meant === undefined ? `, such as ${values[1]?.name ?? values[0]?.name}` : `; did you mean "${meant}"?`}`,
    });
    return;
  }
  const { expected, accepts } = scalars[field.scalar as number] ?? integer;
  if (!accepts(value)) wrong(path, expected, value, found);
}

interface ScalarForm {
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' ||
  (typeof value === 'string' && value.trim() !== '' && (/^-?(Infinity|NaN)$/.test(value) || Number.isFinite(Number(value))));
const real: ScalarForm = { expected: 'a number', accepts: isNumber };
/** All whole numbers of requests are int32. */
const integer: ScalarForm = {
  expected: 'a whole number of 32 bits',
  accepts: (value) => isNumber(value) && (Number(value) | 0) === Number(value),
};

/** By protobuf's scalar type; what is not here is an integer. */
const scalars: Readonly<Record<number, ScalarForm>> = {
  1: real,
  2: real,
  8: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  9: { expected: 'a string', accepts: (value) => typeof value === 'string' && !/\p{Surrogate}/u.test(value) },
  12: {
    expected: 'bytes as base64',
    accepts: (value) => typeof value === 'string' && /^[\w+/-]*={0,2}$/.test(value) && value.replace(/=+$/, '').length % 4 !== 1,
  },
};

function wrong(path: string, expected: string, value: unknown, found: Violation[]): void {
  const kind = Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  found.push({
    field: path === '' ? '.' : path,
    description: `expected ${expected}, got ${kind}${suffix(kind, expected)}`,
  });
}

/** Numbers and bytes may travel as strings: then the kind alone is no reason. */
function suffix(kind: string, expected: string): string {
  if (kind === expected) return ' that is no valid Unicode';
  return kind === 'a string' && /^(a number|a whole number|bytes)/.test(expected) ? ' that is none' : '';
}

function place(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
