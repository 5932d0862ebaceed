import type { ComponentDefinition } from '@inferflow/components';
import { businessRules } from './business-rules.js';

export { businessRules } from './business-rules.js';
export { parseRulesConfig, type RulesConfig } from './rules-config.js';

/** What a server loads when this module is named in INFERFLOW_PLUGINS. */
export const components: readonly ComponentDefinition[] = [businessRules as ComponentDefinition];
