import { isJsonObject, type JsonValue } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { ModelEndpoint } from '../model-config.js';
import { type ObjectReader, reportType } from './object-reader.js';

/** Percentages with fractions are compared to this precision. */
const TOLERANCE = 1e-6;

/** Reads both route tables of a predator; `model_end_points` wins if both are written. */
export function readEndpoints(reader: ObjectReader): readonly ModelEndpoint[] {
  const endpoints = readEndpointTable(reader);
  const routes = reader.objects('routes', 'route', (index) => `${reader.place}/routes/${index}`).map(readRoute);
  checkPercentages(reader, 'endpoints', endpoints);
  checkPercentages(reader, 'routes', routes);
  if (endpoints.length === 0) return routes;
  if (routes.length > 0 && !areAlike(endpoints, routes)) {
    const message = 'model_end_points and route_config differ; model_end_points is used';
    reader.context.report('INFERFLOW_CONFIG_TWO_ROUTE_TABLES', reader.pathOf('routes'), message);
  }
  return endpoints;
}

function readEndpointTable(reader: ObjectReader): readonly ModelEndpoint[] {
  const raw = reader.raw('endpoints');
  if (reader.context.dialect === 'documented' && isJsonObject(raw)) {
    return Object.entries(raw).map(([endpoint, value]) => {
      const path = joinPath(reader.pathOf('endpoints'), endpoint);
      if (endpoint === '') reader.context.report('INFERFLOW_CONFIG_MISSING', path, 'an endpoint has no name');
      return { endpoint, percentage: readPercentage(reader, value, path) };
    });
  }
  return reader
    .objects('endpoints', 'endpoint', (index) => `${reader.place}/endpoints/${index}`)
    .map((item) => ({
      endpoint: item.requiredText('endpoint', 'an endpoint'),
      percentage: (reader.context.dialect === 'deployed' ? item.integer('percentage') : item.number('percentage')) ?? 0,
    }));
}

function readPercentage(reader: ObjectReader, value: JsonValue, path: string): number {
  if (typeof value === 'number') return value;
  reportType(reader.context, path, value, 'a number');
  return 0;
}

function readRoute(reader: ObjectReader): ModelEndpoint {
  const modelName = reader.text('modelName');
  return {
    endpoint: reader.requiredText('endpoint', 'a route'),
    percentage: reader.number('percentage') ?? 0,
    ...(modelName === '' ? {} : { modelName }),
  };
}

function checkPercentages(reader: ObjectReader, key: string, endpoints: readonly ModelEndpoint[]): void {
  const path = reader.pathOf(key);
  for (const [index, { percentage }] of endpoints.entries()) {
    if (percentage >= 0) continue;
    const details = { found: String(percentage), expected: '0 to 100' };
    reader.context.report('INFERFLOW_CONFIG_ROUTE_PERCENTAGES', joinPath(path, index), 'a routing percentage is negative', details);
  }
  const sum = endpoints.reduce((total, { percentage }) => total + percentage, 0);
  if (Math.abs(sum) <= TOLERANCE || Math.abs(sum - 100) <= TOLERANCE) return;
  const message = `routing percentages add up to ${sum}, not to 100 (or 0)`;
  reader.context.report('INFERFLOW_CONFIG_ROUTE_PERCENTAGES', path, message, { found: describeValue(sum), expected: '100 or 0' });
}

function areAlike(left: readonly ModelEndpoint[], right: readonly ModelEndpoint[]): boolean {
  return (
    left.length === right.length &&
    left.every((entry, index) => {
      const other = right[index];
      return entry.endpoint === other?.endpoint && Math.abs(entry.percentage - other.percentage) <= TOLERANCE;
    })
  );
}
