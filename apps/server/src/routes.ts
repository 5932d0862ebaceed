import type { DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { type Engine, EngineError, type EngineMethod } from '@inferflow/engine';
import { Health, Inferflow, Predict } from '@inferflow/proto';
import type { CallerCheck } from './auth.js';
import { addHealth, type Readiness } from './health.js';
import { holdAnswerBytes, holdRequestBytes } from './held-bytes.js';
import type { ServerLogger } from './logger.js';
import { addMethod, type BytesHandler } from './messages-as-sent.js';
import { addReflection } from './reflection.js';
import { explainRefusals, type RefusalOptions } from './rpc-refusals.js';
import { toConnectError } from './to-connect-error.js';

/** Everything that is not hot gRPC: gRPC-Web, Connect, JSON, compressed bodies, health and reflection. */
export function createRoutes(
  engine: Engine,
  readiness: Readiness,
  logger: ServerLogger,
  callerCheck: CallerCheck | null,
  refusals: RefusalOptions,
): (router: ConnectRouter) => void {
  const scoring = (method: DescMethodUnary): BytesHandler => {
    return async (bytes, context) => {
      const header = (name: string): string | undefined => context.requestHeader.get(name) ?? undefined;
      if (callerCheck !== null && !callerCheck.allows(header))
        throw new ConnectError('caller id or token is missing or wrong', Code.Unauthenticated);
      // Of a compressed request the listener has counted what came.
      holdRequestBytes(context.values, bytes.length, refusals.onHeldBytes);
      try {
        const remainingMs = context.timeoutMs();
        const answer = await engine.handle(method.name as EngineMethod, bytes, {
          header,
          headerValues: (name) => context.requestHeader.get(name)?.split(/,\s*/) ?? [],
          deadline: remainingMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + remainingMs,
          signal: context.signal,
        });
        holdAnswerBytes(context.values, answer.length);
        return answer;
      } catch (error) {
        if (error instanceof EngineError) throw toConnectError(error);
        if (error instanceof ConnectError) throw error;
        logger.error({ err: error, method: method.name }, 'a request failed unexpectedly');
        throw new ConnectError('Internal server error', Code.Internal);
      }
    };
  };
  return (router) => {
    const { inferPointWise, inferPairWise, inferSlateWise } = Predict.method;
    const methods: readonly DescMethodUnary[] = [inferPointWise, inferPairWise, inferSlateWise, Inferflow.method.retrieveModelScore];
    for (const method of methods) addMethod(router, method, scoring(method));
    addHealth(router, readiness, [Predict.typeName, Inferflow.typeName]);
    addReflection(router, [Predict, Inferflow, Health]);
    explainRefusals(router, refusals);
  };
}
