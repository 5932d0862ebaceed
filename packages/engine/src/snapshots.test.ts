import { createObjectSource } from '@inferflow/config';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { collectWarnings } from './testing/collect-warnings.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

const registry = registryOf({ nothing: () => {} });
const answering = (...answer: string[]) => modelConfig({ plugins: [plugin('p', 'nothing', 'v', 'a')], answer });

describe('snapshots of an engine', () => {
  it('are the newest, also when one comes while the engine starts', async () => {
    const source = createObjectSource({ m: answering('item') });
    const starting = createEngine({ configSource: source, registry });
    source.update({ m: answering('item', 'a'), extra: answering('item') });
    const engine = await starting;
    expect([engine.snapshot.revision, ...engine.snapshot.models.keys()]).toEqual(['2', 'm', 'extra']);
    expect(engine.explainPlan('extra')).toBeDefined();
    await engine.close();
  });
});

describe('a listener of snapshots that throws', () => {
  const warnings = collectWarnings();

  it.each([true, false])('keeps nobody from being told, and is told of itself (logger: %s)', async (hasLogger) => {
    const lines: unknown[] = [];
    const log = (fields: Readonly<Record<string, unknown>>, message: string) => lines.push([message, fields['err']]);
    const source = createObjectSource({ m: answering('item') });
    const logger = { info: log, warn: log, error: log };
    const engine = await createEngine({ configSource: source, registry, ...(hasLogger && { logger }) });
    const broke = new Error('no disk');
    const seen: string[] = [];
    engine.onSnapshot(() => {
      throw broke;
    });
    engine.onSnapshot(({ revision }) => seen.push(revision));
    source.update({ m: answering('item', 'a') });
    expect([seen, engine.snapshot.revision]).toEqual([['2'], '2']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toEqual(hasLogger ? [['a listener of onSnapshot threw', broke]] : []);
    expect(warnings.map(({ message }) => message)).toEqual(
      hasLogger ? [] : [expect.stringContaining('a listener of onSnapshot threw: Error: no disk')],
    );
    await engine.close();
  });
});
