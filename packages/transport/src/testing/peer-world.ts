import { afterEach, beforeEach, describe, expect } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { createUpstream, type GrpcUpstream } from '../client/upstream.js';
import type { UpstreamEvent, UpstreamOptions } from '../client/upstream-options.js';
import { deadlines } from '../deadline-queue.js';
import { slabs } from '../http2/out-slab.js';
import { until } from './probe-call.js';
import { answerFrames, type PeerSocket, RawPeer } from './raw-peer.js';

/** A fresh {@link RawPeer} for each test of a file, and upstreams to it; after each test everything must be back in its place. */
export class PeerWorld {
  peer = new RawPeer();
  readonly events: UpstreamEvent[] = [];
  #protocol: 'lean' | 'node' = 'lean';
  readonly #upstreams: GrpcUpstream[] = [];

  constructor() {
    beforeEach(async () => {
      this.peer = await new RawPeer().start();
      this.events.length = 0;
    });
    afterEach(async () => {
      for (const upstream of this.#upstreams.splice(0)) await upstream.close(0);
      await this.peer.stop();
      expect(deadlines.size).toBe(0);
      await until(() => messageBuffers.taken === 0 && slabs.taken === 0, 'pools have everything back');
    });
  }

  connect(options: Partial<UpstreamOptions> = {}): GrpcUpstream {
    const upstream = createUpstream({
      name: 'peer',
      protocol: this.#protocol,
      host: '127.0.0.1',
      port: this.peer.port,
      retryRatio: 0,
      onEvent: (event) => this.events.push(event),
      ...options,
    });
    this.#upstreams.push(upstream);
    return upstream;
  }

  get protocol(): 'lean' | 'node' {
    return this.#protocol;
  }

  /** The same tests over both kinds of connections. */
  describeBoth(title: string, tests: () => void): void {
    describe.each(['lean', 'node'] as const)(`${title}, %s connections`, (kind) => {
      beforeEach(() => {
        this.#protocol = kind;
      });
      tests();
    });
  }

  /** Tests over lean connections alone. */
  describeLean(title: string, tests: () => void): void {
    describe(`${title}, lean connections`, () => {
      beforeEach(() => {
        this.#protocol = 'lean';
      });
      tests();
    });
  }
}

/** What a peer does that is well. */
export function normal(socket: PeerSocket, streamId: number, message: Buffer): void {
  socket.write(answerFrames(streamId, message).all);
}
