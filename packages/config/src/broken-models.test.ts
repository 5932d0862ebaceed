import { describe, expect, it } from 'vitest';
import { checkModelConfig, type Problem } from './index.js';
import { change, type Json, type Place, pathOf, placesOf, rename, valueAt } from './testing/break-model.js';
import { brokenWays } from './testing/broken-ways.js';
import { deployedModel, documentedModel } from './testing/whole-models.js';

const dialects = { documented: documentedModel, deployed: deployedModel } as const;
type Dialect = keyof typeof dialects;

function good(dialect: Dialect): Json {
  return dialects[dialect]();
}

function lint(model: Json): readonly Problem[] {
  return checkModelConfig('m', model, { isStrict: true }).problems;
}

function shown(problems: readonly Problem[]): readonly string[] {
  return problems.filter(({ severity }) => severity !== 'hint').map(({ code, path }) => `${code.replace('INFERFLOW_CONFIG_', '')} ${path}`);
}

const wrong: readonly Json[] = ['text', 7, 1.5, true, ['x'], { x: 1 }];

function typeOf(value: Json | undefined): string {
  if (Array.isArray(value)) return 'list';
  return typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value;
}

/** Values of another type that a place takes all the same. */
function isTaken(dialect: Dialect, path: string, value: Json): boolean {
  if (dialect === 'deployed') return path.endsWith('.routing_percentage') && typeof value === 'number';
  if (/\.fs_keys(\[\d\])?\.schema$/.test(path)) return typeof value === 'string';
  if (/\.fs_keys(\[\d\])?\.col$/.test(path)) return Array.isArray(value);
  if (/\.cache_version$/.test(path)) return value === 7;
  if (/\.log_features$/.test(path)) return value === true;
  return /\.model_end_points\[/.test(path) && typeof value === 'number';
}

describe.each(Object.keys(dialects) as Dialect[])('lint of a broken model, %s', (dialect) => {
  it('has nothing to say about the good one', () => {
    expect(shown(lint(good(dialect)))).toEqual([]);
  });

  it('names the exact place of every value of a wrong type, and nothing that only follows from it', () => {
    let count = 0;
    for (const [index, place] of [...placesOf(good(dialect))].entries()) {
      // Two of the six at each place, in turn.
      for (const value of [wrong[index % 3], wrong[3 + (index % 3)]] as const) {
        const model = good(dialect);
        const path = pathOf(place);
        if (value === undefined || typeOf(valueAt(model, place)) === typeOf(value) || isTaken(dialect, path, value)) continue;
        change(model, place, value);
        const errors = lint(model).filter(({ severity }) => severity === 'error');
        // A list in place of an object, or the other way round, may be wrong in its first member only.
        const isThere = errors.some((problem) => problem.path === path || (typeof value === 'object' && problem.path.startsWith(path)));
        if (!isThere) expect.fail(`${path} = ${JSON.stringify(value)}: ${shown(errors).join('; ') || 'nothing'}`);
        const elsewhere = errors.filter((problem) => !problem.path.startsWith(path));
        if (elsewhere.length > 0) expect.fail(`${path} = ${JSON.stringify(value)} also gives ${shown(elsewhere).join('; ')}`);
        count++;
      }
    }
    expect(count).toBeGreaterThan(350);
  });

  it('refuses every negative number', () => {
    for (const place of placesOf(good(dialect))) {
      const model = good(dialect);
      const path = pathOf(place);
      if (typeof valueAt(model, place) !== 'number') continue;
      change(model, place, -3);
      const found = lint(model).filter((problem) => problem.path === path);
      const isClamped = path.endsWith('.log_batch_size') || path.endsWith('.cache_version');
      expect([path, found.map(({ severity }) => severity)]).toEqual([path, [isClamped ? 'warning' : 'error']]);
    }
  });

  it('warns of every field name that is misspelt, and of other spellings', () => {
    const isName = (place: Place): boolean =>
      typeof place.at(-1) === 'string' && !/^(item|user|brand|taste|ranker|order|blend)$/.test(`${place.at(-1)}`);
    const isFree = (place: Place): boolean => ['component_dependency', 'model_end_points', 'score_mapping'].includes(`${place.at(-2)}`);
    for (const place of placesOf(good(dialect))) {
      const name = `${place.at(-1)}`;
      if (!isName(place) || isFree(place)) continue;
      const slips = [`${name}s`, `${name.slice(0, -2)}${name.slice(-1)}${name.slice(-2, -1)}`];
      if (name.includes('_'))
        slips.push(
          name.replaceAll('_', '-'),
          name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
        );
      for (const slip of slips) {
        // Two of the slips are fields themselves.
        if (slip === 'model_end_points' || slip === 'featuresGroups') continue;
        const model = good(dialect);
        rename(model, place, slip);
        const path = pathOf([...place.slice(0, -1), slip]);
        expect(shown(lint(model))).toContain(`UNKNOWN_FIELD ${path}`);
      }
    }
  });
});

describe('lint of a model that is broken in one way', () => {
  const all = Object.entries(brokenWays).flatMap(([dialect, table]) =>
    table.map(([what, breakIt, ...expected]) => ({ dialect: dialect as Dialect, what, breakIt, expected })),
  );

  it('knows more than a hundred ways', () => {
    expect(all.length).toBeGreaterThan(100);
  });

  it.each(all)('$dialect: $what', ({ dialect, breakIt, expected }) => {
    const model = good(dialect);
    breakIt(model);
    const found = shown(lint(model));
    expect(found).toEqual(expect.arrayContaining(expected));
  });
});
