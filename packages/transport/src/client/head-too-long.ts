import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';

/** The failure of a call whose headers are not sent, because the peer would not take them: most would not say so, some would end the connection. */
export function headTooLong(maxBytes: number): CallFailure {
  const text = `the headers of the call are longer than ${maxBytes} bytes, the most that can be sent to this peer`;
  return createFailure('rejected', GrpcCode.RESOURCE_EXHAUSTED, text);
}
