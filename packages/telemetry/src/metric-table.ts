import {
  bare,
  constant,
  counter,
  gauge,
  histogram,
  type MetricShape,
  pair,
  type StatsdDefinition,
  type StatsdTag,
} from './metric-definition.js';

const model = bare('model-id', 'model_id');
const component = [model, bare('component-name', 'component_name')];
const external = [pair('ext-service', 'ext_service'), pair('endpoint', 'endpoint')];
const componentLabels = ['model_id', 'component_name'];
const externalLabels = [...componentLabels, 'ext_service', 'endpoint'];
const cacheTags = [constant('cache_name:in_memory_cache_v1'), constant('service:')];

/** Work inside one process: microseconds matter. */
const INNER_MS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 100];

function main(name: string, ...tags: readonly StatsdTag[]): StatsdDefinition {
  return { name, tags, client: 'main' };
}

function second(name: string, ...tags: readonly StatsdTag[]): StatsdDefinition {
  return { name, tags, client: 'second' };
}

const shapes = {
  // Names of the original; the first argument is the documented name as Prometheus writes it.
  requests: counter(
    'inferflow_router_api_request_total',
    'RPCs that reached the engine, by method and gRPC status code; those refused at the door are in inferflow_requests_refused_total only.',
    {
      labels: ['api', 'status'],
      statsd: main('inferflow.router.api.request.total', pair('api', 'api'), pair('status', 'status')),
    },
  ),
  requestLatency: histogram(
    'inferflow_router_api_request_latency_seconds',
    'Time from request to answer, by method and gRPC status code.',
    {
      labels: ['api', 'status'],
      statsd: main('inferflow.router.api.request.latency', pair('api', 'api'), pair('status', 'status')),
    },
  ),
  retrieveModelScoreRequests: counter('inferflow_retrievemodelscore_request_total', 'RetrieveModelScore calls whose model is known.', {
    labels: ['model_id'],
    statsd: main('inferflow.retrievemodelscore.request.total', model),
  }),
  retrieveModelScoreBatchSize: counter(
    'inferflow_retrievemodelscore_batch_size_total',
    'Ids of the first entity of RetrieveModelScore calls.',
    {
      labels: ['model_id'],
      statsd: main('inferflow.retrievemodelscore.request.batch.size', model),
    },
  ),
  retrieveModelScoreLatency: histogram('inferflow_retrievemodelscore_latency_seconds', 'Time of successful RetrieveModelScore calls.', {
    labels: ['model_id'],
    statsd: main('inferflow.retrievemodelscore.request.latency', model),
  }),
  predictRequests: counter('predict_infer_request_total', 'Predict calls, before the model is looked up.', {
    labels: ['model_id', 'inference_mode'],
    statsd: main('predict.infer.request.total', model, bare('inference-mode', 'inference_mode')),
  }),
  predictLatency: histogram('predict_infer_latency_seconds', 'Time of successful Predict calls.', {
    labels: ['model_id', 'inference_mode'],
    statsd: main('predict.infer.request.latency', model, bare('inference-mode', 'inference_mode')),
  }),
  predictBatchSize: counter('predict_infer_request_batch_size_total', 'Targets, pairs or slates of successful Predict calls.', {
    labels: ['model_id', 'inference_mode'],
    statsd: main('predict.infer.request.batch.size', model, bare('inference-mode', 'inference_mode')),
  }),
  componentExecutions: counter('inferflow_component_execution_total', 'Component runs started.', {
    labels: componentLabels,
    statsd: main('inferflow.component.execution.total', ...component),
  }),
  componentLatency: histogram('inferflow_component_execution_latency_seconds', 'Time of completed component runs.', {
    labels: componentLabels,
    statsd: main('inferflow.component.execution.latency', ...component),
  }),
  componentErrors: counter('inferflow_component_execution_error_total', 'Errors of component runs, by error type.', {
    labels: [...componentLabels, 'error_type'],
    optional: ['ext_service', 'endpoint'],
    statsd: main('inferflow.component.execution.error', ...component, ...external, bare('error-type', 'error_type')),
  }),
  componentFeatureCount: counter('inferflow_component_feature_count_total', 'Unique entities × features of feature components.', {
    labels: componentLabels,
    statsd: main('inferflow.component.feature.count', ...component),
  }),
  inMemoryCacheRequests: counter('inferflow_component_inmemorycache_request_total', 'Unique entities looked up in the feature cache.', {
    labels: componentLabels,
    statsd: main('inferflow.component.inmemorycache.request.total', ...component),
  }),
  inMemoryCacheMisses: counter('inferflow_component_inmemorycache_miss_total', 'Unique entities that the feature cache did not have.', {
    labels: componentLabels,
    statsd: main('inferflow.component.inmemorycache.request.miss.total', ...component),
  }),
  conversionLatency: histogram('inferflow_datatype_conversion_execution_latency_seconds', 'Time to assemble the inputs of a model call.', {
    labels: componentLabels,
    bucketsMs: INNER_MS,
    statsd: main('inferflow.datatype.conversion.execution.latency', ...component),
  }),
  predatorLatency: histogram('inferflow_component_predator_execution_latency_seconds', 'Time of model calls, all chunks.', {
    labels: componentLabels,
    statsd: main('inferflow.component.predator.execution.latency', ...component),
  }),
  conversionCount: counter('inferflow_matrix_byte_to_byte_conversion_count_total', 'Cells converted to another type for a model input.', {
    labels: componentLabels,
    statsd: main('inferflow.matrix.byte.to.byte.conversion.count', ...component),
  }),
  externalRequests: counter('inferflow_external_api_request_total', 'Calls to feature store, models and compute service.', {
    labels: externalLabels,
    statsd: main('inferflow.external.api.request.total', ...component, ...external),
  }),
  externalBatch: counter('inferflow_external_api_request_batch_total', 'Keys requested from the feature store.', {
    labels: externalLabels,
    statsd: main('inferflow.external.api.request.batch', ...component, ...external),
  }),
  externalLatency: histogram(
    'inferflow_external_api_latency_seconds',
    'Time of calls to feature store, models and compute service, standing in line included.',
    {
      labels: externalLabels,
      statsd: main('inferflow.external.api.request.latency', ...component, ...external),
    },
  ),
  loggingSent: counter('inferflow_logging_kafka_sent_total', 'Inference log messages handed to Kafka.', {
    labels: ['model_id'],
    statsd: main('inferflow.logging.kafka_sent', model),
  }),
  // The original spells the reason as two bare tags for some failures and as a pair for others.
  loggingErrors: counter('inferflow_logging_error_total', 'Inference log records or messages that failed.', {
    labels: ['model_id'],
    optional: ['error', 'error_type'],
    statsd: main('inferflow.logging.error', model, bare('error', 'error'), pair('error-type', 'error_type')),
  }),
  // Our own: inference logs.
  loggingRows: counter('inferflow_logging_rows_total', 'Rows of requests chosen for the inference log.', {
    labels: ['model_id'],
    optional: ['kind'],
  }),
  loggingRowsDelivered: counter('inferflow_logging_rows_delivered_total', 'Logged rows that a sink has, in its sense of delivered.', {
    labels: ['model_id', 'sink'],
    optional: ['kind'],
  }),
  loggingRowsRepeated: counter(
    'inferflow_logging_rows_maybe_repeated_total',
    'Delivered rows that a sink may have twice, after a failure.',
    {
      labels: ['model_id', 'sink'],
      optional: ['kind'],
    },
  ),
  loggingRowsDropped: counter('inferflow_logging_rows_dropped_total', 'Rows chosen for the log that were lost, by reason.', {
    labels: ['model_id', 'reason'],
    optional: ['kind', 'sink'],
  }),
  loggingRowsSpilled: counter('inferflow_logging_rows_spilled_total', 'Logged rows that took the way over local disk.', {
    labels: ['model_id'],
    optional: ['kind'],
  }),
  loggingCellsUnfit: counter('inferflow_logging_cells_unfit_total', 'Values that their log type cannot hold, logged as missing.', {
    labels: ['model_id'],
    optional: ['kind'],
  }),
  loggingDeliveryFailures: counter('inferflow_logging_delivery_failure_total', 'Attempts of a sink that failed, by topic and reason.', {
    labels: ['sink', 'topic', 'reason'],
    optional: ['kind'],
  }),
  loggingCapturedBytes: gauge('inferflow_logging_captured_bytes', 'Memory of answered requests that wait to be encoded.', {
    optional: ['kind'],
  }),
  loggingQueueBytes: gauge('inferflow_logging_queue_bytes', 'Encoded records in memory that wait for a sink.', {
    labels: ['sink'],
    optional: ['kind'],
  }),
  loggingSpillBytes: gauge('inferflow_logging_spill_bytes', 'Records on local disk that wait for a sink.', {
    labels: ['sink'],
    optional: ['kind'],
  }),
  schemaErrors: counter('inferflow_config_schema_parsing_error_total', 'Versions of a model config that were refused.', {
    labels: ['model_id'],
    statsd: main('inferflow_config_schema_parsing_error', model),
  }),
  cacheHitRate: gauge('in_memory_cache_hit_rate', 'Share of feature cache lookups that were hits.', {
    statsd: second('in_memory_cache_hit_rate', ...cacheTags),
  }),
  cacheItems: gauge('in_memory_cache_items', 'Entries in the feature cache.', {
    statsd: second('in_memory_cache_item_count', ...cacheTags),
  }),
  cacheEvacuations: gauge('in_memory_cache_evacuations', 'Entries that made room for others, since start.', {
    statsd: second('in_memory_cache_evacuate_count', ...cacheTags),
  }),
  cacheExpirations: gauge('in_memory_cache_expirations', 'Entries dropped because their time was over, since start.', {
    statsd: second('in_memory_cache_expiry_count', ...cacheTags),
  }),
  sdkCalls: counter('external_api_request_total', 'Model and compute calls, by method and gRPC status code.', {
    labels: ['external_service', 'method', 'grpc_status_code'],
    statsd: second(
      'external_api_request_count',
      constant('communication_protocol:grpc'),
      pair('external_service', 'external_service'),
      pair('method', 'method'),
      pair('grpc_status_code', 'grpc_status_code'),
      constant('service:'),
    ),
  }),
  sdkFailedChunks: counter('external_api_failed_chunk_total', 'Chunks of model calls that failed while others succeeded.', {
    labels: ['model_name', 'caller_id'],
    statsd: second(
      'external_api_request_count',
      pair('model-name', 'model_name'),
      pair('caller-id', 'caller_id'),
      constant('error_type:batch_processing_error'),
      constant('service:'),
    ),
  }),

  // Our own: requests and runs.
  requestsInFlight: gauge('inferflow_requests_in_flight', 'Requests being answered now.'),
  selfTime: histogram(
    'inferflow_self_seconds',
    'Time of answered requests spent in this process: waiting for their turn included, waiting for upstreams not. What lies unread in a socket counts as upstream.',
    { labels: ['model_id'], bucketsMs: INNER_MS },
  ),
  requestsWaiting: gauge('inferflow_requests_waiting', 'Requests that wait for their turn, of those in flight.', { labels: ['model_id'] }),
  admissionLimit: gauge('inferflow_admission_limit', 'Requests of a model that are worked on at once at most; adapts to its upstreams.', {
    labels: ['model_id'],
  }),
  requestsRefused: counter('inferflow_requests_refused_total', 'Requests refused before they were run, by reason.', { labels: ['reason'] }),
  requestsCancelled: counter('inferflow_requests_cancelled_total', 'Requests whose caller left before the answer.'),
  budgetExceeded: counter('inferflow_request_budget_exceeded_total', 'Requests that ran out of time.', { labels: ['model_id'] }),
  runsDiscarded: counter(
    'inferflow_runs_discarded_total',
    'Run states not reused because something could still write to them, memory ran out, or what was told of their end threw.',
    {
      labels: ['model_id'],
    },
  ),
  poolOutstanding: gauge(
    'inferflow_memory_pool_outstanding_bytes',
    'Pooled memory in use, by requests in flight and by logged ones that are still to be encoded; zero without any.',
  ),
  poolIdle: gauge('inferflow_memory_pool_idle_bytes', 'Pooled memory that waits for reuse.'),
  poolAbandoned: gauge(
    'inferflow_memory_pool_abandoned_bytes',
    'Pooled memory left to the garbage collector since start, because a component that ignored its deadline could still write to it, or memory ran out.',
  ),
  cells: counter('inferflow_cells_total', 'Cells stored, by component and status.', { labels: [...componentLabels, 'status'] }),
  rowFaults: counter('inferflow_row_faults_total', 'Rows whose score does not rest on real inputs, by reason.', {
    labels: [...componentLabels, 'reason'],
  }),
  defaultedInputs: counter('inferflow_model_input_defaulted_total', 'Model input values filled by a default.', { labels: componentLabels }),
  absentColumns: counter(
    'inferflow_absent_column_total',
    'Requests that did not send a column which a component reads (no component_name: the answer) and no component writes.',
    { labels: [...componentLabels, 'column'] },
  ),
  componentOutcomes: counter('inferflow_component_outcome_total', 'Component runs, by how they ended.', {
    labels: [...componentLabels, 'status'],
    optional: ['reason'],
  }),
  componentsAbandoned: counter('inferflow_component_abandoned_total', 'Component runs that ignored their deadline.', {
    labels: componentLabels,
  }),
  lateFinishes: counter('inferflow_component_late_finish_total', 'Calls of done or failed that came too late or twice.', {
    labels: componentLabels,
  }),
  bindCacheRequests: counter('inferflow_bind_cache_request_total', 'Lookups of a layout for a request schema, by result (hit, miss).', {
    labels: ['model_id', 'result'],
  }),
  // Our own: feature cache.
  featureCacheHits: counter('inferflow_feature_cache_hit_total', 'Rows served from the feature cache.', { labels: componentLabels }),
  featureCacheStale: counter('inferflow_feature_cache_stale_total', 'Expired rows served because the store failed.', {
    labels: componentLabels,
  }),
  featureCacheEvictions: counter('inferflow_feature_cache_evicted_total', 'Rows that made room for others.'),
  featureCacheExpirations: counter('inferflow_feature_cache_expired_total', 'Rows dropped because their time was over.'),
  featureCacheRefused: counter('inferflow_feature_cache_refused_total', 'Rows too large to be cached.'),
  featureCacheBytes: gauge('inferflow_feature_cache_bytes', 'Bytes the feature cache holds, off the JavaScript heap.'),
  featureCacheLimit: gauge('inferflow_feature_cache_limit_bytes', 'Bytes the feature cache may hold.'),
  featureCacheRows: gauge('inferflow_feature_cache_rows', 'Rows in the feature cache.'),
  featureFetchesShared: counter('inferflow_feature_fetch_shared_total', 'Keys not asked because another request was already asking.', {
    labels: componentLabels,
  }),
  // Our own: upstreams.
  upstreamReconnects: counter('inferflow_upstream_reconnect_total', 'Connections opened again after a loss.', { labels: ['ext_service'] }),
  upstreamRetries: counter('inferflow_upstream_retry_total', 'Calls sent a second time.', { labels: ['ext_service'] }),
  upstreamSetAside: counter('inferflow_upstream_set_aside_total', 'Addresses set aside after repeated failures.', {
    labels: ['ext_service'],
  }),
  upstreamFailures: counter('inferflow_upstream_failure_total', 'Calls that failed, by reason.', { labels: ['ext_service', 'reason'] }),
  upstreamConnections: gauge('inferflow_upstream_connections', 'Open connections to an upstream.', { labels: ['ext_service'] }),
  upstreamInFlight: gauge(
    'inferflow_upstream_calls_in_flight',
    'Calls made and not ended, those that stand in line for the service included.',
    { labels: ['ext_service'] },
  ),
  // Our own: configuration.
  configModels: gauge('inferflow_config_models', 'Models in the current snapshot, by state (live, warming, rejected, stale).', {
    labels: ['state'],
  }),
  configModelState: gauge('inferflow_config_model_state', '1 for the state a model is in, 0 for the others.', {
    labels: ['model_id', 'state'],
    isBounded: true,
  }),
  configModelStateTime: gauge(
    'inferflow_config_model_state_timestamp_seconds',
    'When the newest version of a model came into its state, seconds since 1970.',
    { labels: ['model_id'], isBounded: true },
  ),
  configModelRevision: gauge('inferflow_config_model_revision', 'Etcd’s revision of a model’s newest version, 0 where there is none.', {
    labels: ['model_id'],
    isBounded: true,
  }),
  configModelHash: gauge(
    'inferflow_config_model_hash',
    'First 12 hex digits of a model’s config hash as a number, by version (newest, live); 0 if none is live. Equal numbers are equal configs.',
    { labels: ['model_id', 'version'], isBounded: true },
  ),
  configModelRefused: gauge('inferflow_config_model_refused', '1 for the problem code that a model’s newest version is refused for.', {
    labels: ['model_id', 'code'],
    isBounded: true,
  }),
  configSnapshots: counter('inferflow_config_snapshot_total', 'Config snapshots taken over.'),
  configSnapshotTime: gauge('inferflow_config_snapshot_timestamp_seconds', 'When the current snapshot was taken over, seconds since 1970.'),
  configSnapshotInfo: gauge('inferflow_config_snapshot_info', '1, labelled with the content hash of the current snapshot.', {
    labels: ['hash'],
  }),
  configSourceState: gauge(
    'inferflow_config_source_state',
    '1 for the state of the config source (starting, live, stale), 0 for the others.',
    {
      labels: ['state'],
    },
  ),
  configSourceStateTime: gauge('inferflow_config_source_state_timestamp_seconds', 'When that state began, seconds since 1970.'),
  configDataLoss: gauge('inferflow_config_source_data_loss', '1 while models serve that the config source has lost.'),
  configStoreFailed: gauge('inferflow_config_store_failed', '1 while the last good configs cannot be kept on disk.'),
  // Our own: listener and process.
  connections: gauge('inferflow_connections', 'Open connections of callers, by protocol.', { labels: ['protocol'] }),
  sessionResets: counter('inferflow_session_reset_total', 'Sessions closed because their caller reset too many streams.'),
  buildInfo: gauge('inferflow_build_info', '1, labelled with the version of the product and of Node.', {
    labels: ['version', 'node_version'],
  }),
  telemetryFailures: counter(
    'inferflow_telemetry_failure_total',
    'Failures of telemetry itself: overflow, hook, statsd_address, statsd_send.',
    {
      labels: ['reason'],
    },
  ),
  processCpuUser: counter('process_cpu_user_seconds_total', 'User CPU time.'),
  processCpuSystem: counter('process_cpu_system_seconds_total', 'System CPU time.'),
  workers: gauge('inferflow_workers', 'Worker processes that answered when this was asked of them (with `INFERFLOW_WORKERS`).'),
  workerRestarts: counter('inferflow_worker_restarts_total', 'Workers that ended and were replaced.'),
  processStartTime: gauge('process_start_time_seconds', 'Start of the process, seconds since 1970.'),
  processResidentMemory: gauge('process_resident_memory_bytes', 'Resident memory.'),
  processHeapUsed: gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.'),
  processHeapTotal: gauge('nodejs_heap_size_reserved_bytes', 'JavaScript heap reserved.'),
  processExternalMemory: gauge(
    'nodejs_external_memory_bytes',
    'Memory outside the heap that JavaScript objects hold, array buffers included.',
  ),
  processArrayBuffers: gauge('nodejs_array_buffers_bytes', 'Memory of array buffers.'),
  processHandles: gauge('nodejs_active_resources', 'What keeps the event loop alive, by type.', { labels: ['type'] }),
  loopDelay: gauge(
    'nodejs_eventloop_lag_seconds',
    'Event-loop delay, by quantity: mean, p50 and p99 of the last full minute, max of that and the running one.',
    {
      labels: ['quantity'],
    },
  ),
  loopUtilization: gauge('nodejs_eventloop_utilization_ratio', 'Share of time the event loop was busy, over the last 15 to 30 seconds.'),
  gcPauses: histogram('nodejs_gc_duration_seconds', 'Garbage collection pauses, by kind.', {
    labels: ['kind'],
    bucketsMs: [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 500],
  }),
} as const satisfies Record<string, MetricShape>;

/** The name by which code asks for a metric. */
export type MetricName = keyof typeof shapes;

/** One row of the metric table. */
export interface MetricDefinition extends MetricShape {
  readonly name: MetricName;
}

/** Every metric there is: its Prometheus name, labels and help, and what the DogStatsD wire calls it. */
export const metricTable: readonly MetricDefinition[] = Object.freeze(
  Object.entries(shapes).map(([name, shape]) =>
    // Object.entries forgets the keys' type.
    Object.freeze({ ...shape, name: name as MetricName }),
  ),
);

/** The names as constants: `telemetry.counter(Metric.componentExecutions, …)`. */
export const Metric: { readonly [Name in MetricName]: Name } = Object.freeze(
  // Every key maps to itself, which the type says and `fromEntries` forgets.
  Object.fromEntries(metricTable.map(({ name }) => [name, name])) as { [Name in MetricName]: Name },
);
