/** How the text of a variable becomes a value. Durations are milliseconds: a bare number or `200ms`, `5s`, `1m`. */
export type EnvKind =
  | 'text'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'duration'
  | 'brokers'
  | 'list'
  | 'origins'
  | 'level'
  | 'hostPort'
  | 'megabytes'
  | 'workers';

/** One environment variable: the only place its name, default and meaning are written down. */
export interface EnvVariable {
  /** The name that is documented first. */
  readonly name: string;
  /** Other accepted spellings; the documents' camel-case names match in any case. Set twice with different values is an error. */
  readonly aliases?: readonly EnvAlias[];
  readonly kind: EnvKind;
  /** `undefined` means: unset. */
  readonly default?: string;
  readonly min?: number;
  readonly max?: number;
  readonly isSecret?: boolean;
  readonly section: string;
  /** One sentence for `docs/reference/environment.md`. */
  readonly meaning: string;
  /** Set when the variable is read for compatibility only: what is said at start-up when it is present. */
  readonly acceptedWith?: string;
}

/** Another name of a variable; `kind` says when its text is written differently (megabytes instead of bytes, `host:port`). */
export interface EnvAlias {
  readonly name: string;
  readonly kind?: EnvKind;
}

const alias = (name: string, kind?: EnvKind): EnvAlias => (kind === undefined ? { name } : { name, kind });

const upstreamTls = <Prefix extends string, Section extends string>(prefix: Prefix, section: Section) =>
  [
    {
      name: `${prefix}_TLS_CA` as const,
      kind: 'text',
      section,
      meaning: 'File with the certificate authorities (PEM) to trust; unset means the system’s.',
    },
    { name: `${prefix}_TLS_CERT` as const, kind: 'text', section, meaning: 'File with the client certificate (PEM).' },
    { name: `${prefix}_TLS_KEY` as const, kind: 'text', section, meaning: 'File with the key of the client certificate (PEM).' },
  ] as const satisfies readonly EnvVariable[];

