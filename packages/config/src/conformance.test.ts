import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasErrors, lintModel, type ModelConfig, parseModelConfig, sameMeaning, toDeployed, toDocumented } from './index.js';

const casesUrl = new URL('../../../conformance/wire/cases/', import.meta.url);

/** Models whose case expects a refusal, or accepts one. */
const refused = new Set(['cyc0', 'unk0', 'badpct0', 'badc0', 'noshape0', 'nxu0']);

interface Case {
  readonly models?: Record<string, unknown>;
  readonly steps: readonly { readonly put_models?: Record<string, unknown> }[];
}

function recordedModels(): (readonly [string, unknown])[] {
  return readdirSync(casesUrl).flatMap((name) => {
    const { models = {}, steps } = JSON.parse(readFileSync(new URL(`${name}/case.json`, casesUrl), 'utf8')) as Case;
    const all = [models, ...steps.map((step) => step.put_models ?? {})];
    return all.flatMap((group) => Object.entries(group)).filter(([, model]) => typeof model === 'object');
  });
}

function withoutDialect({ dialect: _, ...rest }: ModelConfig) {
  return rest;
}

/** As another process would read it. */
function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('recorded model configs', () => {
  const models = recordedModels();

  it('are refused exactly where the recorded answer is a refusal', () => {
    expect(models.length).toBeGreaterThan(150);
    for (const [id, raw] of models) {
      const { config, problems } = parseModelConfig(id, raw);
      const all = config === null ? problems : [...problems, ...lintModel(config)];
      expect([id, refused.has(id) ? hasErrors(all) : all.filter((problem) => problem.severity === 'error')]).toEqual([
        id,
        refused.has(id) ? true : [],
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
