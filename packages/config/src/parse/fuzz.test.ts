import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { checkModelConfig } from '../check-model-config.js';
import { lintModel } from '../lint/lint-model.js';
import { hasErrors } from '../problem.js';
import { convertModel } from '../write/convert.js';
import { parseModelConfig } from './parse-model-config.js';

type Json = unknown;

const casesUrl = new URL('../../../../conformance/wire/cases/', import.meta.url);
const seeds: Json[] = [
  'calibration-columns',
  'config-documented-features',
  'routing-route-config',
  'slate-basic',
  'quantised-features',
].flatMap((name) => {
  expect(readdirSync(casesUrl)).toContain(name);
  return Object.values(
    (JSON.parse(readFileSync(new URL(`${name}/case.json`, casesUrl), 'utf8')) as { models: Record<string, Json> }).models,
  );
});

function placesOf(value: Json, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, member]) => placesOf(member, [...path, key]))];
}

function replaceAt(value: Json, path: readonly (string | number)[], next: Json): Json {
  const [head, ...rest] = path;
  if (head === undefined) return next;
  if (typeof value !== 'object' || value === null) return next;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const members = copy as Record<string, Json>;
  const member = replaceAt(members[head], rest, next);
  if (member === undefined && !Array.isArray(copy)) delete members[head];
  else members[head] = member;
  return copy;
}

const junk = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    undefined,
    null,
    -1,
    1.5,
    1e300,
    '',
    'DataTypeFP33',
    [],
    {},
    [null],
    true,
    [[]],
    { a: { b: [1] } },
    Number.NaN,
    10n,
    () => 1,
    Symbol('s'),
    new Date(0),
  ),
);
const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), junk), { maxLength: 4 })).map(([seed, changes]) =>
  changes.reduce<Json>((value, [at, next]) => {
    const places = placesOf(value);
    return replaceAt(value, places[at % places.length] ?? [], next);
  }, seed),
);

describe('parseModelConfig on anything', () => {
  it('gives a config or an error, never throws, and what it accepts can be checked and written', () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: mutated }, { weight: 1, arbitrary: fc.anything() }), (raw) => {
        const { config, problems } = parseModelConfig('m', raw);
        expect(config === null).toBe(hasErrors(problems));
        const checked = checkModelConfig('m', raw);
        expect(checked.config === null).toBe(hasErrors(checked.problems));
        expect(checked.problems).toEqual(expect.arrayContaining([...problems]));
        for (const problem of problems) expect(problem.path.startsWith('$')).toBe(true);
        if (config === null) return;
        lintModel(config);
        for (const dialect of ['documented', 'deployed'] as const) {
          const again = parseModelConfig('m', JSON.parse(JSON.stringify(convertModel(config, dialect).document)));
          expect([again.problems.filter(({ severity }) => severity === 'error'), again.config?.hash]).toEqual([[], config.hash]);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('refuses endless and bottomless values', () => {
    const endless: Record<string, unknown> = {};
    endless['self'] = endless;
    // Every level has two more below it.
    const tangled: unknown = parseYaml('component_config: &all {order: [*all, *all], note: *all}');
    let deep: unknown = 1;
    for (let level = 0; level < 50_000; level++) deep = [deep];
    for (const raw of [endless, tangled, deep, { component_config: { note: deep } }]) {
      expect(parseModelConfig('m', raw).problems.map(({ code }) => code)).toContain('INFERFLOW_CONFIG_TOO_DEEP');
    }
  });
});
