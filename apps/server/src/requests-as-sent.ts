import { type DescMethodUnary, type Message, toBinary } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';

type Handler = ConnectRouter['handlers'][number];

/** Answers the bytes of a request. */
export type BytesHandler = (request: Uint8Array, context: HandlerContext) => Promise<Message>;

/**
 * Adds a method whose implementation gets the bytes of its request. Those of a binary request are the ones that were sent, so what reads
 * them on the fast path judges them here as well, and the library only takes their fields apart; JSON is turned into what it stands for.
 */
export function addMethod(router: ConnectRouter, method: DescMethodUnary, handle: BytesHandler): void {
  router.rpc(method, (request, context) => handle(toBinary(method.input, request), context));
  const ofJson = lastOf(router);
  // A message without fields: all that is sent are unknown fields, which it keeps as they are, in their order.
  const asSent: DescMethodUnary<typeof EmptySchema> = { ...method, input: EmptySchema };
  router.rpc(asSent, (request, context) => handle(toBinary(EmptySchema, request), context));
  const ofBytes = lastOf(router);
  const { service, requestPath, supportedContentType, protocolNames, allowedMethods } = ofJson;
  const properties = { service, method, requestPath, supportedContentType, protocolNames, allowedMethods };
  const either: Handler = Object.assign((request: Parameters<Handler>[0]) => {
    const type = request.header.get('content-type') ?? '';
    return (/json/i.test(type) ? ofJson : ofBytes)(request);
  }, properties);
  router.handlers.push(either);
}

function lastOf(router: ConnectRouter): Handler {
  const handler = router.handlers.pop();
  if (handler === undefined) throw new Error('the router has not added the method');
  return handler;
}
