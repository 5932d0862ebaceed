import type { EngineLogger } from './engine-options.js';

/** A logger of the embedder's that cannot hurt the request it is told of: what it throws becomes a process warning. */
export function guardLogger(logger: EngineLogger): EngineLogger {
  const guarded =
    (level: keyof EngineLogger): EngineLogger['info'] =>
    (fields, message) => {
      try {
        logger[level](fields, message);
      } catch (error) {
        const detail = error instanceof Error ? error.message : 'a value that is no error';
        process.emitWarning(`the logger threw: ${detail}`, { code: 'INFERFLOW_ENGINE_LOGGER' });
      }
    };
  return { info: guarded('info'), warn: guarded('warn'), error: guarded('error') };
}
