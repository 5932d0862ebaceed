export { createServer, type Server } from './create-server.js';
export { type Environment, readEnvironment, type Setting } from './env.js';
export { type EnvAlias, type EnvKind, type EnvName, type EnvVariable, envTable } from './env-table.js';
export { ServerStartError, type ServerStartErrorCode } from './errors.js';
export { explainModel } from './explain-model.js';
export { createLogger, type ServerLogger } from './logger.js';
export { openRuntime, type Runtime } from './open-runtime.js';
export { loadPlugins } from './plugins.js';
export { runServer } from './run-server.js';
