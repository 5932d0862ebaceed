import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTopology } from './compile-topology.js';
import { DagError } from './errors.js';
import { type ExecutableComponent, type ExecuteOptions, execute } from './execute.js';
import { OutcomeStatus, outcomeStatusName } from './outcome.js';
import type { OnFailure, Topology } from './topology.js';

type Components = Record<string, ExecutableComponent<string[]>>;

function topologyOf(dependencies: Record<string, readonly string[]>, policies: Record<string, OnFailure> = {}): Topology {
  const components = Object.keys(dependencies).map((componentId) => ({ componentId, onFailure: policies[componentId] ?? 'default' }));
  return compileTopology({ components, dependencies });
}

const diamond = topologyOf({ a: [], left: ['a'], right: ['a'], z: ['left', 'right'] });

/** Components that note their name and return. */
function noting(...names: string[]): Components {
  return Object.fromEntries(names.map((name) => [name, { run: (log: string[]) => void log.push(name) }]));
}

const never = { run: () => new Promise<void>(() => {}) };

async function statuses(topology: Topology, components: Components, options?: ExecuteOptions): Promise<Record<string, string>> {
  const result = await execute(topology, components, [], options).catch((error: unknown) => {
    if (error instanceof DagError && error.result !== undefined) return error.result;
    throw error;
  });
  return Object.fromEntries([...result.outcomes].map(([name, outcome]) => [name, outcomeStatusName(outcome.status)]));
}

