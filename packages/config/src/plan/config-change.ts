/** What a change touches, from the view of a request. */
export type ChangeSubject = 'component' | 'edge' | 'column' | 'upstream' | 'cache' | 'answer' | 'log' | 'setting';

/** One difference between two versions of a model. */
export interface ConfigChange {
  readonly subject: ChangeSubject;
  readonly action: 'added' | 'removed' | 'changed';
  /** What it is: a component, a column, `from → to`. */
  readonly name: string;
  /** Before and after in words; empty when the action says it all. */
  readonly detail: string;
  /** `breaking`: readers of logs or answers break, or nothing works; `careful`: scores or load may move; `plain`: nothing to fear. */
  readonly impact: 'plain' | 'careful' | 'breaking';
}

/** Differences of two maps, in the order of their keys: removed, added, then changed. */
export function mapChanges<Value>(
  before: ReadonlyMap<string, Value>,
  after: ReadonlyMap<string, Value>,
  describe: (name: string, action: ConfigChange['action'], before: Value | undefined, after: Value | undefined) => ConfigChange,
  isSame: (before: Value, after: Value) => boolean,
): ConfigChange[] {
  const removed = [...before].filter(([name]) => !after.has(name)).map(([name, value]) => describe(name, 'removed', value, undefined));
  const added = [...after].filter(([name]) => !before.has(name)).map(([name, value]) => describe(name, 'added', undefined, value));
  const changed = [...after].flatMap(([name, value]) => {
    const old = before.get(name);
    return old === undefined || isSame(old, value) ? [] : [describe(name, 'changed', old, value)];
  });
  return [...removed, ...added, ...changed];
}
