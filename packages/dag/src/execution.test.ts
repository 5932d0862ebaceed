import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTopology } from './compile-topology.js';
import { Execution, type ExecutionHost } from './execution.js';
import type { OnFailure, Topology } from './topology.js';

function topologyOf(dependencies: Record<string, readonly string[]>, policies: Record<string, OnFailure> = {}): Topology {
  const components = Object.keys(dependencies).map((componentId) => ({ componentId, onFailure: policies[componentId] ?? 'default' }));
  return compileTopology({ components, dependencies });
}

/** Notes what happens, by name; components named in `synchronous` finish inside `run`, with the given result. */
class Recorder implements ExecutionHost {
  readonly events: string[] = [];
  readonly topology: Topology;
  readonly execution: Execution;
  readonly synchronous: Readonly<Record<string, boolean>>;

  constructor(topology: Topology, synchronous: Readonly<Record<string, boolean>> = {}) {
    this.topology = topology;
    this.execution = new Execution(topology);
    this.synchronous = synchronous;
  }

  run(index: number): void {
    const componentId = this.topology.componentIds[index]!;
    this.events.push(`run ${componentId}`);
    const ok = this.synchronous[componentId];
    if (ok !== undefined) this.execution.finish(index, ok);
  }

  skipped(index: number, because: number): void {
    this.events.push(`skip ${this.topology.componentIds[index]} because ${this.topology.componentIds[because]}`);
  }

  ended(): void {
    this.events.push('ended');
  }

  finish(componentId: string, ok = true): void {
    this.execution.finish(this.topology.componentIds.indexOf(componentId), ok);
  }

  /** What happened since the last call. */
  next(): string[] {
    return this.events.splice(0);
  }
}

describe('Execution', () => {
  it('ends an empty graph at once', () => {
    const host = new Recorder(topologyOf({}));
    host.execution.start(host);
    expect(host.next()).toEqual(['ended']);
  });

  it('starts all roots at once, and each component when the last it waits for is done', () => {
    const host = new Recorder(topologyOf({ a: [], b: [], alone: [], left: ['a'], end: ['left', 'b'] }));
    host.execution.start(host);
    expect(host.next()).toEqual(['run a', 'run b', 'run alone']);
    host.finish('a');
    expect(host.next()).toEqual(['run left']);
    host.finish('left');
    host.finish('alone');
    expect(host.next()).toEqual([]);
    host.finish('b');
    expect(host.next()).toEqual(['run end']);
    expect(host.execution.running).toBe(1);
    host.finish('end');
    expect(host.next()).toEqual(['ended']);
  });

  it('runs a long chain of synchronous components without deep recursion', () => {
    const dependencies: Record<string, string[]> = { n0: [] };
    const synchronous: Record<string, boolean> = { n0: true };
    for (let index = 1; index < 20_000; index++) {
      dependencies[`n${index}`] = [`n${index - 1}`];
      synchronous[`n${index}`] = true;
    }
    const host = new Recorder(topologyOf(dependencies), synchronous);
    host.execution.start(host);
    expect(host.events).toHaveLength(20_001);
    expect(host.events.at(-1)).toBe('ended');
  });

  it('ignores a second finish, and one for a component that was not started', () => {
    const host = new Recorder(topologyOf({ a: [], b: ['a'], c: ['b'] }));
    host.execution.start(host);
    host.finish('c');
    host.finish('a');
    host.finish('a');
    host.execution.finish(99, true);
    expect(host.next()).toEqual(['run a', 'run b']);
    expect(host.execution.running).toBe(1);
  });

  describe('when a component fails', () => {
    const dependencies = { bad: [], good: [], next: ['bad'], after: ['next', 'good'], other: ['good'] };

    it('default: dependents run all the same', () => {
      const host = new Recorder(topologyOf(dependencies), { bad: false, good: true, next: true, after: true, other: true });
      host.execution.start(host);
      expect(host.next()).toEqual(['run bad', 'run good', 'run next', 'run other', 'run after', 'ended']);
      expect(host.execution.failedBy).toBe(-1);
    });

    it('skip_dependents: everything behind it is skipped, nothing else', () => {
      const host = new Recorder(topologyOf(dependencies, { bad: 'skip_dependents' }));
      host.execution.start(host);
      host.finish('bad', false);
      expect(host.next()).toEqual(['run bad', 'run good', 'skip next because bad', 'skip after because bad']);
      host.finish('good');
      host.finish('other');
      expect(host.next()).toEqual(['run other', 'ended']);
    });

    it('skip_dependents: two failures skip a common dependent once', () => {
      const host = new Recorder(topologyOf({ a: [], b: [], z: ['a', 'b'] }, { a: 'skip_dependents', b: 'skip_dependents' }));
      host.execution.start(host);
      host.finish('b', false);
      host.finish('a', false);
      expect(host.next()).toEqual(['run a', 'run b', 'skip z because b', 'ended']);
    });

    it('skip_dependents: a success changes nothing', () => {
      const host = new Recorder(topologyOf({ a: [], z: ['a'] }, { a: 'skip_dependents' }), { a: true, z: true });
      host.execution.start(host);
      expect(host.next()).toEqual(['run a', 'run z', 'ended']);
    });

    it('fail: ends at once, starts nothing more, and waits for nobody', () => {
      const host = new Recorder(topologyOf(dependencies, { bad: 'fail' }));
      host.execution.start(host);
      host.finish('bad', false);
      expect(host.next()).toEqual(['run bad', 'run good', 'ended']);
      expect(host.topology.componentIds[host.execution.failedBy]).toBe('bad');
      host.finish('good');
      expect(host.next()).toEqual([]);
      expect(host.execution.running).toBe(0);
    });

    it('fail: a synchronous failure keeps the other roots from starting', () => {
      const host = new Recorder(topologyOf(dependencies, { bad: 'fail' }), { bad: false });
      host.execution.start(host);
      expect(host.next()).toEqual(['run bad', 'ended']);
    });
  });

  it('starts nothing and says nothing after stop', () => {
    const host = new Recorder(topologyOf({ a: [], b: ['a'] }));
    host.execution.start(host);
    host.execution.stop();
    host.finish('a');
    expect(host.next()).toEqual(['run a']);
    expect(host.execution.running).toBe(0);
  });

  it('can be reset and used again, but not while a component is running', () => {
    const host = new Recorder(topologyOf({ a: [], b: ['a'] }, { a: 'fail' }));
    host.execution.start(host);
    expect(() => host.execution.start(host)).toThrow(expect.objectContaining({ code: 'INFERFLOW_DAG_EXECUTION_BUSY' }));
    expect(() => host.execution.reset()).toThrow(expect.objectContaining({ code: 'INFERFLOW_DAG_EXECUTION_BUSY' }));
    host.finish('a', false);
    host.execution.reset();
    expect(host.execution.failedBy).toBe(-1);
    host.next();
    host.execution.start(host);
    host.finish('a');
    host.finish('b');
    expect(host.next()).toEqual(['run a', 'run b', 'ended']);
  });

  it('may be reset and started again from inside ended', () => {
    const topology = topologyOf({ a: [] });
    const execution = new Execution(topology);
    let rounds = 0;
    const host: ExecutionHost = {
      run: (index) => execution.finish(index, true),
      skipped: () => {},
      ended: () => {
        rounds++;
        if (rounds === 3) return;
        execution.reset();
        execution.start(host);
      },
    };
    execution.start(host);
    expect(rounds).toBe(3);
  });
});

