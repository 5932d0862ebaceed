import { InferflowRequestScan, readUtf8 } from '@inferflow/proto/hot';
import type { Caller } from '../caller.js';
import { type BoundPlan, bindPlan } from '../compile/bind-plan.js';
import type { ModelPlan } from '../compile/model-plan.js';
import { EngineError } from '../errors.js';
import type { RequestRun } from '../run/request-run.js';
import { adaptEntities } from './adapt-inferflow.js';
import { budgetOf } from './budget.js';
import { checkInferflowLimits } from './check-limits.js';
import { findPlan, malformedRequest } from './find-model.js';
import { addInferflowKey, countRows, parseInferflowSchema } from './inferflow-schema.js';
import { headerFlagsOf, keyHead, type OpenServices, putHeaderEntities } from './open-services.js';
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

  /** An open run, or why there is none. */
  open(caller: Caller, message: Uint8Array, startedAt: number): RequestRun | EngineError {
    const scan = this.#scan;
    const { table, limits } = this.#services;
    if (!scan.scan(message)) return malformedRequest(METHOD, '');
    const plan = findPlan(table, METHOD, readUtf8(message, scan.modelConfigIdStart, scan.modelConfigIdEnd));
    if (plan instanceof EngineError) return plan;
    plan.metrics.requested(METHOD);
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
    return this.#fill(bound, caller, message, rowCount, startedAt);
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

  #fill(bound: BoundPlan, caller: Caller, message: Uint8Array, rowCount: number, startedAt: number): RequestRun | EngineError {
    const scan = this.#scan;
    const { plan, schema } = bound;
    const { defaults } = this.#services;
    const budget = budgetOf(startedAt, caller.scope.deadline, plan.config.deadlineMs, defaults.deadlineMs, defaults.reserveMs);
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
      message,
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
