import {
  type Assumption,
  checkModelConfig,
  convertModel,
  type Dialect,
  hasErrors,
  type ModelConfig,
  type Problem,
  parseModelConfig,
  parseServiceConfig,
  readDocument,
  sameMeaning,
} from '@inferflow/config';
import { checkModelId, EtcdWriteError, looksAlike } from '@inferflow/config-etcd';
import { expressionProblems } from '../expression-problems.js';
import { type Adaptation, adaptModel } from './adapt-model.js';
import { type GoDifference, goDifferences } from './go-differences.js';
import type { Deployment } from './read-deployment.js';

/** One model, taken or not. */
export interface ImportedModel {
  readonly modelConfigId: string;
  /** In the documented dialect; null if it could not be taken. */
  readonly document: unknown;
  readonly config: ModelConfig | null;
  readonly dialect: Dialect | null;
  /** Errors if it could not be taken, else what is doubtful. */
  readonly problems: readonly Problem[];
  /** What its configuration does not say, and what is assumed. */
  readonly assumed: readonly Assumption[];
  /** What was left out because the Go service never used it. */
  readonly adaptations: readonly Adaptation[];
  /** What `compat` keeps alive, and what can move a score even so. */
  readonly differences: readonly GoDifference[];
}

/** Everything that was imported. */
export interface Imported {
  readonly from: string;
  readonly models: readonly ImportedModel[];
  /** The service settings, null if there are none. */
  readonly service: { readonly document: unknown; readonly problems: readonly Problem[] } | null;
  /** What no configuration in etcd says. */
  readonly notes: readonly string[];
  /** True if every model and the settings were taken. */
  readonly isComplete: boolean;
}

/** Takes a deployment of the Go service over: every model in the documented dialect, scoring as it did. */
export function importDeployment(deployment: Deployment): Imported {
  const models = [...deployment.models]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([id, document]) => {
      const read = readDocument(document);
      return 'problem' in read ? refused(id, [read.problem]) : importModel(id, read.value);
    });
  const service = importSettings(deployment);
  const isComplete =
    deployment.problem === undefined && models.every(({ config }) => config !== null) && !hasErrors(service?.problems ?? []);
  return { from: deployment.from, models, service, notes: notesOf(deployment, models), isComplete };
}

/** Takes one model over. */
export function importModel(modelConfigId: string, raw: unknown): ImportedModel {
  const dialect = parseModelConfig(modelConfigId, raw).config?.dialect ?? null;
  const badId = badIdProblem(modelConfigId);
  if (badId !== undefined) return refused(modelConfigId, [badId]);
  // What is taken out may be what is wrong with it, so the dialect is that of the adapted value where the other cannot be read.
  const adapted = adaptModel(raw, dialect !== 'documented');
  const { config, problems, assumptions } = checkModelConfig(modelConfigId, adapted.value);
  if (config === null) return refused(modelConfigId, problems);
  const expressions = expressionProblems(config);
  if (hasErrors(expressions)) return refused(modelConfigId, [...problems, ...expressions]);
  const { document, losses } = convertModel(config, 'documented');
  const again = parseModelConfig(modelConfigId, document).config;
  if (again === null || !sameMeaning(config, again))
    throw new Error(`model ${JSON.stringify(modelConfigId)} changes when it is rewritten: a defect of this software`);
  const doubtful = problems.filter(({ severity, code }) => severity !== 'hint' && code !== 'INFERFLOW_CONFIG_DEFAULTED');
  return {
    ...{ modelConfigId, document, config, dialect: config.dialect },
    problems: [...doubtful, ...losses],
    assumed: assumptions,
    adaptations: adapted.adaptations,
    differences: [...goDifferences(config), ...skippedByGo(config, problems)],
  };
}

/** Components that the Go service skipped because a setting is missing that nothing here needs. */
function skippedByGo({ dialect }: ModelConfig, problems: readonly Problem[]): readonly GoDifference[] {
  const missing = problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_DEFAULTED').map(({ path }) => path);
  if (missing.length === 0 || dialect !== 'deployed') return [];
  const message = 'the Go service skipped a component without this setting, or could not use its answer; here it runs';
  return [{ id: 'A24', kind: 'moves', message, where: missing }];
}

function refused(modelConfigId: string, problems: readonly Problem[]): ImportedModel {
  return { modelConfigId, document: null, config: null, dialect: null, problems, assumed: [], adaptations: [], differences: [] };
}

/** Why a key of etcd cannot hold the id; undefined if it can. */
export function badIdProblem(modelConfigId: string): Problem | undefined {
  try {
    checkModelId(modelConfigId);
    return undefined;
  } catch (error) {
    if (!(error instanceof EtcdWriteError)) throw error;
    return { severity: 'error', code: error.code, path: '$', message: error.message };
  }
}

function importSettings({ service }: Deployment): Imported['service'] {
  if (service === undefined) return null;
  const read = readDocument(service);
  if ('problem' in read) return { document: null, problems: [read.problem] };
  const { service: settings, problems } = parseServiceConfig(read.value);
  return { document: { v2_logging_type: settings.loggingType, compression_enabled: settings.compressionEnabled }, problems };
}

function notesOf(deployment: Deployment, models: readonly ImportedModel[]): readonly string[] {
  const notes: string[] = [];
  if (deployment.problem !== undefined) notes.push(`no model could be read: ${deployment.problem}`);
  if (deployment.models.size === 0 && deployment.problem === undefined) notes.push('no model was found');
  const ids = models.map(({ modelConfigId }) => modelConfigId);
  for (const id of ids) {
    const alike = looksAlike(id, ids);
    // Once for each group.
    if (alike.length > 0 && alike.every((other) => id < other)) {
      notes.push(
        `A4: ${[id, ...alike].join(', ')} were one model to the Go service, whichever it read last; here they are ${alike.length + 1}`,
      );
    }
  }
  notes.push(...sharedNames(models));
  const bare = models
    .flatMap(({ config }) => config?.components ?? [])
    .filter((component) => component.kind === 'predator' && !component.endpoint.includes(':'));
  if (bare.length > 0)
    notes.push('model endpoints have no port: it is EXTERNAL_SERVICE_PREDATOR_PORT, from the environment of the Go service');
  notes.push(
    'addresses, tokens and deadlines of the feature store and the compute service are not in etcd: start the server with the environment of the Go service, and see inferflow env',
  );
  if (deployment.ignoredKeys.length > 0)
    notes.push(
      `keys that mean nothing: ${deployment.ignoredKeys.slice(0, 10).join(', ')}${deployment.ignoredKeys.length > 10 ? ', …' : ''}`,
    );
  return notes;
}

/** The Go service knows components by name alone, over all models. */
function sharedNames(models: readonly ImportedModel[]): readonly string[] {
  const kinds = new Map<string, Map<string, string[]>>();
  for (const { modelConfigId, config } of models) {
    for (const { componentName, kind } of config?.components ?? []) {
      const byKind = kinds.get(componentName) ?? new Map<string, string[]>();
      byKind.set(kind, [...(byKind.get(kind) ?? []), modelConfigId]);
      kinds.set(componentName, byKind);
    }
  }
  return [...kinds].flatMap(([name, byKind]) => {
    if (byKind.size < 2) return [];
    const uses = [...byKind].map(([kind, ids]) => `${kind} in ${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ', …' : ''}`).join('; ');
    return [
      `A17: the name ${name} stands for components of several kinds (${uses}): which one the Go service ran changed from start to start; here each model has its own`,
    ];
  });
}
