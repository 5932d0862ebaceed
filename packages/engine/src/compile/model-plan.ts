import type { Component } from '@inferflow/components';
import type { ComponentConfig, ModelConfig } from '@inferflow/config';
import type { Topology } from '@inferflow/dag';
import type { BlockShape } from '@inferflow/matrix';
import type { AdmissionGate } from '../admission/admission-gate.js';
import type { PlanMetrics } from '../metrics.js';
import type { OverloadErrors } from '../run/run-errors.js';
import type { BoundPlans } from './bound-plans.js';
import type { ColumnTypes } from './column-types.js';
import type { PlanConstants } from './constants.js';

/** Blocks of the target matrix before those of the components. */
export const TargetBlock = { rows: 0, broadcast: 1, constants: 2, firstComponent: 3 } as const;

/** Blocks of the slate matrix before those of the slate components. */
export const SlateBlock = { rows: 0, broadcast: 1, firstComponent: 2 } as const;

/** One component of a plan, in topological order. */
export interface PlanComponent {
  readonly index: number;
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly config: ComponentConfig;
  readonly component: Component;
  /** null = it writes nothing. */
  readonly shape: BlockShape | null;
  readonly slotOf: readonly number[];
  /** In the matrix of its scope. */
  readonly blockIndex: number;
}

/** A compiled model: everything that does not depend on what a request brings. Frozen but for its cache of bound plans. */
export interface ModelPlan {
  readonly modelConfigId: string;
  readonly config: ModelConfig;
  readonly configHashBytes: Uint8Array;
  /** The listed defects of the original are kept. */
  readonly compat: boolean;
  readonly topology: Topology;
  /** In topological order. */
  readonly components: readonly PlanComponent[];
  readonly constants: PlanConstants;
  /** Declared type of every configured column. */
  readonly columnTypes: ColumnTypes;
  /** Response columns with the model inputs in front. */
  readonly extendedFeatures: readonly string[];
  readonly metrics: PlanMetrics;
  readonly boundPlans: BoundPlans;
  /** How many of its requests are worked on at once. */
  readonly gate: AdmissionGate;
  /** What those are told for whom there is no time. */
  readonly overloads: OverloadErrors;
}