describe('execute', () => {
  it('resolves for an empty graph', async () => {
    expect((await execute(topologyOf({}), {}, [])).outcomes.size).toBe(0);
  });

  it('runs each component after those it waits for', async () => {
    const log: string[] = [];
    const result = await execute(diamond, noting('a', 'left', 'right', 'z'), log);
    expect(log).toEqual(['a', 'left', 'right', 'z']);
    expect([...result.outcomes.keys()]).toEqual(['a', 'left', 'right', 'z']);
    expect(result.outcomes.get('z')).toMatchObject({ componentId: 'z', status: OutcomeStatus.ok });
    expect(result.outcomes.get('z')).not.toHaveProperty('error');
  });

  it('runs synchronous components before it returns: they cost no promise', () => {
    const log: string[] = [];
    void execute(diamond, noting('a', 'left', 'right', 'z'), log);
    expect(log).toEqual(['a', 'left', 'right', 'z']);
  });

  it('runs independent components at the same time', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const components: Components = { ...noting('a', 'z'), left: { run: () => gate }, right: { run: () => release() } };
    expect(await statuses(diamond, components)).toEqual({ a: 'ok', left: 'ok', right: 'ok', z: 'ok' });
  });

  it('records start, duration and error', async () => {
    const before = performance.now();
    const error = new Error('no answer');
    const slow = { run: () => new Promise<void>((_, reject) => setTimeout(reject, 5, error)) };
    const { outcomes, durationMs } = await execute(topologyOf({ slow: [], after: ['slow'] }), { slow, ...noting('after') }, []);
    expect(outcomes.get('slow')).toMatchObject({ status: OutcomeStatus.failed, error });
    expect(outcomes.get('slow')!.startedAt).toBeGreaterThanOrEqual(before);
    expect(outcomes.get('slow')!.durationMs).toBeGreaterThan(3);
    expect(outcomes.get('after')!.startedAt).toBeGreaterThanOrEqual(outcomes.get('slow')!.startedAt + 3);
    expect(durationMs).toBeGreaterThanOrEqual(outcomes.get('slow')!.durationMs);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'returns a thenable that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: a hostile thenable is the point
        then: () => {
          throw new Error('broken');
        },
      }),
    ],
    [
      'returns what throws when asked whether it is a thenable',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: a hostile thenable is the point
        get then(): never {
          throw new Error('broken');
        },
      }),
    ],
  ] as [string, () => void | PromiseLike<void>][])('treats one that %s as failed, by its policy', async (_, run) => {
    const components = { ...noting('left', 'right', 'z'), a: { run } };
    expect(await statuses(diamond, components)).toEqual({ a: 'failed', left: 'ok', right: 'ok', z: 'ok' });
    const later = topologyOf({ b: [], a: ['b'] });
    expect(await statuses(later, { b: { run: async () => {} }, a: { run } })).toEqual({ b: 'ok', a: 'failed' });
    const skipping = topologyOf({ a: [], b: [], z: ['a'] }, { a: 'skip_dependents' });
    const result = await execute(skipping, { ...noting('b', 'z'), a: { run } }, []);
    expect(result.outcomes.get('z')).toMatchObject({ status: OutcomeStatus.skipped, skippedBecause: 'a', startedAt: 0 });
    expect(result.outcomes.get('b')!.status).toBe(OutcomeStatus.ok);
  });

  it('rejects when a component fails whose policy is fail, and tells the others', async () => {
    const cause = new Error('broken');
    let told: unknown;
    const topology = topologyOf({ other: [], bad: [], z: ['other'] }, { bad: 'fail' });
    const components: Components = {
      ...noting('z'),
      bad: { run: () => Promise.reject(cause) },
      other: {
        run: (_, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              told = signal.reason;
              reject(signal.reason);
            });
          }),
      },
    };
    const error = await execute(topology, components, []).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DagError);
    expect(error).toMatchObject({ code: 'INFERFLOW_DAG_COMPONENT_FAILED', componentId: 'bad', cause });
    expect(told).toMatchObject({ code: 'INFERFLOW_DAG_COMPONENT_FAILED' });
    expect(await statuses(topology, components)).toEqual({ other: 'failed', bad: 'failed', z: 'pending' });
  });

  describe('deadlines', () => {
    it('abandons a component that ignores its signal, and goes on', async () => {
      const before = performance.now();
      const result = await execute(diamond, { ...noting('a', 'right', 'z'), left: { ...never, deadlineMs: 10 } }, []);
      expect(performance.now() - before).toBeLessThan(500);
      expect(result.outcomes.get('left')).toMatchObject({ status: OutcomeStatus.abandoned });
      expect(result.outcomes.get('left')!.error).toMatchObject({ code: 'INFERFLOW_DAG_DEADLINE_EXCEEDED', componentId: 'left' });
      expect(result.outcomes.get('z')!.status).toBe(OutcomeStatus.ok);
    });

    it('applies the deadline of the execution where a component has none', async () => {
      expect(await statuses(topologyOf({ a: [], b: [] }), { a: never, b: { run: () => {} } }, { deadlineMs: 5 })).toEqual({
        a: 'abandoned',
        b: 'ok',
      });
    });

    it('calls one that obeys its signal failed, not abandoned', async () => {
      const obedient = {
        run: (_: string[], signal: AbortSignal) =>
          new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      };
      const { outcomes } = await execute(topologyOf({ obedient: [] }), { obedient }, [], { deadlineMs: 5 });
      expect(outcomes.get('obedient')).toMatchObject({
        status: OutcomeStatus.failed,
        error: { code: 'INFERFLOW_DAG_DEADLINE_EXCEEDED' },
      });
    });

    it('gives a slow but obedient one the grace it was promised', async () => {
      const tidy = {
        run: (_: string[], signal: AbortSignal) =>
          new Promise<void>((resolve) => signal.addEventListener('abort', () => setTimeout(resolve, 5))),
      };
      const topology = topologyOf({ tidy: [] });
      expect(await statuses(topology, { tidy }, { deadlineMs: 5, graceMs: 2000 })).toEqual({ tidy: 'ok' });
      expect(await statuses(topology, { tidy }, { deadlineMs: 5 })).toEqual({ tidy: 'abandoned' });
    });

    it('does not change an outcome when an abandoned component settles later', async () => {
      let settle = () => {};
      const late = {
        run: () =>
          new Promise<void>((resolve) => {
            settle = resolve;
          }),
      };
      const result = await execute(topologyOf({ late: [] }), { late }, [], { deadlineMs: 5 });
      const before = result.outcomes.get('late');
      settle();
      await new Promise((resolve) => setImmediate(resolve));
      expect(result.outcomes.get('late')).toBe(before);
      expect(before!.status).toBe(OutcomeStatus.abandoned);
    });

    it('leaves no timer behind', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const before = timers();
      await execute(topologyOf({ a: [] }), { a: { run: () => Promise.resolve() } }, [], { deadlineMs: 60_000 });
      expect(timers()).toBe(before);
    });
  });

  describe('abort', () => {
    it('reaches every running component, starts nothing more, and holds nobody', async () => {
      const controller = new AbortController();
      const reasons: unknown[] = [];
      const listening = {
        run: (_: string[], signal: AbortSignal) =>
          new Promise<void>((_, reject) =>
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason);
              reject(signal.reason);
            }),
          ),
      };
      const topology = topologyOf({ one: [], two: [], deaf: [], z: ['one'] });
      setImmediate(() => controller.abort(new Error('caller left')));
      const running = execute(topology, { one: listening, two: listening, deaf: never, ...noting('z') }, [], {
        signal: controller.signal,
      });
      const error = await running.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'INFERFLOW_DAG_ABORTED', cause: controller.signal.reason });
      expect(reasons).toHaveLength(2);
      expect(reasons[0]).toMatchObject({ code: 'INFERFLOW_DAG_ABORTED', cause: controller.signal.reason });
      const { outcomes } = (error as DagError).result!;
      expect([...outcomes.values()].map(({ status }) => outcomeStatusName(status))).toEqual(['failed', 'failed', 'abandoned', 'pending']);
    });

    it('before the start runs nothing', async () => {
      const log: string[] = [];
      const running = execute(diamond, noting('a', 'left', 'right', 'z'), log, { signal: AbortSignal.abort() });
      await expect(running).rejects.toMatchObject({ code: 'INFERFLOW_DAG_ABORTED' });
      expect(log).toEqual([]);
    });

    it('from inside a synchronous component lets it end and starts nothing more', async () => {
      const controller = new AbortController();
      const topology = topologyOf({ a: [], b: [], z: ['a'] });
      const components = { a: { run: () => controller.abort() }, b: never, z: never };
      expect(await statuses(topology, components, { signal: controller.signal })).toEqual({ a: 'ok', b: 'pending', z: 'pending' });
    });

    it('after the end changes nothing, and leaves no listener behind', async () => {
      const controller = new AbortController();
      let listeners = 0;
      const { signal } = controller;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = ((...args: Parameters<typeof add>) => {
        listeners++;
        add(...args);
      }) as typeof add;
      signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
        listeners--;
        remove(...args);
      }) as typeof remove;
      const result = await execute(diamond, noting('a', 'left', 'right', 'z'), [], { signal });
      controller.abort();
      expect(listeners).toBe(0);
      expect(result.outcomes.get('z')!.status).toBe(OutcomeStatus.ok);
    });
  });

  it('refuses a component that was not given, before anything runs', async () => {
    const log: string[] = [];
    const running = execute(diamond, { ...noting('a', 'left', 'right'), Z: never }, log);
    await expect(running).rejects.toMatchObject({ code: 'INFERFLOW_DAG_UNKNOWN_COMPONENT', componentId: 'z' });
    await expect(running).rejects.toThrow('did you mean "Z"?');
    expect(log).toEqual([]);
  });

  it.each([
    ['deadlineMs', { deadlineMs: -1 }],
    ['graceMs', { graceMs: Number.NaN }],
    ['deadlineMs as text', { deadlineMs: '50' as never }],
  ])('refuses a bad %s', async (_, options) => {
    await expect(execute(diamond, noting('a', 'left', 'right', 'z'), [], options)).rejects.toMatchObject({
      code: 'INFERFLOW_DAG_OPTION_INVALID',
    });
  });

  it('never hangs, and starts everything in time, over 10 000 random executions', async () => {
    const kinds = ['sync', 'sync', 'async', 'timer', 'throws', 'rejects', 'never', 'obeys'] as const;
    const node = fc.record({
      dependencies: fc.array(fc.nat(1000), { maxLength: 3 }),
      kind: fc.constantFrom(...kinds),
      policy: fc.constantFrom<OnFailure>('default', 'default', 'default', 'skip_dependents', 'fail'),
    });
    const scenario = fc.record({ nodes: fc.array(node, { maxLength: 12 }), aborts: fc.constantFrom(-1, -1, -1, 0, 1) });
    const behaviours: Record<(typeof kinds)[number], ExecutableComponent<string[]>['run']> = {
      sync: () => {},
      async: async () => {},
      timer: () => new Promise((resolve) => setTimeout(resolve, 0)),
      throws: () => {
        throw new Error('broken');
      },
      rejects: () => Promise.reject(new Error('broken')),
      never: () => new Promise(() => {}),
      obeys: (_, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    const runOne = async ({
      nodes,
      aborts,
    }: {
      nodes: { dependencies: number[]; kind: (typeof kinds)[number]; policy: OnFailure }[];
      aborts: number;
    }) => {
      const dependencies: Record<string, string[]> = {};
      const components: Components = {};
      const started = new Set<string>();
      for (const [index, { dependencies: picks, kind }] of nodes.entries()) {
        const name = `n${index}`;
        dependencies[name] = index === 0 ? [] : picks.map((pick) => `n${pick % index}`);
        components[name] = {
          deadlineMs: 2,
          run: (context, signal) => {
            expect(started.has(name)).toBe(false);
            started.add(name);
            return behaviours[kind](context, signal);
          },
        };
      }
      const topology = topologyOf(dependencies, Object.fromEntries(nodes.map(({ policy }, index) => [`n${index}`, policy])));
      const signal = aborts < 0 ? undefined : AbortSignal.timeout(aborts);
      const outcome = await execute(topology, components, [], signal === undefined ? {} : { signal }).catch((error: unknown) => error);
      const isError = outcome instanceof DagError;
      const { outcomes } = isError ? outcome.result! : (outcome as Awaited<ReturnType<typeof execute>>);
      expect(outcomes.size).toBe(nodes.length);
      for (const [name, { status, skippedBecause }] of outcomes) {
        expect(started.has(name)).toBe(status !== OutcomeStatus.pending && status !== OutcomeStatus.skipped);
        const before = dependencies[name]!.map((other) => outcomes.get(other)!);
        if (!isError) expect(status).not.toBe(OutcomeStatus.pending);
        if (status === OutcomeStatus.skipped) expect(outcomes.get(skippedBecause!)!.status).not.toBe(OutcomeStatus.ok);
        if (started.has(name)) for (const other of before) expect([1, 2, 4]).toContain(other.status);
        // Whatever could run has run, unless the execution ended early.
        if (!isError && before.every((other) => other.status === OutcomeStatus.ok)) expect(started.has(name)).toBe(true);
      }
      if (isError) expect(['INFERFLOW_DAG_COMPONENT_FAILED', 'INFERFLOW_DAG_ABORTED']).toContain(outcome.code);
    };
    // All at the same time: the deadlines overlap, so ten thousand take seconds.
    const scenarios = fc.sample(scenario, 10_000);
    for (let at = 0; at < scenarios.length; at += 1000) await Promise.all(scenarios.slice(at, at + 1000).map(runOne));
  }, 60_000);
});
