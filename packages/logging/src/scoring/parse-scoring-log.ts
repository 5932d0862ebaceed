import { fromBinary } from '@bufbuild/protobuf';
import { type ScoringLog, ScoringLogSchema } from '@inferflow/proto';
import { parseEnvelope } from '../decode/parse-log.js';
import { openZstdFrame } from '../decode/zstd-frame.js';
import { LoggingError } from '../errors.js';
import { isZstd, loadZstd } from '../zstd.js';
import { SCORING_TYPE_URL } from './scoring-encoder.js';

/**
 * A record in any of its forms: in the envelope of Kafka or by itself, compressed or not. Bytes of the result are views of the input.
 * @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID, INFERFLOW_LOGGING_COMPRESSION_INVALID, INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export async function parseScoringLog(bytes: Uint8Array): Promise<ScoringLog> {
  const envelope = parseEnvelope(bytes);
  if (envelope !== null && envelope.typeUrl !== SCORING_TYPE_URL)
    throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', `a record of type ${envelope.typeUrl}, not a ScoringLog`);
  const body = envelope?.message ?? bytes;
  const plain = isZstd(body) ? openZstdFrame(await loadZstd(), body) : body;
  let log: ScoringLog;
  try {
    log = fromBinary(ScoringLogSchema, plain);
  } catch (error) {
    throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', `not a ScoringLog: ${(error as Error).message}`, { cause: error });
  }
  if (log.recordId === '' || log.modelConfigId === '')
    throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'not a ScoringLog: it names no record or no model');
  return log;
}
