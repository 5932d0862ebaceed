import { channel } from 'node:diagnostics_channel';
import type { Failure } from '@inferflow/components';
import { longestTimerMs, warnOfThrow } from '@inferflow/transport';
import { Admission } from './admission/admission-gate.js';
import type { ProcessLoad } from './admission/process-load.js';
import type { Caller } from './caller.js';
import { type BoundPlan, predictKindOf, type RunMemory } from './compile/bind-plan.js';
import type { ModelPlan } from './compile/model-plan.js';
import type { EngineMethod } from './engine.js';
import type { EngineDefaults, EngineLogger } from './engine-options.js';
import { createRequestError, EngineError } from './errors.js';
import { FailureLog } from './failure-log.js';
import type { LogTap } from './log-tap.js';
import { LoggedRun } from './logged-run.js';
import type { EngineMetrics } from './metrics.js';
import { ModelMix } from './model-mix.js';
import type { ModelTable } from './model-table.js';
import { OpenList } from './open-list.js';
import { budgetOf } from './request/budget.js';
import { checkMessageBytes } from './request/check-limits.js';
import { KeptMessage } from './request/kept-message.js';
import type { Limits } from './request/limits.js';
import { InferflowOpener } from './request/open-inferflow.js';
import { PredictOpener } from './request/open-predict.js';
import type { OpenRequest } from './request/open-services.js';
import { AnswerWriter } from './respond/answer-writer.js';
import { RequestRun } from './run/request-run.js';
import { cancelled, internalError } from './run/run-errors.js';
import type { RunObserver } from './run/run-observer.js';
import { isSampled } from './sampling.js';
import { type WaitingHost, WaitingRequest } from './waiting-request.js';

/** What the door needs. */
export interface DoorServices {
  readonly table: ModelTable;
  readonly limits: Limits;
  readonly defaults: EngineDefaults;
  readonly metrics: EngineMetrics;
  readonly memory: RunMemory;
  /** Of this process; null = never taken into account. */
  readonly load: ProcessLoad | null;
  readonly logTap: LogTap | null;
  readonly logger: EngineLogger | null;
  readonly now: () => number;
}

const requestStart = channel('inferflow:request:start');
const requestEnd = channel('inferflow:request:end');
const componentEnd = channel('inferflow:component:end');

/**
 * The one door of the engine: every request, however it came, arrives here as message bytes, and every answer leaves from here.
 * No promise is made between the two.
 */
export class RequestDoor implements RunObserver, WaitingHost {
  inFlight = 0;
  readonly models = new ModelMix();
  readonly #services: DoorServices;
  readonly #predict: PredictOpener;
  readonly #inferflow: InferflowOpener;
  readonly #writer = new AnswerWriter();
  readonly #failureLog: FailureLog | null;
  readonly #runs = new OpenList<RequestRun>();
  readonly #waiting = new OpenList<WaitingRequest>();
  readonly #whenIdle: (() => void)[] = [];
  #refusal: EngineError | null = null;
  #full: EngineError | null = null;
  /** The run of the request that is being taken in. */
  #opening: RequestRun | null = null;

  constructor(services: DoorServices) {
    this.#services = services;
    this.#failureLog =
      services.logger === null ? null : new FailureLog(services.logger, (id) => services.table.get(id)?.entry.config?.hash);
    const opening = { ...services, takeRun: (bound: BoundPlan) => this.#takeRun(bound) };
    this.#predict = new PredictOpener(opening);
    this.#inferflow = new InferflowOpener(opening);
  }

  /** Answers or refuses the caller, now or later. Never throws. The message is copied if it is needed after this has returned. */
  begin(method: EngineMethod, caller: Caller, message: Uint8Array): void {
    const startedAt = performance.now();
    this.inFlight++;
    if (requestStart.hasSubscribers) requestStart.publish({ method, byteLength: message.length });
    const error = this.#refusal ?? this.#overload(startedAt) ?? checkMessageBytes(message.length, this.#services.limits);
    const plan = error ?? this.#find(method, message);
    if (plan instanceof EngineError) this.#refuse(method, plan, caller, startedAt);
    else this.#admit(plan, method, caller, message, startedAt);
  }

  /** A request was refused, here or before it came here, because as many are in progress as may be. */
  refusedForRoom(now: number): void {
    this.#services.load?.refusedForRoom(now);
  }

  #find(method: EngineMethod, message: Uint8Array): ModelPlan | EngineError {
    const kind = predictKindOf(method);
    try {
      return kind === null ? this.#inferflow.find(message) : this.#predict.find(method, kind, message);
    } catch (error) {
      return internalError(error);
    }
  }

