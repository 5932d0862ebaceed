import { type ConfigSource, checkLocalModels } from '@inferflow/config';

/**
 * A source whose configs are refused where they ask endpoint `local` for a model that this process does not have, instead of failing with
 * every request.
 * @param modelNames null: there are no local models at all, which the compilation of a model tells
 */
export function withLocalModels(source: ConfigSource, modelNames: readonly string[] | null): ConfigSource {
  if (modelNames === null) return source;
  const known = new Set(modelNames);
  return {
    start: (listener, accept, warm) =>
      source.start(listener, (config) => [...checkLocalModels(config, known), ...(accept?.(config) ?? [])], warm),
    close: () => source.close(),
    get description() {
      return source.description;
    },
  };
}
