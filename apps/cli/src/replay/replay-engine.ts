import type { Backends, Registry } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { createEngine, type Engine, EngineError, type EngineMethod } from '@inferflow/engine';
import type { ScoringRequest } from '@inferflow/logging/scoring';
import { rebuildRequest } from './rebuild-request.js';
import { createReplayRegistry } from './replay-components.js';
import { REPLAY_HEADER, ReplayEntries, type ReplayEntry } from './replay-entry.js';

/** Options of {@link createReplayEngine}. */
export interface ReplayEngineOptions {
  /** Model configurations by id. */
  readonly models: Readonly<Record<string, unknown>>;
  readonly outputs: 'logged' | 'live';
  readonly backends: Backends;
  /** Plugins and built-ins. */
  readonly registry: Registry;
  readonly compat: boolean;
  /** Longest time of a request, ms. */
  readonly deadlineMs: number;
}

/** What became of a request. */
export type ReplayOutcome = { readonly entry: ReplayEntry } | { readonly failure: string };

/** The engine of a candidate, for logged requests. */
export interface ReplayEngine {
  readonly engine: Engine;
  /** Runs a logged request again and hands the result to `onEnd`, which must be done with it when it returns. */
  run(request: ScoringRequest, onEnd: (outcome: ReplayOutcome) => void): Promise<void>;
  close(): Promise<void>;
}

const largest = 0x7fff_ffff;

/** @throws what the engine throws for options that are wrong; a model that is refused is seen in its snapshot */
export async function createReplayEngine(options: ReplayEngineOptions): Promise<ReplayEngine> {
  const entries = new ReplayEntries();
  const engine = await createEngine({
    configSource: createObjectSource(options.models as Parameters<typeof createObjectSource>[0]),
    backends: options.backends,
    registry: createReplayRegistry({ entries, models: options.outputs, registry: options.registry }),
    compat: options.compat,
    featureCacheBytes: 0,
    limits: { maxMessageBytes: largest, maxTargets: largest, maxSlates: largest, maxFeatures: largest, maxInFlight: largest },
    logTap: {
      wants: () => true,
      taken(record) {
        const entry = entries.of(record);
        entry.record = record;
        entry.details = record.details();
      },
    },
  });
  return {
    engine,
    async run(request, onEnd) {
      const rebuilt = rebuildRequest(request);
      if (rebuilt === null) return onEnd({ failure: 'method_unknown' });
      const { id, entry } = entries.open(request);
      const headers = new Map(rebuilt.headers).set(REPLAY_HEADER, id);
      try {
        await engine.handle(request.head.method as EngineMethod, rebuilt.message, {
          header: (name) => headers.get(name),
          headerValues: (name) => (headers.has(name) ? [headers.get(name) as string] : []),
          deadline: performance.now() + options.deadlineMs,
        });
        onEnd({ entry });
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        onEnd({ failure: error.code });
      } finally {
        entry.record?.release();
        entries.close(id);
      }
    },
    close: () => engine.close(0),
  };
}
