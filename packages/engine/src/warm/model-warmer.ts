import type { Backends, ServiceBackend } from '@inferflow/components';
import { checkUpstreamModel, LONGEST_WARM_MS, type ModelConfig, type PredatorComponentConfig, type Problem } from '@inferflow/config';
import type { Upstream } from '@inferflow/transport';
import { CallSlots } from './call-slots.js';
import { askMetadata, type MetadataAnswer } from './metadata-call.js';

/** Questions to model servers that are open at once, over all models. */
const MOST_QUESTIONS = 32;
/** Kept back, so that an answer is acted on within the time. */
const MARGIN_MS = 20;
/** A server that does not offer the question is not asked again for this time. */
const UNSUPPORTED_MS = 60_000;

/** A model that a component calls. */
interface Call {
  readonly component: PredatorComponentConfig;
  readonly backend: ServiceBackend;
  readonly modelName: string;
}

/**
 * Gets the services of a model ready before it serves: connections are opened, and where a model server says what tensors a model has they
 * are held against the configuration. Best effort: a service that is slow or down delays nobody beyond `LONGEST_WARM_MS` and proves nothing.
 */
export class ModelWarmer {
  readonly #slots = new CallSlots(MOST_QUESTIONS);
  readonly #open = new Map<string, Promise<MetadataAnswer>>();
  readonly #unsupported = new WeakMap<Upstream, number>();

  /** Problems that are proven, null if nothing could be found out; null instead of a promise: there is nothing remote. */
  warm(config: ModelConfig, backends: Backends): Promise<readonly Problem[] | null> | null {
    const calls = modelCalls(config, backends);
    const others = [usesFeatures(config) ? backends.featureStore : null, usesCompute(config) ? backends.compute : null];
    const remote = [...calls.map(({ backend }) => backend), ...others].filter((backend) => backend?.upstream.ready !== undefined);
    return remote.length === 0 ? null : this.#warm(config, new Set(remote.map((backend) => backend?.upstream)), calls);
  }

  async #warm(
    config: ModelConfig,
    upstreams: ReadonlySet<Upstream | undefined>,
    calls: readonly Call[],
  ): Promise<readonly Problem[] | null> {
    const deadline = performance.now() + LONGEST_WARM_MS - MARGIN_MS;
    const left = (): number => Math.max(0, deadline - performance.now());
    const connected = [...upstreams].map((upstream) => upstream?.ready?.(left()));
    const found = await Promise.all(
      calls.map(async ({ component, backend, modelName }) => {
        if ((await backend.upstream.ready?.(left())) !== true) return null;
        const answer = await this.#ask(backend, modelName, component.modelVersion, deadline);
        return typeof answer === 'string' ? null : checkUpstreamModel(config, component, modelName, answer);
      }),
    );
    await Promise.all(connected);
    const known = found.filter((problems) => problems !== null);
    return known.length === 0 ? null : known.flat();
  }

  /** Models that ask the same at the same time share the answer. */
  async #ask(backend: ServiceBackend, modelName: string, version: string, deadline: number): Promise<MetadataAnswer> {
    const { upstream } = backend;
    if ((this.#unsupported.get(upstream) ?? 0) > performance.now()) return 'unsupported';
    const key = JSON.stringify([backend.description, modelName, version]);
    let question = this.#open.get(key);
    if (question === undefined) {
      question = this.#slots
        .run(deadline, () => askMetadata(backend, modelName, version, deadline))
        .then((answer) => answer ?? 'unknown')
        .finally(() => this.#open.delete(key));
      this.#open.set(key, question);
    }
    const answer = await question;
    if (answer === 'unsupported') this.#unsupported.set(upstream, performance.now() + UNSUPPORTED_MS);
    return answer;
  }
}

/** Every model that a request may be sent to. */
function modelCalls(config: ModelConfig, backends: Backends): readonly Call[] {
  const calls = new Map<string, Call>();
  for (const component of config.components) {
    if (component.kind !== 'predator' || !(component.componentName in config.dependencies)) continue;
    const add = (endpoint: string, modelName: string): void => {
      const backend = backends.model(endpoint);
      if (backend !== null) calls.set(JSON.stringify([component.componentName, endpoint, modelName]), { component, backend, modelName });
    };
    for (const { endpoint, percentage, modelName } of component.endpoints)
      if (percentage > 0) add(endpoint, modelName ?? component.modelName);
    if (component.endpoint !== '') add(component.endpoint, component.modelName);
  }
  return [...calls.values()];
}

function usesFeatures(config: ModelConfig): boolean {
  return config.components.some((component) => component.kind === 'feature' && component.groups.length > 0);
}

function usesCompute(config: ModelConfig): boolean {
  return config.components.some((component) => component.kind === 'numerix');
}
