import * as grpc from '@grpc/grpc-js';

const asIs = (bytes: Buffer): Buffer => bytes;

/** How a call over grpc-js ended: bytes, or a status with its trailers. */
export interface RawAnswer {
  readonly code: number;
  readonly message: string;
  readonly body: Buffer;
  /** `google.rpc.Status`, when the server sent one. */
  readonly statusDetails: Buffer | undefined;
}

/** A grpc-js client without generated code: paths and bytes. */
export class RawGrpc {
  readonly client: grpc.Client;

  constructor(port: number, options: grpc.ClientOptions = {}) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
  }

  unary(
    path: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    options: grpc.CallOptions = {},
  ): Promise<RawAnswer> {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return new Promise((resolve) => {
      this.client.makeUnaryRequest(path, asIs, asIs, Buffer.from(body), metadata, options, (error, answer) => {
        const details = error?.metadata.get('grpc-status-details-bin')[0];
        resolve({
          code: error?.code ?? 0,
          message: error?.details ?? '',
          body: answer ?? Buffer.alloc(0),
          statusDetails: details === undefined ? undefined : Buffer.from(details),
        });
      });
    });
  }

  /** Sends the messages on one stream, half-closes unless told otherwise, and gathers what comes until `count` or the end. */
  async stream(path: string, messages: readonly Uint8Array[], count = Number.POSITIVE_INFINITY): Promise<Buffer[]> {
    const call = this.client.makeBidiStreamRequest(path, asIs, asIs, new grpc.Metadata());
    for (const message of messages) call.write(Buffer.from(message));
    if (count === Number.POSITIVE_INFINITY) call.end();
    const received: Buffer[] = [];
    for await (const message of call) {
      received.push(message as Buffer);
      if (received.length >= count) break;
    }
    return received;
  }

  close(): void {
    this.client.close();
  }
}
