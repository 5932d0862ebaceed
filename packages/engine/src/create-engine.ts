import type { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';

export declare function createEngine(options: EngineOptions): Promise<Engine>;
