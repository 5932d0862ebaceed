import type { ResponseConfig } from '../model-config.js';
import { type ObjectReader, readTexts } from './object-reader.js';

/** Rows per log message when the config says nothing. */
const DEFAULT_LOG_BATCH_SIZE = 500;

/** Reads `response_config`. Names of columns are still as written; an empty `idColumn` is filled in later. */
export function parseResponse(reader: ObjectReader): ResponseConfig {
  const logBatchSize = readLogBatchSize(reader);
  const hasScoringLog = reader.raw('scoringLogPercent') !== undefined;
  return {
    features: reader.texts('features'),
    idColumn: reader.text('idColumn'),
    modelSchemaPercent: reader.percentage('modelSchemaPercent', 0),
    loggingPercent: reader.percentage('loggingPercent', 0),
    ...(hasScoringLog && { scoringLogPercent: reader.percentage('scoringLogPercent', 0) }),
    logFeatures: readLogFeatures(reader),
    logBatchSize,
  };
}

function readLogBatchSize(reader: ObjectReader): number {
  const value = reader.integer('logBatchSize') ?? 0;
  if (value > 0) return value;
  if (value < 0) {
    const path = reader.pathOf('logBatchSize');
    const details = { found: String(value), expected: '1 or more rows' };
    reader.context.report('INFERFLOW_CONFIG_CLAMPED', path, `log_batch_size is negative; ${DEFAULT_LOG_BATCH_SIZE} is used`, details);
  }
  return DEFAULT_LOG_BATCH_SIZE;
}

function readLogFeatures(reader: ObjectReader): boolean | readonly string[] {
  if (reader.context.dialect === 'deployed') {
    const names = reader.texts('logFeatureNames');
    return names.length > 0 ? names : reader.boolean('logFeatures');
  }
  const raw = reader.raw('logFeatures');
  if (!Array.isArray(raw)) return reader.boolean('logFeatures');
  const names = readTexts(reader.context, raw, reader.pathOf('logFeatures'));
  return names.length > 0 ? names : false;
}
