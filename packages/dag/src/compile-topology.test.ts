import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTopology } from './compile-topology.js';
import { DagError } from './errors.js';
import { reaches, type TopologyInput } from './topology.js';
import { findTopologyProblems } from './topology-problems.js';

type Adjacency = Record<string, readonly string[]>;

/** Every name that is a key is a component. */
function graph(dependencies: Adjacency): TopologyInput {
  return { components: Object.keys(dependencies).map((componentId) => ({ componentId })), dependencies };
}

function caught(run: () => unknown): DagError {
  try {
    run();
  } catch (error) {
    if (error instanceof DagError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('compileTopology', () => {
  const good: readonly (readonly [string, Adjacency, readonly (readonly string[])[]])[] = [
    ['empty', {}, []],
    ['one', { a: [] }, [['a']]],
    ['chain', { c: ['b'], b: ['a'], a: [] }, [['a'], ['b'], ['c']]],
    ['diamond', { a: [], left: ['a'], right: ['a'], z: ['left', 'right'] }, [['a'], ['left', 'right'], ['z']]],
    ['two roots', { a: [], b: [], z: ['a', 'b'] }, [['a', 'b'], ['z']]],
    ['isolated nodes', { b: [], a: [] }, [['b', 'a']]],
    [
      'a level in the order of declaration',
      { p: [], q: [], x: ['q'], y: ['p'] },
      [
        ['p', 'q'],
        ['x', 'y'],
      ],
    ],
    ['repeated dependency', { a: [], b: ['a', 'a', 'a'] }, [['a'], ['b']]],
    ['names that objects have', { constructor: [], toString: ['constructor'] }, [['constructor'], ['toString']]],
  ];
  it.each(good)('sorts %s into levels', (_, dependencies, levels) => {
    const topology = compileTopology(graph(dependencies));
    expect(topology.levels.map((level) => level.map((index) => topology.componentIds[index]))).toEqual(levels);
    expect(topology.componentIds).toEqual(levels.flat());
    for (const [index, componentId] of topology.componentIds.entries())
      expect(topology.dependencyCounts[index]).toBe(new Set(dependencies[componentId]).size);
  });

  it('accepts a component named __proto__', () => {
    const dependencies = JSON.parse('{"a": ["__proto__"], "__proto__": []}');
    const topology = compileTopology({ components: [{ componentId: 'a' }, { componentId: '__proto__' }], dependencies });
    expect(topology.componentIds).toEqual(['__proto__', 'a']);
  });

  it('gives a component without an entry no dependencies', () => {
    const topology = compileTopology({ components: [{ componentId: 'a', onFailure: 'fail' }, { componentId: 'b' }], dependencies: {} });
    expect(topology.levels).toEqual([[0, 1]]);
    expect(topology.onFailure).toEqual(['fail', 'default']);
  });

  it('freezes what it returns', () => {
    const topology = compileTopology(graph({ a: [], b: ['a'] }));
    expect(Object.isFrozen(topology)).toBe(true);
    expect(Object.isFrozen(topology.componentIds)).toBe(true);
    expect(Object.isFrozen(topology.levels[0])).toBe(true);
  });

  const cyclic: readonly (readonly [string, Adjacency, readonly string[]])[] = [
    ['self-loop', { a: ['a'] }, ['a', 'a']],
    ['two', { a: ['b'], b: ['a'] }, ['a', 'b', 'a']],
    ['cycle behind a chain', { root: [], end: ['x'], x: ['y', 'root'], y: ['z'], z: ['x'] }, ['x', 'y', 'z', 'x']],
    ['shortest way round', { a: ['b', 'c'], b: ['c'], c: ['a'] }, ['a', 'c', 'a']],
  ];
  it.each(cyclic)('names a cycle as a path: %s', (_, dependencies, path) => {
    const error = caught(() => compileTopology(graph(dependencies)));
    expect(error).toMatchObject({ name: 'DagError', code: 'INFERFLOW_DAG_CYCLE', path });
    expect(error.issues).toHaveLength(1);
  });

  it('names every separate cycle', () => {
    const problems = findTopologyProblems(graph({ a: ['b'], b: ['a'], c: ['d', 'a'], d: ['c'] }));
    expect(problems.map((problem) => problem.cyclePath)).toEqual([
      ['a', 'b', 'a'],
      ['c', 'd', 'c'],
    ]);
  });

  it('names the cycle of each knot alone, however knots wait for each other', () => {
    const edges: Adjacency = {
      m: ['n', 'z'],
      n: ['m'],
      z: ['y'],
      y: ['x', 'z'],
      x: ['y'],
      behind: ['m'],
      self: ['self', 'x'],
      end: ['behind'],
    };
    expect(findTopologyProblems(graph(edges)).map((problem) => problem.cyclePath)).toEqual([
      ['m', 'n', 'm'],
      ['self', 'self'],
      ['x', 'y', 'x'],
    ]);
  });

  it.each<[string, (index: number) => string]>([
    ['behind one cycle', (index) => `c${index === 0 ? 1 : index - 1}`],
    ['in cycles of two', (index) => `c${index ^ 1}`],
  ])('refuses tens of thousands of components %s in a moment', (_, waitsFor) => {
    const edges = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`c${index}`, [waitsFor(index)]]));
    const startedAt = performance.now();
    expect(findTopologyProblems(graph(edges))[0]).toMatchObject({ cyclePath: ['c0', 'c1', 'c0'] });
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('checks columns that are read over a few of thousands of steps in a moment', () => {
    const components = Array.from({ length: 10_000 }, (_, index) => ({
      componentId: `c${index}`,
      writes: [`w${index}`],
      reads: index < 3 ? [] : [`w${index - 3}`],
    }));
    const dependencies = Object.fromEntries(components.slice(1).map(({ componentId }, index) => [componentId, [`c${index}`]]));
    const startedAt = performance.now();
    expect(findTopologyProblems({ components, dependencies })).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('refuses a failure policy that there is not: it would count as default', () => {
    const error = caught(() => compileTopology({ components: [{ componentId: 'a', onFailure: 'fial' as never }], dependencies: {} }));
    expect(error).toMatchObject({ code: 'INFERFLOW_DAG_OPTION_INVALID', componentId: 'a' });
    expect(error.message).toBe('the failure policy of component "a" is "fial"; expected one of default, fail, skip_dependents');
  });

  it('names an unknown dependency, who asked for it, and what was probably meant', () => {
    const error = caught(() => compileTopology(graph({ fs_user: [], ranker: ['fs_usr'] })));
    expect(error).toMatchObject({ code: 'INFERFLOW_DAG_UNKNOWN_COMPONENT', componentId: 'fs_usr', requiredBy: 'ranker' });
    expect(error.message).toBe('component "ranker" depends on "fs_usr", which is not registered; did you mean "fs_user"?');
    expect(error.issues[0]).toMatchObject({ path: 'dependencies.ranker[0]', suggestion: 'fs_user' });
  });

  it('names an unknown key of the dependencies', () => {
    const error = caught(() => compileTopology({ components: [{ componentId: 'a' }], dependencies: { nothing_like_it: ['a'] } }));
    expect(error.message).toBe('"nothing_like_it" has dependencies, but is not registered');
  });

  it('refuses an id that is declared twice', () => {
    const error = caught(() => compileTopology({ components: [{ componentId: 'a' }, { componentId: 'a' }], dependencies: {} }));
    expect(error).toMatchObject({ code: 'INFERFLOW_DAG_DUPLICATE_COMPONENT', componentId: 'a' });
  });

  it('lists everything that is wrong, in the same order however the graph is written', () => {
    const components = [
      { componentId: 'a', writes: ['x'] },
      { componentId: 'b', writes: ['x', 'y'] },
      { componentId: 'c', reads: ['y'] },
      { componentId: 'loop' },
    ];
    const dependencies = { loop: ['loop'], c: ['nowhere'] };
    const messages = (input: TopologyInput) => findTopologyProblems(input).map(({ code, message }) => ({ code, message }));
    const problems = messages({ components, dependencies });
    expect(problems.map(({ code }) => code)).toEqual([
      'INFERFLOW_DAG_UNKNOWN_COMPONENT',
      'INFERFLOW_DAG_CYCLE',
      'INFERFLOW_DAG_TWO_WRITERS',
      'INFERFLOW_DAG_READ_BEFORE_WRITE',
    ]);
    expect(messages({ components: [...components].reverse(), dependencies: { c: ['nowhere'], loop: ['loop'] } })).toEqual(problems);
    const error = caught(() => compileTopology({ components, dependencies }));
    expect(error).toMatchObject({ code: 'INFERFLOW_DAG_INVALID', path: ['loop', 'loop'] });
    expect(error.issues).toHaveLength(4);
  });
});

describe('findTopologyProblems: reads and writes', () => {
  const writer = { componentId: 'writer', writes: ['column'] };
  const reader = { componentId: 'reader', reads: ['column'] };
  const between = { componentId: 'between' };

  it('accepts a reader that waits for the writer through others', () => {
    const input = { components: [reader, between, writer], dependencies: { reader: ['between'], between: ['writer'] } };
    expect(findTopologyProblems(input)).toEqual([]);
  });

  it.each([
    ['beside the writer', {}],
    ['before the writer', { writer: ['reader'] }],
  ])('refuses a reader that runs %s', (_, dependencies) => {
    const problems = findTopologyProblems({ components: [writer, reader], dependencies });
    expect(problems).toMatchObject([
      { code: 'INFERFLOW_DAG_READ_BEFORE_WRITE', path: 'components[1].reads', columnName: 'column', requiredBy: 'reader' },
    ]);
    expect(problems[0]!.message).toContain('add "writer" to the dependencies of "reader"');
  });

  it('refuses a component that reads what it writes itself', () => {
    const problems = findTopologyProblems({ components: [{ componentId: 'a', reads: ['x'], writes: ['x'] }], dependencies: {} });
    expect(problems.map(({ message }) => message)).toEqual(['component "a" reads "x", which it writes itself']);
  });

  it('accepts names that nobody writes, and names that are given from the start', () => {
    expect(findTopologyProblems({ components: [reader], dependencies: {} })).toEqual([]);
    expect(findTopologyProblems({ components: [writer, reader], dependencies: {}, given: ['column'] })).toEqual([]);
  });

  it('refuses two writers, even when one waits for the other', () => {
    const problems = findTopologyProblems({
      components: [writer, { componentId: 'again', writes: ['column', 'column'] }],
      dependencies: { again: ['writer'] },
    });
    expect(problems.map(({ message }) => message)).toEqual([
      '"column" is written by "again" and "writer"; exactly one component may write it',
    ]);
  });
});

/** Random graphs whose edges lead to earlier names, so they are acyclic; names are shuffled so that order tells nothing. */
const acyclic = fc
  .integer({ min: 0, max: 200 })
  .chain((count) =>
    fc.record({
      order: fc.shuffledSubarray(
        Array.from({ length: count }, (_, index) => index),
        { minLength: count, maxLength: count },
      ),
      picks: fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)), { maxLength: count * 3 }),
    }),
  )
  .map(({ order, picks }) => {
    const dependencies: Record<string, string[]> = {};
    for (const index of [...order].sort((left, right) => left - right)) dependencies[`n${index}`] = [];
    for (const [one, two] of picks) {
      const later = one % order.length;
      if (later > 0) dependencies[`n${order[later]}`]!.push(`n${order[two % later]}`);
    }
    return dependencies;
  });

/** The level of each component, by the definition: 0 without dependencies, else one above the highest of them. */
function naiveLevels(dependencies: Adjacency): Map<string, number> {
  const levels = new Map<string, number>();
  while (levels.size < Object.keys(dependencies).length) {
    for (const [componentId, names] of Object.entries(dependencies)) {
      if (names.every((name) => levels.has(name))) levels.set(componentId, Math.max(-1, ...names.map((name) => levels.get(name)!)) + 1);
    }
  }
  return levels;
}

function naiveReaches(dependencies: Adjacency, from: string, to: string): boolean {
  const seen = new Set<string>();
  const visit = (name: string): boolean =>
    dependencies[name]!.some((next) => {
      if (next === from) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return visit(next);
    });
  return visit(to);
}

describe('compileTopology on random graphs', () => {
  it('agrees with a naive sorter on up to 200 components', () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), fc.nat(), (dependencies, one, two) => {
        const topology = compileTopology(graph(dependencies));
        const expected = naiveLevels(dependencies);
        for (const [level, indices] of topology.levels.entries())
          for (const index of indices) expect(expected.get(topology.componentIds[index]!)).toBe(level);
        expect(topology.componentIds).toHaveLength(expected.size);
        for (const [index, list] of topology.dependents.entries()) {
          const waiting = Object.keys(dependencies).filter((name) => dependencies[name]!.includes(topology.componentIds[index]!));
          expect([...list].map((dependent) => topology.componentIds[dependent]).sort()).toEqual(waiting.sort());
        }
        const names = topology.componentIds;
        if (names.length === 0) return;
        const [from, to] = [names[one % names.length]!, names[two % names.length]!];
        expect(reaches(topology, from, to)).toBe(naiveReaches(dependencies, from, to));
      }),
      { numRuns: 150 },
    );
  });

  it('finds a cycle exactly when one edge too many closes it', () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), fc.nat(), (dependencies, one, two) => {
        const names = Object.keys(dependencies);
        if (names.length === 0) return;
        const [waiting, waitedFor] = [names[one % names.length]!, names[two % names.length]!];
        const closes = waiting === waitedFor || naiveReaches(dependencies, waiting, waitedFor);
        const changed = { ...dependencies, [waiting]: [...dependencies[waiting]!, waitedFor] };
        const cycles = findTopologyProblems(graph(changed)).map((problem) => problem.cyclePath!);
        expect(cycles.length).toBe(closes ? 1 : 0);
        for (const path of cycles) {
          expect(path[0]).toBe(path.at(-1));
          expect(new Set(path).size).toBe(path.length - 1);
          for (const [at, name] of path.slice(0, -1).entries()) expect(changed[name]).toContain(path[at + 1]);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('reaches', () => {
  const topology = compileTopology(graph({ a: [], b: ['a'], c: ['b'], other: [] }));

  it('follows dependents, not itself, not backwards', () => {
    expect(reaches(topology, 'a', 'c')).toBe(true);
    expect(reaches(topology, topology.componentIds.indexOf('a'), topology.componentIds.indexOf('b'))).toBe(true);
    expect(reaches(topology, 'c', 'a')).toBe(false);
    expect(reaches(topology, 'a', 'a')).toBe(false);
    expect(reaches(topology, 'a', 'other')).toBe(false);
  });

  it('refuses names and indices that the topology does not have', () => {
    expect(caught(() => reaches(topology, 'a', 'othr')).message).toContain('did you mean "other"?');
    expect(caught(() => reaches(topology, 9, 0)).code).toBe('INFERFLOW_DAG_UNKNOWN_COMPONENT');
  });
});
