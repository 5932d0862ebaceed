import { create } from '@bufbuild/protobuf';
import {
  type PairWiseRequest as PairWiseMessage,
  PairWiseRequestSchema,
  type PointWiseRequest as PointWiseMessage,
  PointWiseRequestSchema,
  type SlateWiseRequest as SlateWiseMessage,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import type { RequestValues } from './encode-feature.js';
import type { Problem } from './errors.js';
import { buildFeatureTable, type Features, type FeatureTable, type FeatureTypes } from './feature-table.js';

/** One thing to score. */
export interface Target {
  readonly id: string;
  /** Values by name; what is left out, null or undefined has no value. */
  readonly features?: Features;
}

/** Two targets to score together. */
export interface Pair {
  /** Positions in `targets`, from 0. */
  readonly first: number;
  readonly second: number;
  readonly features?: Features;
}

/** An ordered group of targets to score as a whole. */
export interface Slate {
  /** Positions in `targets`, from 0, in slate order. */
  readonly targetIndices: readonly number[];
  readonly features?: Features;
}

/** Scores every target on its own. */
export interface PointWiseRequest {
  readonly modelConfigId: string;
  readonly targets: readonly Target[];
  /** Columns and types of target features. @default the names in use, with types that hold the values without loss */
  readonly targetTypes?: FeatureTypes;
  /** Features of the whole request. */
  readonly context?: Features;
  /** Types of context features. @default as for targets */
  readonly contextTypes?: FeatureTypes;
  /** Identifies the request in logs. @default a new one; the result tells it */
  readonly trackingId?: string;
  readonly tenantId?: string;
  /** True: the answer comes without `quality`. @default false */
  readonly omitQuality?: boolean;
  /** True: `quality.configHash` is filled. @default false */
  readonly includeConfigHash?: boolean;
}

/** Scores pairs of targets, and the targets themselves. */
export interface PairWiseRequest extends PointWiseRequest {
  readonly pairs: readonly Pair[];
  /** Columns and types of pair features. @default as for targets */
  readonly pairTypes?: FeatureTypes;
}

/** Scores slates, and the targets themselves. */
export interface SlateWiseRequest extends PointWiseRequest {
  readonly slates: readonly Slate[];
  /** Columns and types of slate features. @default as for targets */
  readonly slateTypes?: FeatureTypes;
}

/** Builds the message; everything wrong is added to `problems`. */
export function buildPointWise(request: PointWiseRequest, trackingId: string, form: RequestValues, problems: Problem[]): PointWiseMessage {
  return create(PointWiseRequestSchema, sharedFields(request, trackingId, form, problems));
}

/** Builds the message; everything wrong is added to `problems`. */
export function buildPairWise(request: PairWiseRequest, trackingId: string, form: RequestValues, problems: Problem[]): PairWiseMessage {
  const pairs = listOf(request.pairs, 'pairs', problems);
  pairs.forEach((pair, index) => {
    checkIndex(pair.first, request, `pairs[${index}].first`, problems);
    checkIndex(pair.second, request, `pairs[${index}].second`, problems);
  });
  const table = companionTable(pairs, request.pairTypes, 'pair', problems);
  return create(PairWiseRequestSchema, {
    ...sharedFields(request, trackingId, form, problems),
    pairInputSchema: [...table.columns],
    pairs: pairs.map((pair, index) => ({
      firstTargetIndex: indexOf(pair.first),
      secondTargetIndex: indexOf(pair.second),
      featureValues: table.rows[index]!,
    })),
  });
}

/** Builds the message; everything wrong is added to `problems`. */
export function buildSlateWise(request: SlateWiseRequest, trackingId: string, form: RequestValues, problems: Problem[]): SlateWiseMessage {
  const slates = listOf(request.slates, 'slates', problems);
  const indices = slates.map((slate, index) => {
    const path = `slates[${index}].targetIndices`;
    const targets = listOf(slate.targetIndices, path, problems);
    targets.forEach((target, position) => {
      checkIndex(target, request, `${path}[${position}]`, problems);
    });
    return targets.map(indexOf);
  });
  const table = companionTable(slates, request.slateTypes, 'slate', problems);
  return create(SlateWiseRequestSchema, {
    ...sharedFields(request, trackingId, form, problems),
    slateInputSchema: [...table.columns],
    slates: indices.map((targetIndices, index) => ({ targetIndices, featureValues: table.rows[index]! })),
  });
}

function sharedFields(request: PointWiseRequest, trackingId: string, form: RequestValues, problems: Problem[]) {
  if (typeof request.modelConfigId !== 'string' || request.modelConfigId === '') {
    problems.push({ path: 'modelConfigId', message: 'expected the name of a model configuration' });
  }
  const targets = listOf(request.targets, 'targets', problems);
  targets.forEach((target, index) => {
    if (typeof target.id !== 'string') {
      problems.push({ path: `targets[${index}].id`, message: `expected a string, got a ${typeof target.id}` });
    }
  });
  const context = buildFeatureTable(
    { types: request.contextTypes, rows: [request.context], form, typesPath: 'contextTypes', rowPath: () => 'context' },
    problems,
  );
  const table = buildFeatureTable(
    {
      types: request.targetTypes,
      rows: targets.map((target) => target.features),
      form,
      typesPath: 'targetTypes',
      rowPath: (row) => `targets[${row}].features`,
    },
    problems,
  );
  for (const column of table.columns) {
    if (context.columns.some((other) => other.name === column.name)) {
      problems.push({
        path: `context[${JSON.stringify(column.name)}]`,
        message: 'is a feature of the targets too; a name can be only one of them',
      });
    }
  }
  return {
    modelConfigId: request.modelConfigId,
    trackingId,
    tenantId: request.tenantId ?? '',
    contextFeatures: context.columns.map((column, index) => ({ ...column, value: context.rows[0]![index]! })),
    targetInputSchema: [...table.columns],
    targets: targets.map((target, index) => ({ id: target.id, featureValues: table.rows[index]! })),
    ...requestOptions(request),
  };
}

/** The `options` field, or nothing when no option differs from its default. */
export function requestOptions(request: { readonly omitQuality?: boolean; readonly includeConfigHash?: boolean }) {
  if (request.omitQuality !== true && request.includeConfigHash !== true) {
    return {};
  }
  return {
    options: {
      includeConfigHash: request.includeConfigHash === true,
      ...(request.omitQuality === true ? { omitQuality: true } : {}),
    },
  };
}

// Features of pairs and slates are typed bytes, whatever form the others have.
function companionTable(
  rows: readonly { readonly features?: Features }[],
  types: FeatureTypes | undefined,
  kind: 'pair' | 'slate',
  problems: Problem[],
): FeatureTable {
  return buildFeatureTable(
    {
      types,
      rows: rows.map((row) => row.features),
      form: 'typed',
      typesPath: `${kind}Types`,
      rowPath: (row) => `${kind}s[${row}].features`,
    },
    problems,
  );
}

/** The list, empty when it is none or holds nothing: a problem either way. */
export function listOf<Item>(list: readonly Item[] | undefined, path: string, problems: Problem[]): readonly Item[] {
  if (!Array.isArray(list) || list.length === 0) {
    problems.push({ path, message: 'expected at least one' });
    return [];
  }
  const wrong = list.findIndex((item) => item === null || item === undefined);
  if (wrong < 0) return list;
  problems.push({ path: `${path}[${wrong}]`, message: 'is missing' });
  return [];
}

function checkIndex(index: number, request: PointWiseRequest, path: string, problems: Problem[]): void {
  const count = request.targets?.length ?? 0;
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    problems.push({ path, message: `expected a position in targets, 0 to ${count - 1}` });
  }
}

// A wrong index is a problem already; the message only has to be buildable.
function indexOf(index: number): number {
  return Number.isInteger(index) && Math.abs(index) < 2 ** 31 ? index : -1;
}
