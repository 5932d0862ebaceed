import { InferflowRequestScan, readUtf8 } from '@inferflow/proto/hot';
import type { Caller } from '../caller.js';
import { type BoundPlan, bindPlan } from '../compile/bind-plan.js';
import type { ModelPlan } from '../compile/model-plan.js';
import { EngineError } from '../errors.js';
import type { RequestRun } from '../run/request-run.js';
import { adaptEntities } from './adapt-inferflow.js';
import { checkInferflowLimits } from './check-limits.js';
import { findPlan, malformedRequest } from './find-model.js';
import { addInferflowKey, countRows, parseInferflowSchema } from './inferflow-schema.js';
import { headerFlagsOf, keyHead, type OpenRequest, type OpenServices, putHeaderEntities } from './open-services.js';
import type { InferflowTables } from './request-schema.js';
import { SchemaKey } from './schema-key.js';
import { Violations } from './violations.js';

const METHOD = 'RetrieveModelScore';

/** Turns `RetrieveModelScore` requests into runs whose blocks are filled. One at a time: it works in place. */
export class InferflowOpener {
  readonly #services: OpenServices;
  readonly #scan = new InferflowRequestScan();
  readonly #key = new SchemaKey();
  readonly #violations = new Violations();

  constructor(services: OpenServices) {
    this.#services = services;
  }

  /** The plan for a request, or why there is none. Little work: the request may be refused or have to wait. */
  find(message: Uint8Array): ModelPlan | EngineError {
    const scan = this.#scan;
    if (!scan.scan(message)) return malformedRequest(METHOD, '');
    const plan = findPlan(this.#services.table, METHOD, readUtf8(message, scan.modelConfigIdStart, scan.modelConfigIdEnd));
    if (!(plan instanceof EngineError)) plan.metrics.requested(METHOD);
    return plan;
  }

  /** An open run of a plan that was found, or why there is none; `isScanned` = its request is the last that was looked at here. */
  open(plan: ModelPlan, request: OpenRequest, isScanned: boolean): RequestRun | EngineError {
    const { caller } = request;
    const message = request.message.bytes;
    const scan = this.#scan;
    const { limits } = this.#services;
    if (!isScanned && !scan.scan(message)) return malformedRequest(METHOD, '', plan.modelConfigId);
    const violations = this.#violations;
    violations.clear();
    if (scan.entities.count === 0) {
      violations.add('entities', 'RetrieveModelScore request must have at least one entity');
      return violations.toError(plan.modelConfigId);
    }
    const rowCount = countRows(message, scan);
    if (rowCount < 0) return malformedRequest(METHOD, 'entities', plan.modelConfigId);
    // The bounds come before the key: it grows with the request.
    if (scan.entities.count > limits.maxFeatures) return checkInferflowLimits(scan, rowCount, scan.entities.count, limits) as EngineError;
    const headers = headerFlagsOf(caller);
    const key = this.#key;
    key.begin(keyHead(METHOD, headers));
    const columns = addInferflowKey(key, message, scan);
    if (columns < 0) return malformedRequest(METHOD, 'entities', plan.modelConfigId);
    const limit = checkInferflowLimits(scan, rowCount, columns, limits);
    if (limit !== null) return limit;
    const bound = plan.boundPlans.find(key) ?? this.#bind(plan, caller, message);
    if (bound instanceof EngineError) return bound;
    return this.#fill(bound, request, rowCount);
  }

  #bind(plan: ModelPlan, caller: Caller, message: Uint8Array): BoundPlan | EngineError {
    const violations = this.#violations;
    const schema = parseInferflowSchema(message, this.#scan, headerFlagsOf(caller), violations);
    if (schema === null) return malformedRequest(METHOD, 'entities', plan.modelConfigId);
    if (violations.count > 0) return violations.toError(plan.modelConfigId);
    const bound = bindPlan(plan, schema, this.#services.memory, violations);
    if (bound === null) return violations.toError(plan.modelConfigId);
    plan.boundPlans.add(this.#key, bound);
    return bound;
  }

  #fill(bound: BoundPlan, { caller, message, startedAt, budget }: OpenRequest, rowCount: number): RequestRun | EngineError {
    const scan = this.#scan;
    const { plan, schema } = bound;
    const run = this.#services.takeRun(bound);
    run.open({ caller, message, rowCount, slateCount: 0, startedAt, deadline: budget.deadline, reserveMs: budget.reserveMs });
    run.trackingIdStart = scan.trackingIdStart;
    run.trackingIdEnd = scan.trackingIdEnd;
    run.tenantIdStart = 0;
    run.tenantIdEnd = 0;
    run.omitQuality = scan.options.omitQuality ?? false;
    run.includeConfigHash = scan.options.includeConfigHash;
    const violations = this.#violations;
    const isWellFormed = adaptEntities(
      message.bytes,
      scan,
      schema.inferflow as InferflowTables,
      plan.compat,
      run.blocks.rows,
      run.blocks.broadcast,
      violations,
    );
    if (isWellFormed && violations.count === 0) {
      putHeaderEntities(run, schema);
      return run;
    }
    run.close();
    return isWellFormed ? violations.toError(plan.modelConfigId) : malformedRequest(METHOD, 'entities', plan.modelConfigId);
  }
}
