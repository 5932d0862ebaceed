import type { StatsdTag } from './metric-definition.js';
import { type MetricDefinition, metricTable } from './metric-table.js';

/** The reference page of all metrics, as Markdown; `docs/reference/metrics.md` is this text. @internal */
export function renderMetricReference(): string {
  const ofOriginal = metricTable.filter(({ statsd }) => statsd?.client !== 'own');
  const own = metricTable.filter(({ statsd }) => statsd?.client === 'own');
  return `${[
    '# Metrics reference',
    '',
    'Generated from `packages/telemetry/src/metric-table.ts` by `node scripts/gen-metrics-doc.mjs` (after a build); do not edit.',
    '',
    '- **Prometheus** (`/metrics`): documented names with labels; durations in seconds. An optional label is in [brackets].',
    '- **DogStatsD** (`TELEGRAF_HOST`): names and tags exactly as the Go service sends them, behind the global tags `env:…`,`service:…`. Most of its',
    '  tags are bare: name and value follow each other as two tags. Counts and gauges are exact and sent every 2 s; timings are milliseconds,',
    '  sampled by `METRIC_SAMPLING_RATE`.',
    '- A metric has at most 1000 sets of label values; what does not fit is counted under the label value `other`. No label takes its value from',
    '  a caller: an unknown model is `unknown`, and calls of a method that does not exist are not counted.',
    '- `Metric.<key>` is the name in code.',
    '',
    '## Names of the Go service',
    '',
    '(no global tags): the Go service sends these through a second client without global tags, in which `:`, space, `\\`, `,`, `|`, `@` and `#` of a',
    'value become `_`. That client always sends to `localhost:8125` there; here it sends where all metrics go. Its timing `external_api_request_latency`,',
    'which the Go service samples at rate 0, is not sent; `inferflow.external.api.request.latency` has the same times.',
    '',
    ...table(ofOriginal),
    '',
    '## Own metrics',
    '',
    'Not sent to DogStatsD by the stock server, which has no setting for it. An embedder asks for them (`statsd.ownMetrics` of `createTelemetry`); tags',
    'are then proper `label:value` pairs.',
    '',
    ...table(own),
  ].join('\n')}\n`;
}

function table(definitions: readonly MetricDefinition[]): string[] {
  return [
    '| Prometheus | Type | Labels | Meaning | DogStatsD | Key |',
    '|---|---|---|---|---|---|',
    ...definitions.map((definition) => {
      const labels = definition.labels.map((label) => (definition.optionalLabels.includes(label) ? `[${label}]` : label)).join(', ');
      const columns = [
        `\`${definition.prometheusName}\``,
        definition.kind,
        labels,
        definition.help,
        statsdCell(definition),
        `\`${definition.name}\``,
      ];
      return `| ${columns.join(' | ')} |`;
    }),
  ];
}

function statsdCell({ statsd }: MetricDefinition): string {
  if (statsd === null) return '–';
  const tags = statsd.client === 'own' ? '' : ` ${statsd.tags.map((tag) => `\`${tagPattern(tag)}\``).join(' ')}`;
  return `\`${statsd.name}\`${tags}${statsd.client === 'second' ? ' (no global tags)' : ''}`;
}

function tagPattern(tag: StatsdTag): string {
  if (tag.form === 'constant') return tag.text;
  return tag.form === 'bare' ? `${tag.key},<${tag.label}>` : `${tag.key}:<${tag.label}>`;
}
