import type { ModelConfig, PredatorComponentConfig } from '@inferflow/config';
import { Block, type BlockShape, CellStatus, createBlockShape, DataType, MemoryPool } from '@inferflow/matrix';
import { utf8Bytes } from '../utf8-bytes.js';

/** Column with the model config's id, there for models with calibration. */
const CONFIG_ID_COLUMN = 'inferflow_config_id';

/** Text columns that are the same for every request of a model: block 2. */
export interface PlanConstants {
  readonly shape: BlockShape | null;
  /** One row, shared by all requests; no matrix releases it. */
  readonly block: Block | null;
}

/** Calibration columns: `<calibration>_model` holds the model's name (a later component wins), and there is the config's id. */
export function compileConstants(config: ModelConfig): PlanConstants {
  const values = new Map<string, string>();
  for (const component of config.components) {
    if (isCalibrated(component)) values.set(`${component.calibration}_model`, component.modelName);
  }
  if (values.size === 0) return { shape: null, block: null };
  if (!values.has(CONFIG_ID_COLUMN)) values.set(CONFIG_ID_COLUMN, config.modelConfigId);
  const shape = createBlockShape([...values.keys()].map((name) => ({ name, type: DataType.String })));
  // Nobody knows when the last request on the plan is over, so the memory goes with the plan: the requests' pool would miss it for ever.
  const block = Block.create(new MemoryPool({ maxIdleBytes: 0 }), shape, 1);
  [...values.values()].forEach((value, slot) => {
    const bytes = utf8Bytes(value);
    if (bytes.length === 0) block.markCell(0, slot, CellStatus.missing);
    else block.setBytes(0, slot, bytes, 0, bytes.length, CellStatus.provided);
  });
  block.isShared = true;
  return { shape, block };
}

function isCalibrated(component: ModelConfig['components'][number]): component is PredatorComponentConfig {
  return component.kind === 'predator' && component.calibration !== '';
}
