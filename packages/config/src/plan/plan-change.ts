import { dataTypeInfo } from '@inferflow/matrix';
import { type ColumnFacts, columnTable } from '../lint/column-table.js';
import type { ComponentConfig, FeatureComponentConfig, ModelConfig, PredatorComponentConfig } from '../model-config.js';
import { fieldName } from '../schema/fields.js';
import { cachedRowKey } from './cached-row-key.js';
import { type ConfigChange, mapChanges } from './config-change.js';

/**
 * What a change of a model does for requests: components, edges, columns, upstream calls, cache, answer. Empty when both mean the same.
 * Both must be valid (`checkModelConfig`).
 */
export function planChange(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  return [
    ...componentChanges(before, after),
    ...edgeChanges(before, after),
    ...columnChanges(before, after),
    ...upstreamChanges(before, after),
    ...cacheChanges(before, after),
    ...answerChanges(before, after),
    ...settingChanges(before, after),
  ];
}

function byName(config: ModelConfig): ReadonlyMap<string, ComponentConfig> {
  return new Map(config.components.map((component) => [component.componentName, component]));
}

function componentChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  return mapChanges(
    byName(before),
    byName(after),
    (name, action, old, now) => ({
      subject: 'component',
      action,
      name,
      detail: action === 'changed' ? differingFields(old!, now!, after) : (now ?? old!).kind,
      impact: 'careful',
    }),
    (old, now) => JSON.stringify(ownSettings(old)) === JSON.stringify(ownSettings(now)),
  );
}

/** Without what the settings of the model make of the cache: that is told with the cache. */
function ownSettings(component: ComponentConfig): Readonly<Record<string, unknown>> {
  if (component.kind !== 'feature') return { ...component };
  const { cache, ...own } = component;
  const { requested, ownTtlSeconds, staleIfErrorSeconds } = cache;
  return { ...own, cacheEnabled: requested, cacheTtl: ownTtlSeconds, staleIfError: staleIfErrorSeconds };
}

/** Settings that have another name in a parsed config than in the field table. */
const settingOf: Readonly<Record<string, string>> = {
  entityLabel: 'query',
  groups: 'query',
  columns: 'query',
  columnPrefix: 'prefix',
  columnLabel: 'prefix',
  deadlineMs: 'deadline',
  flattenResponseKeys: 'flattenKeys',
  scope: 'slate',
  broadcastSingleScore: 'broadcast',
  dataTypeText: 'dataType',
  variables: 'mapping',
};

/** The settings that differ, in the words of the new config. */
function differingFields(before: ComponentConfig, after: ComponentConfig, { dialect }: ModelConfig): string {
  if (before.kind !== after.kind) return `${before.kind} → ${after.kind}`;
  const [old, now] = [ownSettings(before), ownSettings(after)];
  const differing = Object.keys({ ...old, ...now }).filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]));
  return [...new Set(differing.map((name) => fieldName(after.kind, settingOf[name] ?? name, dialect) ?? name))].join(', ');
}

function edgeChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  const edges = (config: ModelConfig) =>
    new Map(Object.entries(config.dependencies).flatMap(([to, from]) => from.map((name) => [`${name} → ${to}`, true] as const)));
  return mapChanges(
    edges(before),
    edges(after),
    (name, action) => ({ subject: 'edge', action, name, detail: '', impact: 'plain' }),
    () => true,
  );
}

function columnChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  return mapChanges(
    columnTable(before),
    columnTable(after),
    (name, action, old, now) => ({
      subject: 'column',
      action,
      name,
      detail: action === 'changed' ? `${typeOf(old!)} → ${typeOf(now!)}` : typeOf((now ?? old)!),
      impact: action === 'added' ? 'plain' : 'careful',
    }),
    (old, now) => typeOf(old) === typeOf(now),
  );
}

function typeOf({ dataType, elements, scope }: ColumnFacts): string {
  const { name, isVector } = dataTypeInfo(dataType);
  return `${name}${isVector && elements !== undefined ? `[${elements}]` : ''}${scope === 'slate' ? ' per slate' : ''}`;
}

/** Calls by what they ask, whichever component makes them. */
function upstreamChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  return mapChanges(
    upstreamCalls(before),
    upstreamCalls(after),
    (name, action, old, now) => ({
      subject: 'upstream',
      action,
      name,
      detail: action === 'changed' ? `${old} → ${now}` : (now ?? old ?? ''),
      impact: 'careful',
    }),
    (old, now) => old === now,
  );
}

function upstreamCalls(config: ModelConfig): ReadonlyMap<string, string> {
  const calls = new Map<string, string>();
  for (const component of config.components) {
    if (component.kind === 'feature' && component.columns.length > 0) {
      calls.set(`feature store, ${component.componentName}`, `${component.entityLabel}: ${countOf(component.columns.length, 'feature')}`);
    } else if (component.kind === 'predator') {
      calls.set(`model, ${component.componentName}`, modelCall(component));
    } else if (component.kind === 'numerix' && component.expression === undefined) {
      // An expression of the config itself is evaluated in this process.
      calls.set(`compute, ${component.componentName}`, component.computeId);
    }
  }
  return calls;
}

