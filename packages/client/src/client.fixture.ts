import { createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import { type PointWiseRequest as PointWiseMessage, Predict } from '@inferflow/proto';
import { expect } from 'vitest';
import { createInferflowClient } from './client.js';
import type { InferflowClientOptions } from './client-options.js';
import { ClientError } from './errors.js';

/** What a server does with its calls. */
export type Handlers = Partial<ServiceImpl<typeof Predict>>;

/** A client of a server in memory. */
export function clientOf(handlers: Handlers, options: Partial<InferflowClientOptions> = {}) {
  const transport = createRouterTransport(({ service }) => {
    service(Predict, handlers);
  });
  return createInferflowClient({ transport, timeoutMs: 5000, ...options });
}

/** Answers the target features of the request as they came. */
export const echo: Handlers = {
  inferPointWise: (request) => ({
    targetOutputSchema: request.targetInputSchema.map(({ name, dataType }) => ({ name, dataType })),
    targetScores: request.targets.map((target) => ({ outputValues: target.featureValues })),
  }),
};

/** A server that answers without values, and what it was sent last. */
export function captured(): { handlers: Handlers; last: () => PointWiseMessage; headers: () => Headers } {
  let last: PointWiseMessage | undefined;
  let headers = new Headers();
  return {
    handlers: {
      inferPointWise(request, context) {
        last = request;
        headers = context.requestHeader;
        return { targetScores: request.targets.map(() => ({})) };
      },
    },
    last: () => last!,
    headers: () => headers,
  };
}

/** What `call` rejects with, which must be an error of the client. */
export async function failure(call: Promise<unknown>): Promise<ClientError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ClientError);
  return error as ClientError;
}
