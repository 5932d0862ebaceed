import { channel } from 'node:diagnostics_channel';
import type { Failure } from '@inferflow/components';
import type { Caller } from './caller.js';
import { type BoundPlan, predictKindOf, type RunMemory } from './compile/bind-plan.js';
import type { EngineMethod } from './engine.js';
import type { EngineDefaults, EngineLogger } from './engine-options.js';
import { createRequestError, type EngineError } from './errors.js';
import { FailureLog } from './failure-log.js';
import type { LogTap } from './log-tap.js';
import { LoggedRun } from './logged-run.js';
import type { EngineMetrics } from './metrics.js';
import type { ModelTable } from './model-table.js';
import { checkMessageBytes } from './request/check-limits.js';
import type { Limits } from './request/limits.js';
import { InferflowOpener } from './request/open-inferflow.js';
import { PredictOpener } from './request/open-predict.js';
import { AnswerWriter } from './respond/answer-writer.js';
import { RequestRun, type RunObserver } from './run/request-run.js';
import { internalError } from './run/run-errors.js';
import { isSampled } from './sampling.js';

/** What the door needs. */
export interface DoorServices {
  readonly table: ModelTable;
  readonly limits: Limits;
  readonly defaults: EngineDefaults;
  readonly metrics: EngineMetrics;
  readonly memory: RunMemory;
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
export class RequestDoor implements RunObserver {
  inFlight = 0;
  readonly #services: DoorServices;
  readonly #predict: PredictOpener;
  readonly #inferflow: InferflowOpener;
  readonly #writer = new AnswerWriter();
  readonly #failureLog: FailureLog | null;
  readonly #open: RequestRun[] = [];
  readonly #whenIdle: (() => void)[] = [];
  #refusal: EngineError | null = null;

  constructor(services: DoorServices) {
    this.#services = services;
    this.#failureLog =
      services.logger === null ? null : new FailureLog(services.logger, (id) => services.table.get(id)?.entry.config?.hash);
    const opening = { ...services, takeRun: (bound: BoundPlan) => this.#takeRun(bound) };
    this.#predict = new PredictOpener(opening);
    this.#inferflow = new InferflowOpener(opening);
  }

  /** Answers or refuses the caller, now or later. Never throws. The message must stay as it is until then. */
  begin(method: EngineMethod, caller: Caller, message: Uint8Array): void {
    const startedAt = performance.now();
    this.inFlight++;
    if (requestStart.hasSubscribers) requestStart.publish({ method, byteLength: message.length });
    let run: RequestRun | EngineError;
    try {
      run =
        this.#refusal ??
        this.#overload() ??
        checkMessageBytes(message.length, this.#services.limits) ??
        this.#openRun(method, caller, message, startedAt);
    } catch (error) {
      run = internalError(error);
    }
    if (!(run instanceof RequestRun)) {
      this.#failureLog?.requestFailed(method, run, null, caller);
      this.#ended(method, run, performance.now() - startedAt, caller);
      return;
    }
    run.openIndex = this.#open.length;
    this.#open.push(run);
    run.start();
  }

  #openRun(method: EngineMethod, caller: Caller, message: Uint8Array, startedAt: number): RequestRun | EngineError {
    const kind = predictKindOf(method);
    const run =
      kind === null ? this.#inferflow.open(caller, message, startedAt) : this.#predict.open(method, kind, caller, message, startedAt);
    if (run instanceof RequestRun && run.deadline <= startedAt) {
      run.close();
      return createRequestError('INFERFLOW_ENGINE_DEADLINE_EXCEEDED', 'the deadline of the request had passed when it arrived', {
        modelConfigId: run.modelConfigId,
      });
    }
    return run;
  }

  #overload(): EngineError | null {
    const { maxInFlight } = this.#services.limits;
    if (this.inFlight <= maxInFlight) return null;
    return createRequestError('INFERFLOW_ENGINE_OVERLOADED', `${maxInFlight} requests are in flight, the most this engine takes`, {
      retryAfterMs: 100,
    });
  }

  #takeRun(bound: BoundPlan): RequestRun {
    const idle = bound.runs.take();
    if (idle !== null) return idle;
    bound.runs.created++;
    return new RequestRun(bound, this);
  }

  // RunObserver