  /** Has a request begin or wait, or refuses it. */
  #admit(plan: ModelPlan, method: EngineMethod, caller: Caller, message: Uint8Array, startedAt: number): void {
    const { modelConfigId, gate } = plan;
    this.models.asked(modelConfigId, startedAt);
    const { deadlineMs, reserveMs } = this.#services.defaults;
    const budget = budgetOf(startedAt, caller.scope.deadline, plan.config.deadlineMs, deadlineMs, reserveMs);
    if (budget.deadline <= startedAt) {
      const text = 'the deadline of the request had passed when it arrived';
      this.#refuse(method, createRequestError('INFERFLOW_ENGINE_DEADLINE_EXCEEDED', text, { modelConfigId }), caller, startedAt);
      return;
    }
    const admission = gate.ask(budget.deadline - budget.reserveMs, startedAt);
    if (admission === Admission.refuse) {
      this.#turnAway(plan, method, caller, startedAt, gate.retryAfterMs);
      return;
    }
    const kept = this.#keep(message);
    if (kept instanceof EngineError) {
      this.#refuse(method, kept, caller, startedAt);
      return;
    }
    const request = { method, caller, message: kept, startedAt, budget };
    if (admission === Admission.begin) this.#begin(plan, request, true);
    else {
      const waiting = new WaitingRequest(plan, request, this);
      this.#waiting.add(waiting);
      waiting.start();
    }
  }

  /** Fails only for want of memory. */
  #keep(message: Uint8Array): KeptMessage | EngineError {
    try {
      return new KeptMessage(this.#services.memory.pool, message);
    } catch (error) {
      return internalError(error);
    }
  }

  #begin(plan: ModelPlan, request: OpenRequest, isScanned: boolean): void {
    const kind = predictKindOf(request.method);
    let run: RequestRun | EngineError;
    try {
      run = kind === null ? this.#inferflow.open(plan, request, isScanned) : this.#predict.open(plan, kind, request, isScanned);
    } catch (error) {
      run = internalError(error);
      if (this.#opening !== null) {
        this.#opening.discard();
        plan.metrics.discarded.add(1);
      }
    }
    this.#opening = null;
    // Without a run, or when that failed before its blocks were made.
    request.message.drop();
    if (!(run instanceof RequestRun)) {
      this.#refuse(request.method, run, request.caller, request.startedAt);
      return;
    }
    this.#runs.add(run);
    plan.gate.letIn(run, performance.now());
    run.start();
  }

  #turnAway(plan: ModelPlan, method: EngineMethod, caller: Caller, startedAt: number, retryAfterMs: number): void {
    this.#services.metrics.turnedAway.add(1);
    this.#refuse(method, plan.overloads.of(retryAfterMs), caller, startedAt, plan.config.errorLoggingPercent);
  }

  /** Ends a request that has no run. */
  #refuse(method: EngineMethod, error: EngineError, caller: Caller, startedAt: number, logPercent?: number): void {
    const durationMs = performance.now() - startedAt;
    this.#noteRefusal(method, error, null, caller, durationMs, logPercent);
    this.#ended(method, error, durationMs, caller);
  }

  // WaitingHost

  waited(waiting: WaitingRequest): void {
    this.#waiting.remove(waiting);
    this.#begin(waiting.plan, waiting.request, false);
  }

  waitedTooLong(waiting: WaitingRequest, retryAfterMs: number): void {
    const { method, caller, startedAt } = this.#left(waiting);
    this.#turnAway(waiting.plan, method, caller, startedAt, retryAfterMs);
  }

  waitedInVain(waiting: WaitingRequest): void {
    const { method, caller, startedAt } = this.#left(waiting);
    this.#services.metrics.cancelled.add(1);
    this.#refuse(method, cancelled(waiting.plan.modelConfigId), caller, startedAt);
  }

  /** It waits no more, and will not begin. */
  #left(waiting: WaitingRequest): OpenRequest {
    this.#waiting.remove(waiting);
    waiting.request.message.drop();
    return waiting.request;
  }

  #overload(now: number): EngineError | null {
    const { maxInFlight } = this.#services.limits;
    if (this.inFlight <= maxInFlight) return null;
    this.refusedForRoom(now);
    const text = `${maxInFlight} requests are in flight, the most this engine takes`;
    this.#full ??= createRequestError('INFERFLOW_ENGINE_OVERLOADED', text, { retryAfterMs: 100 });
    return this.#full;
  }

  #takeRun(bound: BoundPlan): RequestRun {
    let run = bound.runs.take();
    if (run === null) {
      bound.runs.created++;
      run = new RequestRun(bound, this);
    }
    this.#opening = run;
    return run;
  }

  // RunObserver

  answer(run: RequestRun): void {
    const { caller, method } = run;
    if (caller === null) return;
    let error: EngineError | null = null;
    let faultyRows = 0;
    try {
      caller.respond(this.#writer.write(run, this.#isExtended(run)));
      faultyRows = this.#writer.faultyRows;
    } catch (cause) {
      error = internalError(cause);
    }
    this.#writer.close();
    const durationMs = performance.now() - run.startedAt;
    if (error === null) this.#noteAnswer(run, durationMs, faultyRows);
    else this.#noteRefusal(method, error, run, caller, durationMs);
    this.#closeRun(run);
    this.#ended(method, error, durationMs, caller);
  }

  refused(run: RequestRun, error: EngineError | null): void {
    const { caller, method, bound } = run;
    const durationMs = performance.now() - run.startedAt;
    if (error === null) this.#services.metrics.cancelled.add(1);
    else if (error.kind === 'deadline_exceeded') bound.plan.metrics.budgetExceeded.add(1);
    const reason = error ?? cancelled(run.modelConfigId);
    this.#noteRefusal(method, reason, run, caller, durationMs);
    this.#closeRun(run);
    this.#ended(method, reason, durationMs, caller);
  }

  threw({ modelConfigId }: RequestRun, error: unknown): void {
    this.#threw(modelConfigId, error);
  }

  componentEnded(run: RequestRun, index: number, failure: Failure | null, durationMs: number): void {
    const component = run.bound.plan.components[index];
    if (component === undefined) return;
    run.bound.plan.metrics.component(component.name).ended(failure, run.outcomes.status(index), durationMs);
    if (componentEnd.hasSubscribers) {
      componentEnd.publish({ modelConfigId: run.modelConfigId, componentName: component.name, reason: failure?.reason ?? '', durationMs });
    }
    if (failure === null) return;
    try {
      this.#failureLog?.componentFailed(run, failure);
    } catch (error) {
      this.threw(run, error);
    }
  }

  // What is thrown while others are told of the end of a request keeps neither it from ending nor the next from its turn.

  #noteAnswer(run: RequestRun, durationMs: number, faultyRows: number): void {
    const { method, modelConfigId, rowCount, slate } = run;
    const { metrics } = run.bound.plan;
    try {
      metrics.answered(method, slate === null ? rowCount : slate.matrix.rowCount, durationMs);
      metrics.self.observeMs(run.work.totalMs(run.startedAt + durationMs));
      metrics.runEnded(run);
      if (requestEnd.hasSubscribers) requestEnd.publish({ method, modelConfigId, rowCount, faultyRows, durationMs, code: '' });
      this.#failureLog?.answered(run);
      this.#log(run, { durationMs, faultyRows });
    } catch (error) {
      this.threw(run, error);
    }
  }

  #noteRefusal(
    method: EngineMethod,
    error: EngineError,
    run: RequestRun | null,
    caller: Caller | null,
    durationMs: number,
    logPercent?: number,
  ): void {
    const modelConfigId = run?.modelConfigId ?? error.modelConfigId;
    const rowCount = run?.rowCount ?? 0;
    try {
      if (requestEnd.hasSubscribers) requestEnd.publish({ method, modelConfigId, rowCount, faultyRows: 0, durationMs, code: error.code });
      this.#failureLog?.requestFailed(method, error, run, caller, logPercent);
    } catch (cause) {
      this.#threw(modelConfigId, cause);
    }
  }

  #threw(modelConfigId: string, err: unknown): void {
    const { logger } = this.#services;
    if (logger === null) warnOfThrow('what was told of the end of a request', err);
    else logger.error({ modelConfigId, err }, 'what was told of the end of a request threw');
  }

  #isExtended(run: RequestRun): boolean {
    const { plan } = run.bound;
    const percent = plan.config.response.modelSchemaPercent;
    if (percent <= 0 || run.method !== 'RetrieveModelScore') return false;
    return isSampled(percent, { userId: run.userId, routeHash: run.routeHash, nowMs: this.#services.now(), compat: plan.compat });
  }

  #log(run: RequestRun, ended: { readonly durationMs: number; readonly faultyRows: number }): void {
    const { logTap, logger, now } = this.#services;
    if (logTap === null) return;
    const { plan } = run.bound;
    const record = new LoggedRun(
      run,
      { modelConfigId: plan.modelConfigId, config: plan.config, configHash: plan.config.hash, compat: plan.compat },
      now(),
      ended,
    );
    try {
      if (!logTap.wants(record.plan, record)) return;
      record.hold();
      logTap.taken(record);
    } catch (error) {
      record.release();
      logger?.error({ modelConfigId: plan.modelConfigId, err: error }, 'the log tap threw');
    } finally {
      record.seal();
    }
  }

  #closeRun(run: RequestRun): void {
    this.#runs.remove(run);
    const { plan } = run.bound;
    let isPooled = false;
    try {
      isPooled = run.close();
    } catch (error) {
      run.discard();
      this.threw(run, error);
    }
    if (!isPooled) plan.metrics.discarded.add(1);
    plan.gate.leave(run, performance.now());
  }

  #ended(method: EngineMethod, error: EngineError | null, durationMs: number, caller: Caller | null): void {
    this.inFlight--;
    this.#services.metrics.rpcEnded(method, error?.kind ?? null, durationMs);
    if (error !== null) this.#tell(caller, error);
    if (this.inFlight === 0) for (const wake of this.#whenIdle.splice(0)) wake();
  }

  /** What the caller's side throws must not keep others from their turn. */
  #tell(caller: Caller | null, error: EngineError): void {
    try {
      caller?.refuse(error);
    } catch (cause) {
      this.#services.logger?.error({ modelConfigId: error.modelConfigId, err: cause }, 'a refusal could not be sent');
    }
  }

  /** Refuses new requests, lets open ones end for `graceMs`, aborts the rest. */
  async close(graceMs: number): Promise<void> {
    this.#refusal ??= createRequestError('INFERFLOW_ENGINE_NOT_READY', 'the engine is closed');
    if (this.inFlight > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(graceMs, longestTimerMs));
        this.#whenIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    const aborted = createRequestError('INFERFLOW_ENGINE_NOT_READY', 'the engine was closed before the request was answered');
    for (let waiting = this.#waiting.any; waiting !== undefined; waiting = this.#waiting.any) {
      waiting.stop();
      const { method, caller, startedAt } = this.#left(waiting);
      this.#refuse(method, aborted, caller, startedAt);
    }
    for (const run of this.#runs.toArray()) run.abort(aborted);
  }
}