/** Every variable the server reads. */
export const envTable = [
  {
    name: 'APP_NAME',
    kind: 'text',
    default: 'inferflow',
    section: 'Server',
    meaning: 'Name of the service: etcd path segment, metrics tag, caller id at the compute service.',
  },
  { name: 'APP_ENV', kind: 'text', default: '', section: 'Server', meaning: 'Environment name: the `env` tag of DogStatsD metrics.' },
  {
    name: 'APP_PORT',
    kind: 'integer',
    default: '8085',
    min: 0,
    max: 65535,
    section: 'Server',
    meaning: 'The one TCP port; 0 takes a free one.',
  },
  {
    name: 'APP_LOG_LEVEL',
    kind: 'level',
    default: 'INFO',
    section: 'Server',
    meaning: 'DEBUG, INFO, WARN, ERROR, FATAL, PANIC or DISABLED, in any case.',
  },
  {
    name: 'APP_GC_PERCENTAGE',
    kind: 'text',
    section: 'Server',
    meaning: 'Read for compatibility, without effect.',
    acceptedWith: 'has no meaning in this runtime and is ignored',
  },
  {
    name: 'INFERFLOW_WORKERS',
    kind: 'workers',
    default: '1',
    section: 'Server',
    meaning:
      'Processes that share the port: a number, or `auto` for one per core, of a container with less CPU time as many as that is worth. Limits, caches and upstream connections are per process; `/metrics` shows all of them together.',
  },
  {
    name: 'INFERFLOW_LEAN_LISTENER',
    kind: 'boolean',
    default: 'false',
    section: 'Server',
    meaning:
      'Whether `APP_PORT` speaks an HTTP/2 written for the scoring methods, at a fraction of the CPU; over HTTP/2 it then serves nothing else.',
  },
  {
    name: 'INFERFLOW_FULL_PORT',
    kind: 'integer',
    min: 0,
    max: 65535,
    section: 'Server',
    meaning:
      'With `INFERFLOW_LEAN_LISTENER`: a second port that serves everything (health and reflection over gRPC, gRPC-Web, Connect); 0 takes a free one, unset opens none.',
  },
  { name: 'INFERFLOW_HOST', kind: 'text', section: 'Server', meaning: 'Address to listen on; unset means every address.' },
  {
    name: 'INFERFLOW_PLUGINS',
    kind: 'list',
    default: '',
    section: 'Server',
    meaning: 'Modules (package names or paths) whose exported component definitions are registered.',
  },
  {
    name: 'INFERFLOW_CORS_ORIGINS',
    kind: 'origins',
    default: '',
    section: 'Server',
    meaning: 'Origins whose pages may call, each with its scheme (`https://shop.example`); `*`, alone, means any; none by default.',
  },
  {
    name: 'INFERFLOW_TLS_CERT',
    kind: 'text',
    section: 'Server',
    meaning: 'File with the listener’s certificate chain (PEM); with `INFERFLOW_TLS_KEY` the port speaks TLS only.',
  },
  { name: 'INFERFLOW_TLS_KEY', kind: 'text', section: 'Server', meaning: 'File with the key of the listener’s certificate (PEM).' },
  {
    name: 'INFERFLOW_TLS_CLIENT_CA',
    kind: 'text',
    section: 'Server',
    meaning: 'File with authorities (PEM): callers must then present a certificate.',
  },
  {
    name: 'INFERFLOW_AUTH_FILE',
    kind: 'text',
    section: 'Server',
    meaning:
      'File with one `caller-id sha256-hex-of-token` a line, read again when it changes; callers then send `inferflow-caller-id` and `inferflow-auth-token`.',
  },
  {
    name: 'INFERFLOW_DRAIN_DELAY_MS',
    kind: 'duration',
    default: '0',
    min: 0,
    section: 'Server',
    meaning: 'On SIGTERM: time to be seen as not ready before connections are told to go.',
  },
  {
    name: 'INFERFLOW_SHUTDOWN_GRACE_MS',
    kind: 'duration',
    default: '10000',
    min: 0,
    section: 'Server',
    meaning: 'On SIGTERM: time for requests in flight to finish.',
  },
  {
    name: 'INFERFLOW_MAX_CONNECTION_AGE_MS',
    kind: 'duration',
    default: '0',
    min: 0,
    section: 'Server',
    meaning: 'Age after which a connection is asked to reconnect (±10 %); 0 means never.',
  },
  {
    name: 'INFERFLOW_UPSTREAM_CLIENT',
    kind: 'text',
    default: 'lean',
    section: 'Server',
    meaning:
      'How feature store, model servers and compute service are called: `lean`, HTTP/2 written for these calls, or `node`, the HTTP/2 of the runtime, at many times the CPU.',
  },

  {
    name: 'INFERFLOW_MAX_MESSAGE_BYTES',
    kind: 'integer',
    default: '4194304',
    min: 1024,
    max: 268435456,
    section: 'Limits',
    meaning: 'Largest request message in bytes; beyond it RESOURCE_EXHAUSTED.',
  },
  {
    name: 'INFERFLOW_MAX_TARGETS',
    kind: 'integer',
    default: '20000',
    min: 1,
    max: 1000000,
    section: 'Limits',
    meaning: 'Most targets (rows) of one request.',
  },
  {
    name: 'INFERFLOW_MAX_SLATES',
    kind: 'integer',
    default: '20000',
    min: 1,
    max: 1000000,
    section: 'Limits',
    meaning: 'Most pairs or slates of one request.',
  },
  {
    name: 'INFERFLOW_MAX_FEATURES',
    kind: 'integer',
    default: '2000',
    min: 1,
    max: 60000,
    section: 'Limits',
    meaning: 'Most features a request may declare.',
  },
  {
    name: 'INFERFLOW_MAX_IN_FLIGHT',
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 1000000,
    section: 'Limits',
    meaning: 'Most requests being answered at once; beyond it RESOURCE_EXHAUSTED.',
  },
  {
    name: 'INFERFLOW_MAX_HELD_BYTES',
    kind: 'integer',
    default: '536870912',
    min: 1048576,
    max: 1099511627776,
    section: 'Limits',
    meaning:
      'Most bytes held for callers: requests in progress and answers that are not taken yet; half of it at most for JSON, Connect, gRPC-Web and compressed requests. Beyond it RESOURCE_EXHAUSTED. With `INFERFLOW_FULL_PORT` each port may hold as many.',
  },
  {
    name: 'INFERFLOW_MAX_CONNECTIONS',
    kind: 'integer',
    default: '20000',
    min: 1,
    max: 1000000,
    section: 'Limits',
    meaning: 'Most open connections of a port and process; fewer where the process may not have that many files open.',
  },
  {
    name: 'INFERFLOW_DEFAULT_DEADLINE_MS',
    kind: 'duration',
    default: '10000',
    min: 1,
    section: 'Limits',
    meaning: 'Budget of a request whose caller and model name none.',
  },
  {
    name: 'INFERFLOW_RESERVE_MS',
    kind: 'duration',
    default: '5',
    min: 0,
    section: 'Limits',
    meaning: 'Part of the budget kept back for the answer; upstream calls get the rest.',
  },

  {
    name: 'INFERFLOW_CONFIG_DIR',
    kind: 'text',
    section: 'Configuration',
    meaning: 'Directory with `models/<id>.json`, `.yaml` or `.yml` and `services.json`, watched. Not together with `ETCD_SERVER`.',
  },
  {
    name: 'INFERFLOW_COMPAT',
    kind: 'text',
    section: 'Configuration',
    meaning: '`go-1.0` gives every model the scores of the Go service where the two differ on purpose (migration guide).',
  },
  {
    name: 'ETCD_SERVER',
    aliases: [alias('ETCD_ENDPOINTS')],
    kind: 'list',
    default: '',
    section: 'Configuration',
    meaning: 'etcd endpoints, comma separated, that hold the model configurations.',
  },
  {
    name: 'ETCD_WATCHER_ENABLED',
    kind: 'boolean',
    default: 'true',
    section: 'Configuration',
    meaning: 'Whether changes in etcd go live without a restart.',
  },
  { name: 'ETCD_USERNAME', kind: 'text', section: 'Configuration', meaning: 'User at etcd.' },
  { name: 'ETCD_PASSWORD', kind: 'text', isSecret: true, section: 'Configuration', meaning: 'Password at etcd.' },
  {
    name: 'ETCD_DIAL_TIMEOUT',
    kind: 'duration',
    default: '5000',
    min: 1,
    section: 'Configuration',
    meaning: 'Deadline of one call to etcd.',
  },
  {
    name: 'ETCD_NAMESPACE',
    kind: 'text',
    section: 'Configuration',
    meaning: 'Put in front of every key, for an etcd that is divided by prefix.',
  },
  ...upstreamTls('ETCD', 'Configuration'),
  {
    name: 'INFERFLOW_STATE_DIR',
    kind: 'text',
    section: 'Configuration',
    meaning:
      'Directory that keeps the last good configurations from etcd; a start without etcd serves them. Of several workers the first writes it.',
  },
  {
    name: 'INFERFLOW_STATUS_FILE',
    kind: 'text',
    section: 'Configuration',
    meaning:
      'File that always holds what `GET /config` answers: which version of each model serves, and why. Replaced by rename; workers but the first add `.worker-<number>`.',
  },
  {
    name: 'INFERFLOW_SERVERS',
    kind: 'list',
    default: '',
    section: 'Configuration',
    meaning: 'Servers that `inferflow status` asks, comma separated; a server itself does nothing with it.',
  },

  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_HOST',
    aliases: [alias('externalServiceOnFs_host', 'hostPort')],
    kind: 'text',
    section: 'Feature store',
    meaning: 'Host of the online feature store, or `local` for the embedded one.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_PORT',
    kind: 'integer',
    default: '8089',
    min: 1,
    max: 65535,
    section: 'Feature store',
    meaning: 'Its port; a port in the host wins.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_GRPC_PLAIN_TEXT',
    kind: 'boolean',
    default: 'true',
    section: 'Feature store',
    meaning: 'false means TLS with verified certificates; so does naming any `EXTERNAL_SERVICE_ONFS_FS_TLS_…` file.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_CALLER_ID',
    aliases: [alias('externalServiceOnFs_callerId')],
    kind: 'text',
    default: 'inferflow',
    section: 'Feature store',
    meaning: 'Caller id sent with every call.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN',
    aliases: [alias('externalServiceOnFs_callerToken')],
    kind: 'text',
    default: 'inferflow',
    isSecret: true,
    section: 'Feature store',
    meaning: 'Token sent with every call.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE',
    aliases: [alias('externalServiceOnFs_deadline')],
    kind: 'duration',
    default: '200',
    min: 1,
    section: 'Feature store',
    meaning: 'Deadline of one call.',
  },
  {
    name: 'EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE',
    aliases: [alias('externalServiceOnFs_batchSize')],
    kind: 'integer',
    default: '50',
    min: 1,
    max: 100000,
    section: 'Feature store',
    meaning: 'Keys of one call.',
  },
  {
    name: 'INFERFLOW_FEATURE_STORE_PARALLEL',
    kind: 'integer',
    default: '64',
    min: 1,
    max: 10000,
    section: 'Feature store',
    meaning: 'Most calls of one component at once.',
  },
  ...upstreamTls('EXTERNAL_SERVICE_ONFS_FS', 'Feature store'),

  {
    name: 'EXTERNAL_SERVICE_PREDATOR_PORT',
    kind: 'integer',
    default: '8090',
    min: 1,
    max: 65535,
    section: 'Model server',
    meaning: 'Port of model endpoints that name none.',
  },
  {
    name: 'EXTERNAL_SERVICE_PREDATOR_GRPC_PLAIN_TEXT',
    kind: 'boolean',
    default: 'true',
    section: 'Model server',
    meaning: 'false means TLS with verified certificates; so does naming any `EXTERNAL_SERVICE_PREDATOR_TLS_…` file.',
  },
  {
    name: 'EXTERNAL_SERVICE_PREDATOR_CALLER_ID',
    kind: 'text',
    default: 'inferflow',
    section: 'Model server',
    meaning: 'Caller id sent with every call.',
  },
  {
    name: 'EXTERNAL_SERVICE_PREDATOR_CALLER_TOKEN',
    kind: 'text',
    default: 'inferflow',
    isSecret: true,
    section: 'Model server',
    meaning: 'Token sent with every call.',
  },
  {
    name: 'EXTERNAL_SERVICE_PREDATOR_DEADLINE',
    aliases: [alias('externalServicePredator_defaultDeadline')],
    kind: 'duration',
    default: '200',
    min: 1,
    section: 'Model server',
    meaning: 'Deadline of a model call whose component names none.',
  },
  {
    name: 'INFERFLOW_MODEL_BATCH_SIZE',
    kind: 'integer',
    default: '500',
    min: 1,
    max: 1000000,
    section: 'Model server',
    meaning: 'Rows of one model call where the component names no `batch_size`.',
  },
  ...upstreamTls('EXTERNAL_SERVICE_PREDATOR', 'Model server'),

  {
    name: 'NUMERIX_CLIENT_V1_HOST',
    aliases: [alias('numerixClientV1_host', 'hostPort')],
    kind: 'text',
    section: 'Compute service',
    meaning: 'Host of the compute service, or `local` for expressions in process.',
  },
  {
    name: 'NUMERIX_CLIENT_V1_PORT',
    kind: 'integer',
    default: '8083',
    min: 1,
    max: 65535,
    section: 'Compute service',
    meaning: 'Its port; a port in the host wins.',
  },
  {
    name: 'NUMERIX_CLIENT_V1_PLAINTEXT',
    kind: 'boolean',
    default: 'true',
    section: 'Compute service',
    meaning: 'false means TLS with verified certificates; so does naming any `NUMERIX_CLIENT_V1_TLS_…` file.',
  },
  {
    name: 'NUMERIX_CLIENT_V1_DEADLINE_MS',
    aliases: [alias('numerixClientV1_deadline')],
    kind: 'duration',
    default: '5000',
    min: 1,
    section: 'Compute service',
    meaning: 'Deadline of one call.',
  },
  {
    name: 'NUMERIX_CLIENT_V1_BATCHSIZE',
    kind: 'integer',
    default: '100',
    min: 1,
    max: 1000000,
    section: 'Compute service',
    meaning: 'Rows of one call.',
  },
  {
    name: 'NUMERIX_CLIENT_V1_AUTHTOKEN',
    kind: 'text',
    isSecret: true,
    section: 'Compute service',
    meaning: 'Read for compatibility: the compute service has no authentication, the token is not sent.',
  },
  ...upstreamTls('NUMERIX_CLIENT_V1', 'Compute service'),

  {
    name: 'INFERFLOW_DEMO',
    kind: 'text',
    section: 'Embedded services',
    meaning:
      'Manifest of an embedded set-up (`examples/movies/demo.json`); the default when neither `ETCD_SERVER` nor `INFERFLOW_CONFIG_DIR` is set.',
  },
  {
    name: 'INFERFLOW_FEATURE_STORE',
    kind: 'text',
    section: 'Embedded services',
    meaning: 'Schema file of the embedded feature store, used where its host is `local`.',
  },
  {
    name: 'INFERFLOW_MODELS_DIR',
    kind: 'text',
    section: 'Embedded services',
    meaning: 'Directory of ONNX models, used where an endpoint is `local`.',
  },
  {
    name: 'INFERFLOW_MODEL_THREADS',
    kind: 'integer',
    default: '1',
    min: 1,
    max: 64,
    section: 'Embedded services',
    meaning: 'Child processes that run embedded models, each with all of them.',
  },
  {
    name: 'INFERFLOW_EXPRESSIONS',
    kind: 'text',
    section: 'Embedded services',
    meaning: 'JSON file `{ "<compute id>": "<expression>" }`, used where the compute host is `local`.',
  },

  {
    name: 'IN_MEMORY_CACHE_SIZE_IN_BYTES',
    aliases: [alias('CACHE_SIZE_MB', 'megabytes')],
    kind: 'integer',
    default: '268435456',
    min: 0,
    section: 'Feature cache',
    meaning: 'Upper bound of the feature cache in bytes, taken as it fills; 0 turns it off.',
  },
  {
    name: 'CACHE_TYPE',
    kind: 'text',
    section: 'Feature cache',
    meaning: 'Read for compatibility: there is one cache.',
    acceptedWith: 'has no effect: there is one feature cache',
  },
  {
    name: 'INFERFLOW_SHARE_FETCHES',
    kind: 'boolean',
    default: 'true',
    section: 'Feature cache',
    meaning:
      'Whether requests that need the same keys at the same time share a fetch, and what requests of one moment miss goes out together.',
  },
  {
    name: 'INFERFLOW_WASM',
    kind: 'boolean',
    default: 'true',
    section: 'Feature cache',
    meaning: 'Whether answers of the feature store are decoded in WebAssembly; `0` decodes them in TypeScript.',
  },
  {
    name: 'DAG_TOPOLOGY_CACHE_SIZE',
    kind: 'text',
    section: 'Feature cache',
    meaning: 'Read for compatibility.',
    acceptedWith: 'has no effect: a topology is compiled once with its configuration',
  },
  {
    name: 'DAG_TOPOLOGY_CACHE_TTL_SEC',
    kind: 'text',
    section: 'Feature cache',
    meaning: 'Read for compatibility.',
    acceptedWith: 'has no effect: a topology is compiled once with its configuration',
  },

  {
    name: 'TELEGRAF_HOST',
    kind: 'text',
    section: 'Metrics',
    meaning: 'DogStatsD host; unset turns DogStatsD off. Prometheus is always at `/metrics`.',
  },
  { name: 'TELEGRAF_PORT', kind: 'integer', default: '8125', min: 1, max: 65535, section: 'Metrics', meaning: 'DogStatsD port.' },
  {
    name: 'METRIC_SAMPLING_RATE',
    kind: 'number',
    default: '1',
    min: 0,
    max: 1,
    section: 'Metrics',
    meaning: 'Share of DogStatsD timings that is sent; counts are always exact.',
  },

  {
    name: 'KAFKA_BOOTSTRAP_SERVERS',
    aliases: [alias('KafkaBootstrapServers')],
    kind: 'brokers',
    default: '',
    section: 'Inference log',
    meaning: 'Brokers (`host:port`; without a port 9092) for inference logs; needs `KAFKA_LOGGING_TOPIC`.',
  },
  {
    name: 'KAFKA_LOGGING_TOPIC',
    aliases: [alias('KAFKA_V2_LOG_TOPIC'), alias('KafkaLoggingTopic')],
    kind: 'text',
    section: 'Inference log',
    meaning: 'Topic of the inference logs; `{model}` in it stands for the model’s id, one topic per model.',
  },
  {
    name: 'KAFKA_TLS',
    kind: 'boolean',
    default: 'false',
    section: 'Inference log',
    meaning: 'true speaks TLS with the brokers; so does naming any `KAFKA_TLS_…` file.',
  },
  ...upstreamTls('KAFKA', 'Inference log'),
  {
    name: 'KAFKA_SASL_MECHANISM',
    kind: 'text',
    default: 'scram-sha-256',
    section: 'Inference log',
    meaning: '`plain`, `scram-sha-256` or `scram-sha-512`; used when `KAFKA_SASL_USERNAME` is set.',
  },
  { name: 'KAFKA_SASL_USERNAME', kind: 'text', section: 'Inference log', meaning: 'User at the brokers.' },
  { name: 'KAFKA_SASL_PASSWORD', kind: 'text', isSecret: true, section: 'Inference log', meaning: 'Password at the brokers.' },
  {
    name: 'KAFKA_COMPRESSION',
    kind: 'text',
    default: 'none',
    section: 'Inference log',
    meaning: 'Codec of record batches: `none`, `gzip`, `snappy`, `lz4` or `zstd`.',
  },
  {
    name: 'INFERFLOW_LOG_KEY',
    kind: 'text',
    default: 'none',
    section: 'Inference log',
    meaning: 'Key of Kafka records: `none`, `tracking_id` or `model`.',
  },
  {
    name: 'INFERFLOW_LOG_MAX_RECORD_BYTES',
    kind: 'integer',
    default: '1000000',
    min: 10000,
    max: 67108864,
    section: 'Inference log',
    meaning: 'Largest record and batch; rows are split to stay below. Keep it under the brokers’ `message.max.bytes`.',
  },
  {
    name: 'INFERFLOW_LOG_QUEUE_BYTES',
    kind: 'integer',
    default: '67108864',
    min: 1048576,
    section: 'Inference log',
    meaning: 'Memory for records that wait for a sink; the same again for requests that wait to be encoded.',
  },
  {
    name: 'INFERFLOW_LOG_POLICY',
    kind: 'text',
    default: 'drop-newest',
    section: 'Inference log',
    meaning:
      'What happens when the queue is full: `drop-newest`, `drop-oldest` or `spill` (needs `INFERFLOW_LOG_SPILL_DIR`). Every drop is counted.',
  },
  {
    name: 'INFERFLOW_LOG_SPILL_DIR',
    kind: 'text',
    section: 'Inference log',
    meaning: 'Directory of its own for records that wait on disk; left-over ones are delivered after a restart.',
  },
  {
    name: 'INFERFLOW_LOG_SPILL_BYTES',
    kind: 'integer',
    default: '1073741824',
    min: 1048576,
    section: 'Inference log',
    meaning: 'Most bytes on disk.',
  },
  {
    name: 'INFERFLOW_LOG_ALWAYS',
    kind: 'list',
    default: '',
    section: 'Inference log',
    meaning: 'Requests logged whatever the sampling: `error`, `degraded`, `slow:200ms`, `header:x-debug`, comma separated.',
  },
  {
    name: 'INFERFLOW_LOG_DIR',
    kind: 'text',
    section: 'Inference log',
    meaning: 'Directory for Parquet files `model=…/date=…/hour=…/*.parquet` with one typed column per feature.',
  },
  {
    name: 'INFERFLOW_LOG_FILE_BYTES',
    kind: 'integer',
    default: '67108864',
    min: 65536,
    section: 'Inference log',
    meaning: 'Logged bytes after which a Parquet file is closed.',
  },
  {
    name: 'INFERFLOW_LOG_FILE_INTERVAL_MS',
    kind: 'duration',
    default: '60000',
    min: 100,
    section: 'Inference log',
    meaning: 'Longest time a Parquet file stays open; rows are on disk when it is closed.',
  },
  {
    name: 'INFERFLOW_LOG_THREAD',
    kind: 'boolean',
    default: 'false',
    section: 'Inference log',
    meaning:
      'true encodes inference logs on a thread of their own: for Arrow, Parquet, zstd and many columns. If the thread dies, what it had is counted as dropped (`encode_thread_ended`), and encoding goes on without it.',
  },
  {
    name: 'INFERFLOW_LOG_STDOUT',
    kind: 'boolean',
    default: 'false',
    section: 'Inference log',
    meaning: 'true writes every record as a JSON line to standard output.',
  },
  {
    name: 'INFERFLOW_SCORING_PERCENT',
    kind: 'number',
    default: '0',
    min: 0,
    max: 100,
    section: 'Inference log',
    meaning:
      'Share of requests with a full record (ScoringLog) for models that say nothing (`scoring_log_perc`); needs one of the next three.',
  },
  {
    name: 'INFERFLOW_SCORING_TOPIC',
    kind: 'text',
    section: 'Inference log',
    meaning:
      'Kafka topic of full records, at `KAFKA_BOOTSTRAP_SERVERS`; `{model}` in it stands for the model’s id. Not the topic of the inference logs.',
  },
  {
    name: 'INFERFLOW_SCORING_DIR',
    kind: 'text',
    section: 'Inference log',
    meaning: 'Directory for full records: `model=…/date=…/hour=…/*.scoring`; size and age of files as `INFERFLOW_LOG_FILE_…` say.',
  },
  {
    name: 'INFERFLOW_SCORING_STDOUT',
    kind: 'boolean',
    default: 'false',
    section: 'Inference log',
    meaning: 'true writes every full record as a JSON line to standard output.',
  },
  {
    name: 'INFERFLOW_SCORING_HEADERS',
    kind: 'list',
    default: 'app-version-code',
    section: 'Inference log',
    meaning: 'Request headers that full records hold. Secrets and `user-id` are refused.',
  },
  {
    name: 'INFERFLOW_SCORING_USER_ID',
    kind: 'text',
    default: 'hash',
    section: 'Inference log',
    meaning: 'How full records name users: `hash`, `plain` or `omit`.',
  },
  {
    name: 'INFERFLOW_SCORING_USER_SECRET',
    kind: 'text',
    isSecret: true,
    section: 'Inference log',
    meaning: 'Secret of the hash. Without it ids that can be guessed can be found again.',
  },
  {
    name: 'INFERFLOW_SCORING_USER_COLUMNS',
    kind: 'list',
    default: 'user_id',
    section: 'Inference log',
    meaning: 'Text columns that full records treat like the user id.',
  },
  {
    name: 'INFERFLOW_LOG_FLUSH_MS',
    kind: 'duration',
    default: '5000',
    min: 0,
    section: 'Inference log',
    meaning: 'On SIGTERM: time to deliver what is queued; what is left is counted as dropped, or stays on disk.',
  },
] as const satisfies readonly EnvVariable[];

/** The documented names of all variables. */
export type EnvName = (typeof envTable)[number]['name'];
