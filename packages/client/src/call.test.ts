import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '@inferflow/proto';
import { describe, expect, it, vi } from 'vitest';
import { captured, clientOf, echo, failure, type Handlers } from './client.fixture.js';
import type { CallReport } from './client-options.js';
import { ClientErrorCode } from './errors.js';

describe('a call', () => {
  const request = { modelConfigId: 'm', targets: [{ id: 'a' }] };

  it('has a tracking id on pages without crypto.randomUUID, too', async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    try {
      const ids = await Promise.all([1, 2].map(async () => (await clientOf(echo).inferPointWise(request)).trackingId));
      expect(ids[0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      expect(ids[1]).not.toBe(ids[0]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('carries identity, own headers and a tracking id', async () => {
    const server = captured();
    const client = clientOf(server.handlers, {
      callerId: 'shop',
      authToken: 'secret',
      headers: { 'user-id': 'client', clp_id: 'x' },
      createTrackingId: () => 'made',
    });
    const made = await client.inferPointWise(request, { headers: { 'user-id': ['one', 'two'] } });
    expect(made.trackingId).toBe('made');
    expect(server.last().trackingId).toBe('made');
    expect(server.headers().get('inferflow-caller-id')).toBe('shop');
    expect(server.headers().get('inferflow-auth-token')).toBe('secret');
    expect(server.headers().get('user-id')).toBe('one, two');
    expect(server.headers().get('clp_id')).toBe('x');
    expect((await client.inferPointWise({ ...request, trackingId: 'given' })).trackingId).toBe('given');
    expect((await clientOf(echo).inferPointWise(request)).trackingId).toMatch(/^[\da-f-]{36}$/);
    expect((await failure(client.inferPointWise(request, { headers: { 'bad name': 'x' } }))).code).toBe(ClientErrorCode.requestInvalid);
  });

  it('passes on code, violations, reason and retry delay of a refusal', async () => {
    const details = [
      { desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations: [{ field: 'targets', description: 'too many' }] }) },
      { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason: 'INFERFLOW_ENGINE_INVALID_REQUEST' }) },
      { desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay: create(DurationSchema, { seconds: 1n, nanos: 5e8 }) }) },
    ];
    const client = clientOf({
      inferPointWise() {
        throw new ConnectError('bad', Code.InvalidArgument, undefined, details);
      },
    });
    const error = await failure(client.inferPointWise({ ...request, trackingId: 't' }));
    expect(error).toMatchObject({
      code: ClientErrorCode.callFailed,
      grpcCode: 3,
      problems: [{ path: 'targets', message: 'too many' }],
      reason: 'INFERFLOW_ENGINE_INVALID_REQUEST',
      retryDelayMs: 1500,
      trackingId: 't',
    });
    expect(error.message).toBe('InferPointWise failed with InvalidArgument: bad');
    expect(error.cause).toBeInstanceOf(ConnectError);
  });

  const never: Handlers = {
    inferPointWise: (_, context) =>
      new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason))),
  };

  it('ends at its deadline', async () => {
    const error = await failure(clientOf(never).inferPointWise(request, { timeoutMs: 20 }));
    expect(error.code).toBe(ClientErrorCode.deadlineExceeded);
    expect(error.grpcCode).toBe(4);
  });

  it('rejects with its own error whatever a list holds', async () => {
    const error = await failure(clientOf(echo).inferPointWise({ ...request, targets: [{ id: 'a' }, null as never] }));
    expect(error.problems).toEqual([{ path: 'targets[1]', message: 'is missing' }]);
  });

  it('tells the server another deadline than its own, or none, and waits for what the server says', async () => {
    const told: (string | null)[] = [];
    const late: Handlers = {
      inferPointWise(_, context) {
        told.push(context.requestHeader.get('connect-timeout-ms'));
        const reason = { desc: ErrorInfoSchema, value: { reason: 'LATE', domain: 'd' } };
        throw new ConnectError('component "a" was too slow', Code.DeadlineExceeded, undefined, [reason]);
      },
    };
    const error = await failure(clientOf(late).inferPointWise(request, { timeoutMs: 5000, deadlineMs: 300 }));
    expect(error.message).toBe('InferPointWise did not answer in time: component "a" was too slow');
    await failure(clientOf(late).inferPointWise(request, { deadlineMs: null }));
    expect(Number(told[0])).toBeGreaterThan(0);
    expect(Number(told[0])).toBeLessThanOrEqual(300);
    expect(told[1]).toBeNull();
    const silent = await failure(clientOf(never).inferPointWise(request, { timeoutMs: 20, deadlineMs: null }));
    expect([silent.code, silent.grpcCode]).toEqual([ClientErrorCode.deadlineExceeded, 4]);
    expect((await failure(clientOf(never).inferPointWise(request, { deadlineMs: 0 }))).problems.map(({ path }) => path)).toEqual([
      'deadlineMs',
    ]);
  });

  it('ends when its signal aborts, before and during', async () => {
    const controller = new AbortController();
    const call = failure(clientOf(never).inferPointWise(request, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 5);
    expect((await call).code).toBe(ClientErrorCode.aborted);
    expect((await failure(clientOf(echo).inferPointWise(request, { signal: AbortSignal.abort() }))).code).toBe(ClientErrorCode.aborted);
  });

  function flaky(failures: number, code: Code): { handlers: Handlers; calls: () => number } {
    let calls = 0;
    return {
      calls: () => calls,
      handlers: {
        inferPointWise(message) {
          calls++;
          if (calls <= failures) {
            throw new ConnectError('later', code);
          }
          return { targetScores: message.targets.map(() => ({})) };
        },
      },
    };
  }

  it('is tried again on UNAVAILABLE only, as often as allowed, within its time', async () => {
    const reports: CallReport[] = [];
    const once = flaky(1, Code.Unavailable);
    await clientOf(once.handlers, { onCall: (report) => reports.push(report) }).inferPointWise(request);
    expect(reports[0]).toMatchObject({ method: 'InferPointWise', modelConfigId: 'm', grpcCode: 0, attempts: 2 });
    const twice = flaky(2, Code.Unavailable);
    expect((await failure(clientOf(twice.handlers).inferPointWise(request))).grpcCode).toBe(14);
    expect(twice.calls()).toBe(2);
    const internal = flaky(1, Code.Internal);
    await failure(clientOf(internal.handlers).inferPointWise(request));
    expect(internal.calls()).toBe(1);
    const none = flaky(1, Code.Unavailable);
    await failure(clientOf(none.handlers, { retries: 0 }).inferPointWise(request));
    expect(none.calls()).toBe(1);
    const hurried = flaky(1, Code.Unavailable);
    await failure(clientOf(hurried.handlers).inferPointWise(request, { timeoutMs: 2 }));
    expect(hurried.calls()).toBeLessThanOrEqual(1);
  });

  it('is reported with its failure, and a broken hook harms nothing', async () => {
    const reports: CallReport[] = [];
    const client = clientOf(flaky(9, Code.NotFound).handlers, {
      onCall(report) {
        reports.push(report);
        throw new Error('hook');
      },
    });
    expect((await failure(client.inferPointWise(request))).grpcCode).toBe(5);
    expect(reports).toMatchObject([{ grpcCode: 5, attempts: 1 }]);
    expect(reports[0]!.durationMs).toBeGreaterThanOrEqual(0);
  });

  it('is waited for by close, which then refuses and releases', async () => {
    let answer: (message: object) => void = () => undefined;
    let closed = 0;
    const client = clientOf(
      {
        inferPointWise: () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      },
      { onClose: () => void closed++ },
    );
    const call = client.inferPointWise(request);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const closing = client.close();
    expect((await failure(client.inferPointWise(request))).code).toBe(ClientErrorCode.closed);
    expect(closed).toBe(0);
    answer({ targetScores: [{}] });
    expect((await call).targets.length).toBe(1);
    await closing;
    await client.close();
    expect(closed).toBe(1);
  });

  it('is aborted by close when the grace has passed', async () => {
    const client = clientOf(never);
    const call = failure(client.inferPointWise(request));
    await client.close(5);
    expect((await call).code).toBe(ClientErrorCode.closed);
  });
});
