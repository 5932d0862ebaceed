import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { ScoringColumnCells, ScoringColumns, ScoringRequest } from '@inferflow/logging/scoring';
import {
  type FeatureSchemaSchema,
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  ScoringTable_Origin,
  SlateWiseRequestSchema,
} from '@inferflow/proto';

/** A request as its caller sent it. */
export interface RebuiltRequest {
  readonly message: Uint8Array;
  readonly headers: ReadonlyMap<string, string>;
}

const decoder = new TextDecoder();

/** The request behind a record: what it brought is in the record's columns. null for a method that nobody knows. */
export function rebuildRequest(request: ScoringRequest): RebuiltRequest | null {
  const message = messageOf(request);
  return message === null ? null : { message, headers: headersOf(request) };
}

function messageOf({ head, targets, slates, slateSizes, slateTargets }: ScoringRequest): Uint8Array | null {
  const [ids, ...columns] = ofOrigin(targets, ScoringTable_Origin.ROWS);
  const context = ofOrigin(targets, ScoringTable_Origin.CONTEXT);
  const { modelConfigId, trackingId, tenantId, rowCount } = head;
  if (ids === undefined) return null;
  if (head.method === 'RetrieveModelScore') {
    const texts = (column: ScoringColumnCells, rows: number): string[] =>
      Array.from({ length: rows }, (_, row) => decoder.decode(column.bytes(row)));
    return toBinary(
      InferflowRequestProtoSchema,
      create(InferflowRequestProtoSchema, {
        modelConfigId,
        trackingId,
        entities: [
          {
            entity: ids.name,
            ids: texts(ids, rowCount),
            features: columns.map((column) => ({ name: column.name, idsFeatureValue: texts(column, rowCount) })),
          },
          ...context.map((column) => ({ entity: column.name, ids: texts(column, 1) })),
        ],
      }),
    );
  }
  const common = {
    modelConfigId,
    trackingId,
    tenantId,
    contextFeatures: context.map((column) => ({ name: column.name, dataType: column.dataType, value: column.bytes(0) })),
    targetInputSchema: columns.map(schemaOf),
    targets: Array.from({ length: rowCount }, (_, row) => ({
      id: decoder.decode(ids.bytes(row)),
      featureValues: columns.map((column) => column.bytes(row)),
    })),
  };
  if (head.method === 'InferPointWise') return toBinary(PointWiseRequestSchema, create(PointWiseRequestSchema, common));
  const slateColumns = ofOrigin(slates, ScoringTable_Origin.ROWS);
  const values = (slate: number): Uint8Array[] => slateColumns.map((column) => column.bytes(slate));
  const starts = startsOf(slateSizes);
  if (head.method === 'InferPairWise') {
    const pairs = slateSizes.map((_, slate) => ({
      firstTargetIndex: slateTargets[starts[slate] as number] as number,
      secondTargetIndex: slateTargets[(starts[slate] as number) + 1] as number,
      featureValues: values(slate),
    }));
    return toBinary(
      PairWiseRequestSchema,
      create(PairWiseRequestSchema, { ...common, pairInputSchema: slateColumns.map(schemaOf), pairs }),
    );
  }
  if (head.method !== 'InferSlateWise') return null;
  const asked = slateSizes.map((size, slate) => ({
    targetIndices: slateTargets.slice(starts[slate], (starts[slate] as number) + size),
    featureValues: values(slate),
  }));
  return toBinary(
    SlateWiseRequestSchema,
    create(SlateWiseRequestSchema, { ...common, slateInputSchema: slateColumns.map(schemaOf), slates: asked }),
  );
}

/** Where the targets of each slate begin. */
export function startsOf(slateSizes: readonly number[]): readonly number[] {
  let next = 0;
  return slateSizes.map((size) => {
    next += size;
    return next - size;
  });
}

function ofOrigin(columns: ScoringColumns, origin: ScoringTable_Origin): readonly ScoringColumnCells[] {
  return columns.all.filter((column) => column.origin === origin);
}

function schemaOf({ name, dataType }: ScoringColumnCells): MessageInitShape<typeof FeatureSchemaSchema> {
  return { name, dataType };
}

const headerOfColumn: Readonly<Record<string, string>> = { user_id: 'user-id', app_version_code: 'app-version-code' };

function headersOf({ head, targets }: ScoringRequest): ReadonlyMap<string, string> {
  const headers = new Map(head.headers.map(({ name, value }) => [name, value]));
  for (const column of ofOrigin(targets, ScoringTable_Origin.HEADER)) {
    const name = headerOfColumn[column.name];
    const text = decoder.decode(column.bytes(0));
    if (name !== undefined && text !== '') headers.set(name, text);
  }
  if (head.userId !== '') headers.set('user-id', head.userId);
  return headers;
}
