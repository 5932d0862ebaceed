import { IndexList, PredictKind, PredictRequestScan, placeSlate, readUtf8 } from '@inferflow/proto/hot';
import type { Caller } from '../caller.js';
import { type BoundPlan, bindPlan } from '../compile/bind-plan.js';
import type { ModelPlan } from '../compile/model-plan.js';
import type { EngineMethod } from '../engine.js';
import { EngineError } from '../errors.js';
import type { RequestRun } from '../run/request-run.js';
import { adaptContext, adaptSlates, adaptTargets, checkIndices, checkValues } from './adapt-predict.js';
import { checkPredictLimits, checkSlateTargets } from './check-limits.js';
import { findPlan, malformedRequest } from './find-model.js';
import { headerFlagsOf, keyHead, type OpenRequest, type OpenServices, putHeaderEntities } from './open-services.js';
import { addPredictKey, parsePredictSchema } from './predict-schema.js';
import type { PredictTables, RequestSchema } from './request-schema.js';
import { SchemaKey } from './schema-key.js';
import { Violations } from './violations.js';

const noWords = new Int32Array(0);

/** Turns the three typed requests into runs whose blocks are filled. One at a time: it works in place. */
export class PredictOpener {
  readonly #services: OpenServices;
  readonly #scan = new PredictRequestScan();
  readonly #key = new SchemaKey();
  readonly #violations = new Violations();
  readonly #schemaViolations = new Violations();
  readonly #indices = new IndexList();

  constructor(services: OpenServices) {
    this.#services = services;
  }

  /** The plan for a request, or why there is none. Little work: the request may be refused or have to wait. */
  find(method: EngineMethod, kind: PredictKind, message: Uint8Array): ModelPlan | EngineError {
    const scan = this.#scan;
    const { table, metrics } = this.#services;
    if (!scan.scan(message, kind)) return malformedRequest(method, '');
    const plan = findPlan(table, method, readUtf8(message, scan.modelConfigIdStart, scan.modelConfigIdEnd));
    if (plan instanceof EngineError) metrics.unanswerable(method, plan.modelConfigId);
    else plan.metrics.requested(method);
    return plan;
  }

