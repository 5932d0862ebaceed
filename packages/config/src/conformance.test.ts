import { describe, expect, it } from 'vitest';
import { hasErrors, lintModel, type ModelConfig, parseModelConfig, sameMeaning, toDeployed, toDocumented } from './index.js';
import { recordedModels, refusedModels, throughJson } from './testing/recorded-models.js';

function withoutDialect({ dialect: _, ...rest }: ModelConfig) {
  return rest;
}

describe('recorded model configs', () => {
  const models = recordedModels();

  it('are refused exactly where the recorded answer is a refusal', () => {
    expect(models.length).toBeGreaterThan(150);
    for (const [id, raw] of models) {
      const { config, problems } = parseModelConfig(id, raw);
      const all = config === null ? problems : [...problems, ...lintModel(config)];
      expect([id, refusedModels.has(id) ? hasErrors(all) : all.filter((problem) => problem.severity === 'error')]).toEqual([
        id,
        refusedModels.has(id) ? true : [],
      ]);
    }
  });

  it('mean the same in both dialects', () => {
    let compared = 0;
    for (const [id, raw] of models) {
      const { config } = parseModelConfig(id, raw);
      if (config === null) continue;
      for (const write of [toDocumented, toDeployed]) {
        const again = parseModelConfig(id, throughJson(write(config))).config;
        expect(again === null ? null : withoutDialect(again)).toEqual(withoutDialect(config));
        expect(again !== null && sameMeaning(config, again)).toBe(true);
        expect(again?.hash).toBe(config.hash);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(300);
  });

  it('keep how they read requests when they are written in the documented dialect', () => {
    for (const [id, raw] of models) {
      const { config } = parseModelConfig(id, raw);
      if (config === null || config.dialect !== 'deployed') continue;
      const document = throughJson(toDocumented(config)) as { request_values?: string };
      expect(document.request_values).toBe(config.requestValues === 'text' ? 'text' : undefined);
    }
  });
});
