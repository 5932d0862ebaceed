import { readdirSync, readFileSync } from 'node:fs';

const casesUrl = new URL('../../../../conformance/wire/cases/', import.meta.url);

/** Models whose case expects a refusal, or accepts one. */
export const refusedModels: ReadonlySet<string> = new Set(['cyc0', 'unk0', 'badpct0', 'badc0', 'noshape0', 'nxu0']);

interface Case {
  readonly models?: Record<string, unknown>;
  readonly steps: readonly { readonly put_models?: Record<string, unknown> }[];
}

/** Every model of the recorded cases, in the deployed dialect, with its id. */
export function recordedModels(): (readonly [string, unknown])[] {
  return readdirSync(casesUrl).flatMap((name) => {
    const { models = {}, steps } = JSON.parse(readFileSync(new URL(`${name}/case.json`, casesUrl), 'utf8')) as Case;
    const all = [models, ...steps.map((step) => step.put_models ?? {})];
    return all.flatMap((group) => Object.entries(group)).filter(([, model]) => typeof model === 'object');
  });
}

/** As another process would read it. */
export function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