  answer(run: RequestRun): void {
    const { caller, method, bound } = run;
    if (caller === null) return;
    let error: EngineError | null = null;
    let faultyRows = 0;
    try {
      caller.respond(this.#writer.write(run, this.#isExtended(run)));
      faultyRows = this.#writer.faultyRows;
    } catch (cause) {
      error = internalError(cause);
      this.#failureLog?.requestFailed(method, error, run, caller);
    }
    this.#writer.close();
    const durationMs = performance.now() - run.startedAt;
    const { metrics } = bound.plan;
    if (error === null) {
      metrics.answered(method, run.slate === null ? run.rowCount : run.slate.matrix.rowCount, durationMs);
      metrics.self.observeMs(run.selfMs(run.startedAt + durationMs));
      metrics.runEnded(run);
      this.#failureLog?.answered(run);
      this.#log(run, { durationMs, faultyRows });
    }
    if (requestEnd.hasSubscribers) {
      requestEnd.publish({
        method,
        modelConfigId: run.modelConfigId,
        rowCount: run.rowCount,
        faultyRows,
        durationMs,
        code: error?.code ?? '',
      });
    }
    this.#closeRun(run);
    this.#ended(method, error, durationMs, caller);
  }

  refused(run: RequestRun, error: EngineError | null): void {
    const { caller, method, bound } = run;
    const durationMs = performance.now() - run.startedAt;
    const { metrics } = this.#services;
    if (error === null) metrics.cancelled.add(1);
    else if (error.kind === 'deadline_exceeded') bound.plan.metrics.budgetExceeded.add(1);
    const reason =
      error ?? createRequestError('INFERFLOW_ENGINE_CANCELLED', 'the caller cancelled the request', { modelConfigId: run.modelConfigId });
    if (reason.code === 'INFERFLOW_ENGINE_OVERLOADED') metrics.turnedAway.add(1);
    this.#failureLog?.requestFailed(method, reason, run, caller);
    if (requestEnd.hasSubscribers) {
      requestEnd.publish({
        method,
        modelConfigId: run.modelConfigId,
        rowCount: run.rowCount,
        faultyRows: 0,
        durationMs,
        code: reason.code,
      });
    }
    this.#closeRun(run);
    this.#ended(method, reason, durationMs, caller);
  }

  componentEnded(run: RequestRun, index: number, failure: Failure | null, durationMs: number): void {
    const component = run.bound.plan.components[index];
    if (component === undefined) return;
    run.bound.plan.metrics.component(component.name).ended(failure, run.outcomes.status(index), durationMs);
    if (componentEnd.hasSubscribers) {
      componentEnd.publish({ modelConfigId: run.modelConfigId, componentName: component.name, reason: failure?.reason ?? '', durationMs });
    }
    if (failure !== null) this.#failureLog?.componentFailed(run, failure);
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
      logger?.error({ modelConfigId: plan.modelConfigId, err: error }, 'the log tap threw');
    } finally {
      record.seal();
    }
  }

  #closeRun(run: RequestRun): void {
    const last = this.#open.pop();
    if (last !== undefined && last !== run && run.openIndex >= 0) {
      last.openIndex = run.openIndex;
      this.#open[run.openIndex] = last;
    }
    run.openIndex = -1;
    const { metrics } = run.bound.plan;
    if (!run.close()) metrics.discarded.add(1);
    run.bound.plan.gate.leave(run, performance.now());
  }

  #ended(method: EngineMethod, error: EngineError | null, durationMs: number, caller: Caller | null): void {
    this.inFlight--;
    this.#services.metrics.rpcEnded(method, error?.kind ?? null, durationMs);
    if (error !== null) caller?.refuse(error);
    if (this.inFlight === 0) for (const wake of this.#whenIdle.splice(0)) wake();
  }

  /** Refuses new requests, lets open ones end for `graceMs`, aborts the rest. */
  async close(graceMs: number): Promise<void> {
    this.#refusal ??= createRequestError('INFERFLOW_ENGINE_NOT_READY', 'the engine is closed');
    if (this.inFlight > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#whenIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    const aborted = createRequestError('INFERFLOW_ENGINE_NOT_READY', 'the engine was closed before the request was answered');
    for (const run of [...this.#open]) run.abort(aborted);
  }
}