  /** An open run of a plan that was found, or why there is none; `isScanned` = its request is the last that was looked at here. */
  open(plan: ModelPlan, kind: PredictKind, request: OpenRequest, isScanned: boolean): RequestRun | EngineError {
    const { method, caller } = request;
    const message = request.message.bytes;
    const scan = this.#scan;
    if (!isScanned && !scan.scan(message, kind)) return malformedRequest(method, '', plan.modelConfigId);
    const limit = checkPredictLimits(scan, this.#services.limits);
    if (limit !== null) return limit;
    const bound = this.#bound(plan, method, kind, caller, message);
    if (bound instanceof EngineError) return bound;
    const violations = this.#violations;
    violations.clear();
    this.#checkCounts(kind, violations);
    if (violations.count > 0) return violations.toError(plan.modelConfigId);
    return this.#fill(bound, kind, request);
  }

  #fill(bound: BoundPlan, kind: PredictKind, { caller, message, startedAt, budget }: OpenRequest): RequestRun | EngineError {
    const scan = this.#scan;
    const { plan } = bound;
    const { limits } = this.#services;
    const run = this.#services.takeRun(bound);
    run.open({
      caller,
      message,
      rowCount: scan.targets.count,
      slateCount: scan.slates.count,
      startedAt,
      deadline: budget.deadline,
      reserveMs: budget.reserveMs,
    });
    run.trackingIdStart = scan.trackingIdStart;
    run.trackingIdEnd = scan.trackingIdEnd;
    run.tenantIdStart = scan.tenantIdStart;
    run.tenantIdEnd = scan.tenantIdEnd;
    run.omitQuality = scan.options.omitQuality ?? false;
    run.includeConfigHash = scan.options.includeConfigHash;
    const violations = this.#violations;
    const malformed = this.#adapt(run, bound.schema.predict as PredictTables, kind, message.bytes);
    const error =
      malformed ?? (violations.count > 0 ? violations.toError(plan.modelConfigId) : checkSlateTargets(this.#indices.count, limits));
    if (error === null) return run;
    run.close();
    return error;
  }

  /** Slates first: their recorded texts come before ours. null = well-formed. */
  #adapt(run: RequestRun, tables: PredictTables, kind: PredictKind, message: Uint8Array): EngineError | null {
    const scan = this.#scan;
    const violations = this.#violations;
    const { plan, schema } = run.bound;
    const checksCounts = !plan.compat;
    const indices = this.#indices;
    indices.clear();
    if (schema.slates !== null) {
      const offsets = new Int32Array(scan.slates.count + 1);
      if (!adaptSlates(message, scan, kind, tables, checksCounts, run.blocks.slateRows, indices, offsets, violations)) {
        return malformedRequest(schema.method, kind === PredictKind.pairWise ? 'pairs' : 'slates', plan.modelConfigId);
      }
      checkIndices(kind, indices, offsets, scan.slates.count, scan.targets.count, violations);
      run.blocks.setSlates(offsets, indices.values.slice(0, indices.count));
    }
    if (!adaptTargets(message, scan, tables, checksCounts, run.blocks.rows, violations))
      return malformedRequest(schema.method, 'targets', plan.modelConfigId);
    if (run.blocks.broadcast !== null) {
      if (!adaptContext(message, scan, tables, run.blocks.broadcast, violations))
        return malformedRequest(schema.method, 'context_features', plan.modelConfigId);
      putHeaderEntities(run, schema);
    }
    return null;
  }

  #bound(plan: ModelPlan, method: EngineMethod, kind: PredictKind, caller: Caller, message: Uint8Array): BoundPlan | EngineError {
    const key = this.#key;
    const headers = headerFlagsOf(caller);
    key.begin(keyHead(method, headers));
    if (!addPredictKey(key, message, this.#scan)) return malformedRequest(method, 'context_features', plan.modelConfigId);
    const known = plan.boundPlans.find(key);
    if (known !== null) return known;
    const schemaViolations = this.#schemaViolations;
    schemaViolations.clear();
    const { response, requestValues } = plan.config;
    const settings = { idColumn: response.idColumn, requestValues, keyColumns: keyColumnsOf(plan) };
    const schema = parsePredictSchema(method, settings, message, this.#scan, headers, schemaViolations);
    if (schema === null) return malformedRequest(method, 'schema', plan.modelConfigId);
    const bound = schemaViolations.count > 0 ? null : bindPlan(plan, schema, this.#services.memory, schemaViolations);
    if (bound === null) return this.#refusal(plan, schema, kind, message);
    plan.boundPlans.add(key, bound);
    return bound;
  }

  /** What the original would have said goes first; then what is wrong with the schema, then with values. */
  #refusal(plan: ModelPlan, schema: RequestSchema, kind: PredictKind, message: Uint8Array): EngineError {
    const violations = this.#violations;
    violations.clear();
    this.#checkCounts(kind, violations);
    const { slates, targets } = this.#scan;
    const indices = this.#indices;
    indices.clear();
    const offsets = new Int32Array(slates.count + 1);
    for (let slate = 0; slate < slates.count; slate++) {
      if (placeSlate(message, slates.start(slate), slates.end(slate), kind, indices, noWords, 0, noWords) < 0) break;
      offsets[slate + 1] = indices.count;
    }
    if (targets.count > 0) checkIndices(kind, indices, offsets, slates.count, targets.count, violations);
    violations.addAll(this.#schemaViolations);
    checkValues(message, this.#scan, kind, schema, !plan.compat, violations);
    return violations.toError(plan.modelConfigId);
  }

  #checkCounts(kind: PredictKind, violations: Violations): void {
    const { targets, slates } = this.#scan;
    const word = kind === PredictKind.pairWise ? 'pairwise' : kind === PredictKind.slateWise ? 'slatewise' : 'pointwise';
    if (kind === PredictKind.pairWise && slates.count === 0) violations.add('pairs', 'pairwise request must have at least one pair');
    if (kind === PredictKind.slateWise && slates.count === 0) violations.add('slates', 'slatewise request must have at least one slate');
    if (targets.count === 0) violations.add('targets', `${word} request must have at least one target`);
  }
}

function keyColumnsOf(plan: ModelPlan): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { component } of plan.components) {
    for (const read of Object.values(component.reads)) if (read.kind === 'keys') for (const name of read.columns) names.add(name);
  }
  return names;
}
