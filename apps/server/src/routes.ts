import { type DescMessage, type DescMethodUnary, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { type Engine, EngineError, type EngineMethod } from '@inferflow/engine';
import { Health, Inferflow, Predict } from '@inferflow/proto';
import type { CallerCheck } from './auth.js';
import { addHealth, type Readiness } from './health.js';
import { holdAnswerBytes, holdRequestBytes } from './held-bytes.js';
import type { ServerLogger } from './logger.js';
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
  const scoring = <I extends DescMessage, O extends DescMessage>(method: DescMethodUnary<I, O>) => {
    return async (request: MessageShape<I>, context: HandlerContext): Promise<MessageShape<O>> => {
      const header = (name: string): string | undefined => context.requestHeader.get(name) ?? undefined;
      if (callerCheck !== null && !callerCheck.allows(header))
        throw new ConnectError('caller id or token is missing or wrong', Code.Unauthenticated);
      const bytes = toBinary(method.input, request);
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
        return fromBinary(method.output, answer);
      } catch (error) {
        if (error instanceof EngineError) throw toConnectError(error);
        if (error instanceof ConnectError) throw error;
        logger.error({ err: error, method: method.name }, 'a request failed unexpectedly');
        throw new ConnectError('Internal server error', Code.Internal);
      }
    };
  };
  return (router) => {
    router.service(Predict, {
      inferPointWise: scoring(Predict.method.inferPointWise),
      inferPairWise: scoring(Predict.method.inferPairWise),
      inferSlateWise: scoring(Predict.method.inferSlateWise),
    });
    router.service(Inferflow, { retrieveModelScore: scoring(Inferflow.method.retrieveModelScore) });
    addHealth(router, readiness, [Predict.typeName, Inferflow.typeName]);
    addReflection(router, [Predict, Inferflow, Health]);
    explainRefusals(router, refusals);
  };
}
