export { readClientEnv } from './client-env.js';
export { createNodeInferflowClient, type NodeClientOptions } from './node-client.js';
export type { TlsOptions } from './tls-options.js';
