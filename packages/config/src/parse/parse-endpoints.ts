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
  reader.context.note(`${reader.place}/endpoints`, reader.pathOf(endpoints.length === 0 ? 'routes' : 'endpoints'));
  checkSum(reader, 'endpoints', endpoints);
  checkSum(reader, 'routes', routes);
  if (endpoints.length === 0) return routes;
  if (routes.length > 0 && !areAlike(endpoints, routes)) {
    const message = 'model_end_points and route_config differ; model_end_points is used';
    reader.context.report('INFERFLOW_CONFIG_TWO_ROUTE_TABLES', reader.pathOf('routes'), message);
  }
  return endpoints;
}

function readEndpointTable(reader: ObjectReader): readonly ModelEndpoint[] {
  const raw = reader.raw('endpoints');
  const { context } = reader;
  if (context.dialect === 'documented' && isJsonObject(raw)) {
    context.note(`${reader.place}/endpoints/map`, reader.pathOf('endpoints'));
    return Object.entries(raw).map(([endpoint, value]) => {
      const path = joinPath(reader.pathOf('endpoints'), endpoint);
      if (endpoint === '') context.report('INFERFLOW_CONFIG_MISSING', path, 'an endpoint has no name');
      return checked(reader, { endpoint, percentage: readPercentage(reader, value, path) }, path);
    });
  }
  return reader
    .objects('endpoints', 'endpoint', (index) => `${reader.place}/endpoints/${index}`)
    .map((item) => {
      const percentage = (context.dialect === 'deployed' ? item.integer('percentage') : item.number('percentage')) ?? 0;
      const endpoint = item.requiredText('endpoint', 'an endpoint');
      return checked(reader, { endpoint, percentage }, item.pathOf('percentage'));
    });
}

function readPercentage(reader: ObjectReader, value: JsonValue, path: string): number {
  if (typeof value === 'number') return value;
  reportType(reader.context, path, value, 'a number');
  return 0;
}

function readRoute(reader: ObjectReader): ModelEndpoint {
  const modelName = reader.text('modelName');
  const route = {
    endpoint: reader.requiredText('endpoint', 'a route'),
    percentage: reader.number('percentage') ?? 0,
    ...(modelName === '' ? {} : { modelName }),
  };
  return checked(reader, route, reader.pathOf('percentage'));
}

function checked({ context }: ObjectReader, share: ModelEndpoint, path: string): ModelEndpoint {
  if (share.percentage < 0) {
    const details = { found: String(share.percentage), expected: '0 to 100' };
    context.report('INFERFLOW_CONFIG_ROUTE_PERCENTAGES', path, 'a routing percentage is negative', details);
  }
  return share;
}

function checkSum(reader: ObjectReader, key: string, endpoints: readonly ModelEndpoint[]): void {
  const sum = endpoints.reduce((total, { percentage }) => total + percentage, 0);
  if (Math.abs(sum) <= TOLERANCE || Math.abs(sum - 100) <= TOLERANCE) return;
  const message = `routing percentages add up to ${sum}, not to 100 (or 0)`;
  const details = { found: describeValue(sum), expected: '100 or 0' };
  reader.context.report('INFERFLOW_CONFIG_ROUTE_PERCENTAGES', reader.pathOf(key), message, details);
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
