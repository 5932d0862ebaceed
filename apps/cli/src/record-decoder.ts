import { type LogFeature, LoggingError } from '@inferflow/logging';
import { decodeBlobs, type FloatStyle, parseEnvelope, readLogHeader } from '@inferflow/logging/decode';
import { SCORING_TYPE_URL } from '@inferflow/logging/scoring';
import type { CommandIo } from './command-io.js';
import type { DecodedOutput } from './decoded-output.js';
import type { FindSchema } from './log-schema-source.js';

/** Which records are wanted. */
export interface RecordFilter {
  readonly model?: string;
  readonly trackingId?: string;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Decodes records one by one; what cannot be read is reported with its place, counted and passed over. */
export class RecordDecoder {
  /** Records looked at. */
  records = 0;
  rows = 0;
  /** Records that the filter lets through, those that cannot be read included. */
  wanted = 0;
  /** Records that could not be read. */
  corrupt = 0;
  readonly #filter: RecordFilter;
  readonly #floats: FloatStyle;
  readonly #findSchema: FindSchema;
  readonly #output: DecodedOutput;
  readonly #io: CommandIo;

  constructor(filter: RecordFilter, floats: FloatStyle, findSchema: FindSchema, output: DecodedOutput, io: CommandIo) {
    this.#filter = filter;
    this.#floats = floats;
    this.#findSchema = findSchema;
    this.#output = output;
    this.#io = io;
  }

  /** @param place where the record was, for people */
  async decode(place: string, bytes: Uint8Array | null, timeMs: number | undefined): Promise<void> {
    this.records++;
    try {
      if (bytes === null) throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'neither a record nor base64 of one');
      const envelope = parseEnvelope(bytes);
      const at = timeMs ?? (envelope === null ? undefined : envelope.createdAtSeconds * 1000);
      const { model, trackingId, sinceMs, untilMs } = this.#filter;
      if (at !== undefined && (at < sinceMs || at >= untilMs)) return;
      if (envelope?.typeUrl === SCORING_TYPE_URL)
        throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'a full record (ScoringLog): `inferflow replay` reads those');
      const header = await readLogHeader(envelope?.message ?? bytes);
      if ((model !== undefined && header.modelConfigId !== model) || (trackingId !== undefined && header.trackingId !== trackingId)) return;
      this.wanted++;
      const features: readonly LogFeature[] | undefined = await this.#findSchema(header.modelConfigId, header.version);
      if (features === undefined) {
        throw new LoggingError(
          'INFERFLOW_LOGGING_SCHEMA_NOT_FOUND',
          `no schema for model "${header.modelConfigId}", version ${header.version}`,
        );
      }
      const log = await decodeBlobs(header, features, { floats: this.#floats });
      for (const warning of log.warnings) this.#io.error(`${place}: ${warning}\n`);
      await this.#output.record(log, features, at);
      this.rows += log.rows.length;
    } catch (error) {
      if (!(error instanceof LoggingError)) throw error;
      this.corrupt++;
      this.#io.error(`${place}: ${error.message}\n`);
    }
  }
}
