import { afterEach, beforeEach, describe, expect } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { createUpstream, type GrpcUpstream } from '../client/upstream.js';
import type { UpstreamEvent, UpstreamOptions } from '../client/upstream-options.js';
import { deadlines } from '../deadline-queue.js';
import { FaultServer } from './fault-server.js';

type Found = (error: Error | null, found: readonly { address: string; family: number }[]) => void;

/** Upstreams to {@link FaultServer}s for the tests of a file; after each test everything must be back in its place. */
export class UpstreamWorld {
  /** Of the upstream that was made last. */
  readonly events: UpstreamEvent[] = [];
  readonly servers: FaultServer[] = [];
  readonly #upstreams: GrpcUpstream[] = [];
  #protocol: 'lean' | 'node' = 'node';

  constructor() {
    afterEach(async () => {
      for (const upstream of this.#upstreams.splice(0)) {
        await upstream.close(0);
        expect(upstream.inFlight).toBe(0);
        expect(upstream.heldBytes).toBe(0);
      }
      for (const server of this.servers.splice(0)) await server.kill();
      expect(deadlines.size).toBe(0);
      expect(messageBuffers.taken).toBe(0);
    });
  }

  /** The same tests over both kinds of connections. */
  describeBoth = (title: string, tests: () => void): void => {
    describe.each(['lean', 'node'] as const)(`${title}, %s connections`, (kind) => {
      beforeEach(() => {
        this.#protocol = kind;
      });
      tests();
    });
  };

  connect = (port: number, options: Partial<UpstreamOptions> = {}): GrpcUpstream => {
    this.events.length = 0;
    const onEvent = (event: UpstreamEvent) => this.events.push(event);
    const upstream = createUpstream({ name: 'store', protocol: this.#protocol, host: '127.0.0.1', port, onEvent, ...options });
    this.#upstreams.push(upstream);
    return upstream;
  };

  serve = async (...options: ConstructorParameters<typeof FaultServer>): Promise<FaultServer> => {
    const server = await new FaultServer(...options).start();
    this.servers.push(server);
    return server;
  };

  /** A second server on the same port of another loopback address. */
  listenOn = async (port: number, host: string): Promise<FaultServer> => {
    const server = new FaultServer({}, null, port);
    await server.start(host);
    this.servers.push(server);
    return server;
  };

  /** How many events there were of a kind. */
  kinds = (kind: string): number => this.events.filter((event) => event.kind === kind).length;
}

/** A look-up that finds these addresses, whatever the name. */
export function lookupOf(...ips: string[]): (host: string, callback: Found) => void {
  const found = ips.map((address) => ({ address, family: 4 }));
  return (_host, callback) => setImmediate(() => callback(null, found));
}
