import { type DescMethodUnary, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Empty, EmptySchema } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';

type Handler = ConnectRouter['handlers'][number];

/** Answers the bytes of a request with those of its answer. */
export type BytesHandler = (request: Uint8Array, context: HandlerContext) => Promise<Uint8Array>;

/**
 * Adds a method whose implementation gets and gives bytes. Those of a binary request are the ones that were sent, so what reads them on the
 * fast path judges them here as well, and the library only takes the fields of the messages apart; JSON is turned into what it stands for.
 */
export function addMethod(router: ConnectRouter, method: DescMethodUnary, handle: BytesHandler): void {
  router.rpc(method, async (request, context) => fromBinary(method.output, await handle(toBinary(method.input, request), context)));
  const ofJson = lastOf(router);
  // A message without fields: all that it is made of are unknown fields, which it keeps as they are, in their order.
  const asSent: DescMethodUnary<typeof EmptySchema, typeof EmptySchema> = { ...method, input: EmptySchema, output: EmptySchema };
  const handleAsSent = async (request: Empty, context: HandlerContext) => {
    const bytes = toBinary(EmptySchema, request);
    // An object for every field: of a message of millions of fields that is hundreds of megabytes, which the library holds until the answer.
    delete request.$unknown;
    return fromBinary(EmptySchema, await handle(bytes, context));
  };
  router.rpc(asSent, handleAsSent, { binaryOptions: { readUnknownFields: true } });
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
