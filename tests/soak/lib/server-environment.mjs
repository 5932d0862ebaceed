// How a server under test finds its upstreams, and what it shows them.
import { patient } from './patience.mjs';

export const CALLER = 'soak-caller';
export const TOKEN = 'soak-token';

/** Environment of a server that calls these services. */
export function environmentFor({ store, model, compute }) {
  return {
    EXTERNAL_SERVICE_ONFS_FS_HOST: '127.0.0.1',
    EXTERNAL_SERVICE_ONFS_FS_PORT: store.port,
    EXTERNAL_SERVICE_ONFS_FS_CALLER_ID: CALLER,
    EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN: TOKEN,
    EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(300),
    EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE: 6,
    EXTERNAL_SERVICE_PREDATOR_PORT: model.port,
    EXTERNAL_SERVICE_PREDATOR_CALLER_ID: CALLER,
    EXTERNAL_SERVICE_PREDATOR_CALLER_TOKEN: TOKEN,
    NUMERIX_CLIENT_V1_HOST: '127.0.0.1',
    NUMERIX_CLIENT_V1_PORT: compute.port,
    NUMERIX_CLIENT_V1_DEADLINE_MS: patient(300),
  };
}
