import { DataType, dataTypeInfo, type SlotSpec } from '@inferflow/matrix';
import type { EngineMethod } from '../engine.js';

/** A column that a request brings. */
export interface RequestColumn {
  readonly name: string;
  /** String for texts. */
  readonly dataType: DataType;
  /** Its cells are texts whatever reads them: a numeric reader parses. */
  readonly isText: boolean;
}

/** What one kind of request brings, and where its values go. Slots of request blocks are variable, whatever their type. */
export interface RequestSchema {
  readonly method: EngineMethod;
  /** One value per target. */
  readonly rows: readonly RequestColumn[];
  /** One value for all. */
  readonly broadcast: readonly RequestColumn[];
  /** One value per pair or slate; null = the method has no slates. */
  readonly slates: readonly RequestColumn[] | null;
  /** Slots of header entities in `broadcast`, −1 = not taken from a header. */
  readonly userIdSlot: number;
  readonly appVersionSlot: number;
  readonly predict: PredictTables | null;
  readonly inferflow: InferflowTables | null;
}

/** Where the values of a typed request go. */
export interface PredictTables {
  /** Per entry of the target schema: word within a row of block 0; −1 = dropped (a context feature has the name). */
  readonly valueWords: Int32Array;
  /** Per context feature: slot in the broadcast block. */
  readonly contextSlots: Int32Array;
  readonly slateWords: Int32Array;
  /** What the values must be, per schema entry; null where they are not checked. */
  readonly targetChecks: readonly ValueCheck[] | null;
  readonly contextChecks: readonly ValueCheck[] | null;
  readonly slateChecks: readonly ValueCheck[] | null;
}

/** Where the texts of a `RetrieveModelScore` request go. */
export interface InferflowTables {
  readonly entities: readonly { readonly slot: number; readonly isBroadcast: boolean; readonly featureSlots: Int32Array }[];
}

/** The width rule of a declared type. */
export interface ValueCheck {
  readonly dataType: DataType;
  /** Exact bytes; 0 = any length. */
  readonly width: number;
  /** The length must divide by this. */
  readonly elementBytes: number;
  readonly text: string;
  /** Set for a text that is a key: keys must be UTF-8. The name of its feature. */
  readonly keyName: string | null;
}

/** What values of a type look like; `vectorDim` 0 = any number of elements. `keyName` = name of a feature that keys are made of. */
export function valueCheckOf(dataType: DataType, vectorDim: number, keyName: string | null = null): ValueCheck {
  const info = dataTypeInfo(dataType);
  const elementBytes = info.elementBytes === 0 ? 1 : info.elementBytes;
  const width = info.elementBytes === 0 ? 0 : info.isVector ? info.elementBytes * vectorDim : info.elementBytes;
  const text = width > 0 ? `${info.name} takes ${width} bytes` : `${info.name} takes a multiple of ${elementBytes} bytes`;
  return Object.freeze({ dataType, width, elementBytes, text, keyName: dataType === DataType.String ? keyName : null });
}

/** A text column of a request. */
export function textColumn(name: string): RequestColumn {
  return { name, dataType: DataType.String, isText: true };
}

/** A column whose cells are the bytes of a type; Strings are texts. */
export function typedColumn(name: string, dataType: DataType): RequestColumn {
  return { name, dataType, isText: dataType === DataType.String };
}

/** Slots of a request block. */
export function slotsOf(columns: readonly RequestColumn[]): readonly SlotSpec[] {
  return columns.map(({ name, dataType }) => ({ name, type: dataType }));
}

/** Column names that request headers give, where the request itself does not use them. */
export const headerEntities = { userId: 'user_id', appVersion: 'app_version_code' } as const;

/** The headers themselves. */
export const entityHeaders = { userId: 'user-id', appVersion: 'app-version-code' } as const;

/** Name that pair and slate schemas may not use. */
export const RESERVED_SLATE_COLUMN = 'slate_target_indices';
