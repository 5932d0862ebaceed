import { describe, expect, it, vi } from 'vitest';
import { CallScope, type ScopeEnd, type ScopeLink } from './call-scope.js';
import { deadlines } from './deadline-queue.js';

class Link implements ScopeLink {
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  readonly ends: ScopeEnd[] = [];
  onEnd: () => void = () => {};
  scopeEnded(reason: ScopeEnd): void {
    this.ends.push(reason);
    this.onEnd();
  }
}

describe('CallScope', () => {
  it('tells every link once; the first end wins', () => {
    const scope = new CallScope();
    const links = [new Link(), new Link(), new Link()];
    for (const link of links) scope.attach(link);
    scope.end('cancelled');
    scope.end('deadline');
    expect(scope.ended).toBe('cancelled');
    for (const link of links) expect(link).toMatchObject({ ends: ['cancelled'], scopePrevious: null, scopeNext: null });
  });

  it('forgets links that were detached, at every place of the list', () => {
    for (const gone of [0, 1, 2]) {
      const scope = new CallScope();
      const links = [new Link(), new Link(), new Link()];
      for (const link of links) scope.attach(link);
      scope.detach(links[gone]!);
      scope.detach(links[gone]!);
      scope.detach(new Link());
      scope.end('done');
      expect(links.map((link) => link.ends.length)).toEqual([0, 1, 2].map((i) => (i === gone ? 0 : 1)));
    }
  });

  it('allows links to detach others and attach new ones while it ends', () => {
    const scope = new CallScope();
    const [first, second, late] = [new Link(), new Link(), new Link()];
    scope.attach(first);
    scope.attach(second);
    second.onEnd = () => {
      scope.detach(first);
      scope.attach(late);
    };
    scope.end('deadline');
    expect([first.ends, second.ends, late.ends]).toEqual([[], ['deadline'], ['deadline']]);
  });

  it('tells a link that comes after the end at once', () => {
    const scope = new CallScope();
    scope.end('deadline');
    const link = new Link();
    scope.attach(link);
    expect(link.ends).toEqual(['deadline']);
  });

  it('tells the other links although one throws', () => {
    const scope = new CallScope();
    const [good, bad, other] = [new Link(), new Link(), new Link()];
    bad.onEnd = () => {
      throw new Error('broke');
    };
    for (const link of [good, bad, other]) scope.attach(link);
    expect(() => scope.end('cancelled')).toThrow('broke');
    expect([good.ends, other.ends]).toEqual([['cancelled'], ['cancelled']]);
  });

  it('knows the time that is left', () => {
    expect(new CallScope().remainingMs(100)).toBe(Number.POSITIVE_INFINITY);
    const scope = new CallScope(performance.now() + 100);
    expect(scope.remainingMs(0)).toBeGreaterThan(50);
    expect(scope.remainingMs(60)).toBeLessThanOrEqual(40);
    expect(scope.remainingMs(200)).toBe(0);
  });

  it('makes a signal when touched, before or after the end, which "done" leaves alone', () => {
    const scope = new CallScope();
    const { signal } = scope;
    expect(scope.signal).toBe(signal);
    scope.end('cancelled');
    expect(signal.reason).toMatchObject({ code: 'INFERFLOW_TRANSPORT_CANCELLED' });
    const late = new CallScope();
    late.end('deadline');
    expect(late.signal.reason).toMatchObject({ code: 'INFERFLOW_TRANSPORT_DEADLINE' });
    const done = new CallScope();
    const unused = done.signal;
    done.end('done');
    expect(unused.aborted).toBe(false);
    expect(done.signal.aborted).toBe(false);
  });

  it('ends by its deadline when armed, and leaves the queue when it ends earlier', async () => {
    const scope = new CallScope(performance.now() + 20);
    const early = new CallScope(performance.now() + 1000);
    scope.armDeadline();
    scope.armDeadline();
    early.armDeadline();
    new CallScope().armDeadline();
    expect(deadlines.size).toBe(2);
    early.end('done');
    expect(deadlines.size).toBe(1);
    await vi.waitFor(() => expect(scope.ended).toBe('deadline'));
    expect(deadlines.size).toBe(0);
  });

  it('is reused only after its end', () => {
    const scope = new CallScope(5);
    expect(() => scope.reset(6)).toThrow(expect.objectContaining({ code: 'INFERFLOW_TRANSPORT_SCOPE_IN_USE' }));
    const { signal } = scope;
    scope.end('cancelled');
    scope.reset(7);
    expect(scope).toMatchObject({ deadline: 7, ended: null });
    expect(scope.signal).not.toBe(signal);
    expect(scope.signal.aborted).toBe(false);
  });
});