describe('Execution on random graphs', () => {
  const policies: readonly OnFailure[] = ['default', 'default', 'skip_dependents', 'fail'];
  const scenario = fc.record({
    nodes: fc.array(
      fc.record({
        dependencies: fc.array(fc.nat(1000), { maxLength: 4 }),
        policy: fc.constantFrom(...policies),
        ok: fc.boolean(),
        isSynchronous: fc.boolean(),
      }),
      { maxLength: 40 },
    ),
    finishOrder: fc.infiniteStream(fc.nat(1000)),
  });

  it('agrees with a naive model of the rules, and always ends exactly once', () => {
    fc.assert(
      fc.property(scenario, ({ nodes, finishOrder }) => {
        const dependencies: Record<string, string[]> = {};
        for (const [index, node] of nodes.entries())
          dependencies[`n${index}`] = index === 0 ? [] : node.dependencies.map((pick) => `n${pick % index}`);
        const topology = topologyOf(dependencies, Object.fromEntries(nodes.map((node, index) => [`n${index}`, node.policy])));
        const nodeOf = (index: number) => nodes[Number(topology.componentIds[index]!.slice(1))]!;
        const namesOf = (index: number) => dependencies[topology.componentIds[index]!]!;

        const state = new Map<string, 'running' | 'done' | 'stops' | 'skipped'>();
        const running: number[] = [];
        let ends = 0;
        let hasFailed = false;
        const execution = new Execution(topology);
        const finish = (index: number) => {
          const node = nodeOf(index);
          state.set(topology.componentIds[index]!, !node.ok && node.policy === 'skip_dependents' ? 'stops' : 'done');
          if (!node.ok && node.policy === 'fail') hasFailed = true;
          execution.finish(index, node.ok);
        };
        const host: ExecutionHost = {
          run: (index) => {
            expect(hasFailed).toBe(false);
            expect(state.has(topology.componentIds[index]!)).toBe(false);
            for (const name of namesOf(index)) expect(state.get(name)).toBe('done');
            state.set(topology.componentIds[index]!, 'running');
            if (nodeOf(index).isSynchronous) finish(index);
            else running.push(index);
          },
          skipped: (index) => {
            expect(state.has(topology.componentIds[index]!)).toBe(false);
            expect(namesOf(index).some((name) => state.get(name) === 'stops' || state.get(name) === 'skipped')).toBe(true);
            state.set(topology.componentIds[index]!, 'skipped');
          },
          ended: () => {
            ends++;
          },
        };
        execution.start(host);
        for (;;) {
          // Between two events, whatever could run is running: that is "at once".
          if (!hasFailed)
            for (const [name, names] of Object.entries(dependencies)) {
              if (names.every((other) => state.get(other) === 'done')) expect(state.has(name)).toBe(true);
              if (names.some((other) => ['stops', 'skipped'].includes(state.get(other) ?? ''))) expect(state.get(name)).toBe('skipped');
            }
          expect(execution.running).toBe(running.length);
          const isOver = hasFailed || state.size === nodes.length;
          expect(ends).toBe(isOver && (hasFailed || running.length === 0) ? 1 : 0);
          if (running.length === 0) break;
          finish(running.splice(finishOrder.next().value % running.length, 1)[0]!);
        }
        expect(ends).toBe(1);
        if (!hasFailed) expect(state.size).toBe(nodes.length);
      }),
      { numRuns: 10_000 },
    );
  });
});
