import type { ComponentConfig } from '@inferflow/config';
import { ComponentError } from './errors.js';

/** The built-in components take the normalised configuration of the config package; this checks that it is the right one. */
export function configOfKind<K extends ComponentConfig['kind']>(raw: unknown, kind: K): Extract<ComponentConfig, { kind: K }> {
  if (typeof raw === 'object' && raw !== null && 'kind' in raw && raw.kind === kind) {
    return raw as Extract<ComponentConfig, { kind: K }>; // the config package made it, discriminated by `kind`
  }
  throw new ComponentError(
    'INFERFLOW_COMPONENTS_CONFIG_INVALID',
    `a component of type "${kind}" needs the parsed configuration of that kind`,
    { path: '$.kind' },
  );
}
