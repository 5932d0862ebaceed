import { Block, CellStatus, createBlockShape, DataType, Layout, Matrix, MemoryPool, type Slate } from '@inferflow/matrix';
import type { LoggedRecord } from '../logged-record.js';
import type { ScoringDetails } from '../scoring/scoring-details.js';

const encoder = new TextEncoder();

/** Options of {@link scoredRequest}. */
export interface ScoredRequestOptions {
  readonly rows?: number;
  readonly slates?: boolean;
  readonly textBytes?: number;
  readonly userId?: string;
  readonly trackingId?: string;
}

/**
 * A finished request: ids (block 0), the header's user (1), nothing (2), a component `film` with two different keys for all rows (3: one
 * FP32, one text), a component `ranker` with a score per row (4), and for pairs a slate score. Row 1 of `ranker` failed.
 */
export function scoredRequest(options: ScoredRequestOptions = {}): {
  readonly record: LoggedRecord;
  readonly details: ScoringDetails;
  readonly released: () => number;
} {
  const rows = options.rows ?? 4;
  const userId = options.userId ?? 'u-1';
  const pool = new MemoryPool();
  const text = (name: string) => ({ name, type: DataType.String });
  const shapes = [
    createBlockShape([text('item')]),
    createBlockShape([text('query'), text('user_id')]),
    null,
    createBlockShape([{ name: 'film:year', type: DataType.FP32, width: 4 }, text('film:title')]),
    createBlockShape([{ name: 'score', type: DataType.FP32, width: 4 }]),
  ];
  const layout = new Layout(shapes);
  const matrix = new Matrix(layout, rows, pool);
  const put = (block: Block, row: number, slot: number, bytes: Uint8Array, status: CellStatus): void =>
    void block.setBytes(row, slot, bytes, 0, bytes.length, status);
  const floats = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);
  const ids = Block.create(pool, shapes[0] as NonNullable<(typeof shapes)[0]>, rows);
  const context = Block.create(pool, shapes[1] as NonNullable<(typeof shapes)[1]>, 1);
  const film = Block.create(pool, shapes[3] as NonNullable<(typeof shapes)[3]>, 2, { rowMapRows: rows });
  const ranker = Block.create(pool, shapes[4] as NonNullable<(typeof shapes)[4]>, rows);
  put(context, 0, 0, encoder.encode('drama'), CellStatus.provided);
  put(context, 0, 1, encoder.encode(userId), CellStatus.provided);
  for (let key = 0; key < 2; key++) {
    put(film, key, 0, floats(1990 + key), key === 0 ? CellStatus.cached : CellStatus.fresh);
    put(film, key, 1, encoder.encode(`title ${key} ${'x'.repeat(options.textBytes ?? 0)}`), CellStatus.fresh);
  }
  for (let row = 0; row < rows; row++) {
    put(ids, row, 0, encoder.encode(`e${row}`), CellStatus.provided);
    film.mapRow(row, row === 2 ? -1 : row % 2);
    if (row === 1) ranker.markCell(row, 0, CellStatus.failed);
    else put(ranker, row, 0, floats(row / 10), CellStatus.fresh);
  }
  [ids, context, null, film, ranker].forEach((block, index) => {
    if (block !== null) matrix.setBlock(index, block);
  });
  let slate: Slate | null = null;
  if (options.slates === true) {
    const shape = createBlockShape([{ name: 'lead', type: DataType.FP32, width: 4 }]);
    const slates = new Matrix(new Layout([null, null, shape]), 2, pool);
    const block = Block.create(pool, shape, 2);
    put(block, 0, 0, floats(0.5), CellStatus.fresh);
    put(block, 1, 0, floats(0.25), CellStatus.defaulted);
    slates.setBlock(2, block);
    slate = { matrix: slates, offsets: Int32Array.of(0, 2, 3), targets: Int32Array.of(0, 1, 3) };
  }
  const block = (origin: 'rows' | 'context' | 'component', componentName = '', headerSlots: readonly number[] = []) => ({
    origin,
    componentName,
    headerSlots,
  });
  const error = encoder.encode('ranker: failed');
  const details: ScoringDetails = {
    components: [
      outcome('film', 'feature', { service: 'store:1', modelName: '', modelVersion: '', count: 2, failed: 0, totalMs: 3, maxMs: 2 }),
      outcome('ranker', 'predator', { service: 'models:1', modelName: 'm', modelVersion: '7', count: 1, failed: 0, totalMs: 4, maxMs: 4 }),
      outcome('blend', 'numerix', null),
    ],
    targetBlocks: [block('rows'), block('context', '', [1]), null, block('component', 'film'), block('component', 'ranker')],
    slateBlocks: slate === null ? [] : [null, null, block('component', 'lead')],
    responseColumns: ['item', 'score'],
    routeHash: 0xdeadbeef,
    targetErrors: Array.from({ length: rows }, (_, row) => (row === 1 ? error : null)),
    slateErrors: null,
  };
  let released = 0;
  const record: LoggedRecord = {
    method: slate === null ? 'InferPointWise' : 'InferPairWise',
    trackingId: options.trackingId ?? 't-1',
    userId,
    tenantId: 'shop',
    rowCount: rows,
    durationMs: 12.5,
    faultyRows: 1,
    failedComponents: 0,
    startedAtMs: 1_700_000_000_000,
    matrix,
    slate,
    plan: {
      modelConfigId: 'films',
      configHash: 'hash-1',
      compat: false,
      config: {
        modelConfigId: 'films',
        hash: 'hash-1',
        cache: { version: 3 },
        components: [],
        response: { features: ['item', 'score'], idColumn: 'item', loggingPercent: 100, logFeatures: false, logBatchSize: 0 },
      },
    },
    header: (name) => ({ 'user-id': userId, 'app-version-code': '12', 'inferflow-caller-id': 'web', authorization: 'secret' })[name],
    isSampled: () => true,
    target: (name) => (layout.ref(name) < 0 ? null : { first: layout.ref(name), otherwise: -1 as never }),
    slateColumn: () => null,
    release: () => {
      released++;
    },
  };
  return { record, details, released: () => released };
}

function outcome(componentName: string, kind: string, calls: ScoringDetails['components'][number]['calls']) {
  return { componentName, kind, status: 'ok', reason: '', startMs: 1, durationMs: 2.5, defaultedInputs: 0, calls };
}
