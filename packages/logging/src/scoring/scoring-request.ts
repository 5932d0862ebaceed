import type { ScoringComponent, ScoringLog, ScoringRowErrors } from '@inferflow/proto';
import { LoggingError } from '../errors.js';
import { ScoringColumns } from './scoring-column.js';

/** One logged request, put together from its parts. */
export interface ScoringRequest {
  /** Of the first part: what does not depend on rows. */
  readonly head: ScoringLog;
  readonly components: readonly ScoringComponent[];
  readonly targets: ScoringColumns;
  readonly slates: ScoringColumns;
  /** Targets per slate, and all of them one after the other. */
  readonly slateSizes: readonly number[];
  readonly slateTargets: readonly number[];
  readonly rowErrors: readonly ScoringRowErrors[];
  readonly slateErrors: readonly ScoringRowErrors[];
  /** Bytes of its records. */
  readonly byteLength: number;
}

interface OpenRequest {
  readonly parts: (ScoringLog | undefined)[];
  count: number;
  bytes: number;
  /** −1 until the last part is there. */
  expected: number;
}

/** Options of {@link ScoringAssembler}. */
export interface ScoringAssemblerOptions {
  /** Bytes of parts that wait for the others; the request that waits longest is given up first. @default 64 MiB */
  readonly maxBytes?: number;
}

const rememberedRequests = 16_384;
/** More rows than any server takes: the record is damaged. */
const mostRows = 10_000_000;

/** Puts requests together from records in any order; a record that comes again soon is passed over. */
export class ScoringAssembler {
  /** Requests that were given up because a part did not come, or rows are missing. */
  incomplete = 0;
  readonly #maxBytes: number;
  readonly #open = new Map<string, OpenRequest>();
  /** Requests that are complete; the oldest first. */
  readonly #done = new Set<string>();
  #bytes = 0;

  constructor(options: ScoringAssemblerOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 64 << 20;
  }

  /** Takes a record; returns the request when it was its last part. @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID */
  add(log: ScoringLog, byteLength: number): ScoringRequest | null {
    if (Math.max(log.rowCount, log.slateCount, log.rows, log.slates) > mostRows || log.part > mostRows)
      throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'a ScoringLog says that it has more rows than can be');
    if (this.#done.has(log.recordId)) return null;
    if (log.part === 0 && log.isLastPart) return this.#assemble([log], byteLength);
    let open = this.#open.get(log.recordId);
    if (open === undefined) {
      open = { parts: [], count: 0, bytes: 0, expected: -1 };
      this.#open.set(log.recordId, open);
    }
    // A broker may give a record twice.
    if (open.parts[log.part] !== undefined) return null;
    open.parts[log.part] = log;
    open.count++;
    open.bytes += byteLength;
    this.#bytes += byteLength;
    if (log.isLastPart) open.expected = log.part + 1;
    if (open.count === open.expected) {
      this.#forget(log.recordId, open);
      return this.#assemble(open.parts as ScoringLog[], open.bytes);
    }
    for (const [recordId, oldest] of this.#open) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(recordId, oldest);
      this.incomplete++;
    }
    return null;
  }

  /** Gives up what waits for parts that have not come. */
  end(): void {
    this.incomplete += this.#open.size;
    this.#open.clear();
    this.#bytes = 0;
  }

  #forget(recordId: string, open: OpenRequest): void {
    this.#open.delete(recordId);
    this.#bytes -= open.bytes;
  }

  #assemble(parts: readonly ScoringLog[], byteLength: number): ScoringRequest | null {
    const head = parts[0] as ScoringLog;
    this.#remember(head.recordId);
    let [row, slate] = [0, 0];
    for (const part of parts) {
      if (part.rows > 0 && part.firstRow !== row) return this.#giveUp();
      if (part.slates > 0 && part.firstSlate !== slate) return this.#giveUp();
      row += part.rows;
      slate += part.slates;
    }
    if (row !== head.rowCount || slate !== head.slateCount) return this.#giveUp();
    const targets = new ScoringColumns();
    const slates = new ScoringColumns();
    for (const part of parts) {
      for (const table of part.tables) targets.add(table, part.firstRow, part.rows);
      for (const table of part.slateTables) slates.add(table, part.firstSlate, part.slates);
    }
    const slateSizes = parts.flatMap((part) => part.slateSizes);
    const slateTargets = parts.flatMap((part) => part.slateTargets);
    const members = slateSizes.reduce((total, size) => total + size, 0);
    if (slateSizes.length !== head.slateCount || members !== slateTargets.length || slateTargets.some((target) => target >= row))
      throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'the slates of a ScoringLog contradict themselves');
    return {
      head,
      components: head.components,
      targets,
      slates,
      slateSizes,
      slateTargets,
      rowErrors: parts.flatMap((part) => part.rowErrors),
      slateErrors: parts.flatMap((part) => part.slateErrors),
      byteLength,
    };
  }

  #remember(recordId: string): void {
    this.#done.add(recordId);
    if (this.#done.size <= rememberedRequests) return;
    for (const oldest of this.#done) {
      this.#done.delete(oldest);
      break;
    }
  }

  #giveUp(): null {
    this.incomplete++;
    return null;
  }
}