function modelCall(component: PredatorComponentConfig): string {
  const { modelName, modelVersion, endpoint, endpoints, deadlineMs, batchSize, coalesce, coalesceWaitMs } = component;
  const shares = endpoints.map((share) => {
    const other = share.modelName === undefined || share.modelName === modelName ? '' : ` (${share.modelName})`;
    return `${share.endpoint}${other} ${share.percentage} %`;
  });
  const deadline = deadlineMs === undefined ? 'the service’s deadline' : `deadline ${deadlineMs} ms`;
  const batch = batchSize === undefined ? 'all rows in one call' : `${countOf(batchSize, 'row')} a call`;
  const wait = coalesceWaitMs === 0 ? '' : `, ${coalesceWaitMs} ms waited for them`;
  const shared = coalesce ? `, rows of other requests in it${wait}` : '';
  return `${modelName} version ${modelVersion} at ${shares.join(', ') || endpoint}; ${deadline}, ${batch}${shared}`;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** As cache keys and log records have it. */
function effectiveVersion({ cache }: ModelConfig): number {
  return cache.version === 0 ? 1 : cache.version;
}

/** As long as it is the same, the cache stays warm. */
function cacheKey(component: FeatureComponentConfig, config: ModelConfig): string {
  return cachedRowKey(component, effectiveVersion(config));
}

function cacheChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  const cached = (config: ModelConfig) =>
    new Map(
      config.components
        .filter((component): component is FeatureComponentConfig => component.kind === 'feature' && component.cache.enabled)
        .map((component) => [component.componentName, component]),
    );
  const changes = mapChanges(
    cached(before),
    cached(after),
    (name, action, old, now) => {
      const isCold = action === 'added' || (action === 'changed' && cacheKey(old!, before) !== cacheKey(now!, after));
      const life =
        action === 'changed' && old!.cache.ttlSeconds !== now!.cache.ttlSeconds
          ? `kept ${old!.cache.ttlSeconds} s → ${now!.cache.ttlSeconds} s`
          : '';
      return {
        subject: 'cache',
        action,
        name,
        detail: [isCold ? 'starts cold' : action === 'removed' ? 'every key is fetched' : 'stays warm', life].filter(Boolean).join('; '),
        impact: isCold || action === 'removed' ? 'careful' : 'plain',
      };
    },
    (old, now) => cacheKey(old, before) === cacheKey(now, after) && old.cache.ttlSeconds === now.cache.ttlSeconds,
  );
  return changes;
}

function answerChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  const [old, now] = [before.response.features, after.response.features];
  const changes = mapChanges(
    new Map(old.map((name) => [name, true])),
    new Map(now.map((name) => [name, true])),
    (name, action) => ({ subject: 'answer', action, name, detail: '', impact: action === 'removed' ? 'breaking' : 'plain' }),
    () => true,
  );
  const [oldColumns, nowColumns] = [columnTable(before), columnTable(after)];
  for (const name of now) {
    const [was, is] = [oldColumns.get(name), nowColumns.get(name)];
    if (!old.includes(name) || was === undefined || is === undefined || typeOf(was) === typeOf(is)) continue;
    changes.push({ subject: 'answer', action: 'changed', name, detail: `${typeOf(was)} → ${typeOf(is)}`, impact: 'breaking' });
  }
  const kept = (names: readonly string[], others: readonly string[]): string => names.filter((name) => others.includes(name)).join('\n');
  if (kept(old, now) !== kept(now, old)) {
    changes.push({
      subject: 'answer',
      action: 'changed',
      name: 'order of columns',
      detail: 'readers that go by position break',
      impact: 'breaking',
    });
  }
  return changes;
}

function logged({ response: { logFeatures } }: ModelConfig): string {
  if (typeof logFeatures === 'boolean') return logFeatures ? 'those of the answer' : 'all';
  return logFeatures.join(', ');
}

const LONGEST = 60;

function short(text = ''): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}

function settingChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  const settings = (config: ModelConfig) =>
    new Map<string, string>([
      ['compat', config.compat ? 'go-1.0' : 'off'],
      ['request_values', config.requestValues],
      ['deadline', config.deadlineMs === undefined ? 'default' : `${config.deadlineMs} ms`],
      ['cache_version', String(effectiveVersion(config))],
      ['cache_enabled', String(config.cache.enabled)],
      ['cache_ttl', `${config.cache.ttlSeconds} s`],
      ['order', config.order.join(', ')],
      ['log_features', logged(config)],
      ['id_column', config.response.idColumn],
      ['error_logging_percent', `${config.errorLoggingPercent} %`],
      ['log_batch_size', `${config.response.logBatchSize} rows`],
      ['logging_perc', `${config.response.loggingPercent} %`],
      ['scoring_log_perc', config.response.scoringLogPercent === undefined ? 'default' : `${config.response.scoringLogPercent} %`],
      ['model_schema_features_perc', `${config.response.modelSchemaPercent} %`],
    ]);
  return mapChanges(
    settings(before),
    settings(after),
    (name, action, old, now) => ({
      subject: 'setting',
      action,
      name,
      detail: `${short(old)} → ${short(now)}`,
      impact: name === 'request_values' || name === 'id_column' ? 'breaking' : name === 'compat' ? 'careful' : 'plain',
    }),
    (old, now) => old === now,
  );
}
