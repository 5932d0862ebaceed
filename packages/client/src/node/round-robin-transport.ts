import { lookup } from 'node:dns/promises';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { LONGEST_TIMER_MS } from '../longest-timer.js';
import { Address, type AddressOptions } from './address.js';

/** Settings of {@link createRoundRobinTransport}. */
export interface RoundRobinOptions extends AddressOptions {
  /** Age from which the host's addresses are looked up again, in milliseconds. */
  readonly dnsRefreshMs: number;
  /** Time for opening a connection, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** All addresses of a host. @default the system's resolver */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** A transport that must be closed. */
export interface ClosableTransport extends Transport {
  close(): void;
}

const ASIDE_MS = 1000;

/** A server that shuts down refuses new calls before it looks at them: they can be sent again without a doubt. */
const refusedStream = /REFUSED_STREAM/;
/** GOAWAY with INADEQUATE_SECURITY: how a TLS port turns plaintext HTTP/2 away. */
const insecure = /Session closed with error code 12\b/;

/**
 * gRPC to all addresses of a host in turn. An address that cannot be reached, or
 * answers UNAVAILABLE, is set aside for a second while another lives. A call that
 * a closing server refused unseen is sent once more, to the next one. Addresses
 * are looked up again as they age; one that is gone closes after its last call.
 */
export function createRoundRobinTransport(options: RoundRobinOptions): ClosableTransport {
  const addresses = new AddressBook(options);
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const started = performance.now();
      const rest = () => (timeoutMs === undefined ? undefined : Math.max(1, Math.round(timeoutMs - (performance.now() - started))));
      for (let attempt = 1; ; attempt++) {
        const address = await bounded(addresses.pick(), signal, rest());
        try {
          return await address.track(() => address.transport.unary(method, signal, rest(), header, input, contextValues));
        } catch (thrown) {
          const error = ConnectError.from(thrown);
          const isRefused = refusedStream.test(error.rawMessage);
          if (insecure.test(error.rawMessage)) {
            address.asideUntil = performance.now() + ASIDE_MS;
            const text = `${options.host}:${options.port}: the server speaks TLS; use TLS (https://) for it`;
            throw new ConnectError(text, Code.Unavailable, undefined, undefined, thrown);
          }
          const loss = error.code === Code.Canceled && signal?.aborted !== true ? address.lossText : '';
          if (loss !== '') {
            address.asideUntil = performance.now() + ASIDE_MS;
            throw new ConnectError(`${options.host}:${options.port}: ${loss}`, Code.Unavailable, undefined, undefined, thrown);
          }
          if (isRefused || error.code === Code.Unavailable) address.asideUntil = performance.now() + ASIDE_MS;
          if (!isRefused) throw thrown;
          if (attempt > 1)
            throw new ConnectError('the server takes no more calls on this connection', Code.Unavailable, undefined, undefined, thrown);
        }
      }
    },
    stream() {
      return Promise.reject(new ConnectError('this transport carries unary calls only', Code.Unimplemented));
    },
    close: () => addresses.close(),
  };
}

class AddressBook {
  readonly #options: RoundRobinOptions;
  #addresses = new Map<string, Address>();
  #lookup: Promise<void> | null = null;
  #lookedUpAt = 0;
  #turn = 0;
  #isClosed = false;

  constructor(options: RoundRobinOptions) {
    this.#options = options;
  }

  /** The next address with a connection. @throws ConnectError UNAVAILABLE when there is none */
  async pick(): Promise<Address> {
    await this.#refresh();
    const now = performance.now();
    const all = [...this.#addresses.values()];
    const start = this.#turn++;
    const turns = all.map((_, index) => all[(start + index) % all.length]!);
    const healthy = turns.filter((address) => address.asideUntil <= now);
    for (const address of [...healthy, ...turns.filter((other) => !healthy.includes(other))]) {
      if (address.isConnected || (await this.#connect(address))) {
        return address;
      }
      address.asideUntil = performance.now() + ASIDE_MS;
    }
    const { host, port } = this.#options;
    const reason = turns.map((address) => address.failure).find((text) => text !== '');
    throw new ConnectError(`no address of ${host}:${port} can be reached${reason === undefined ? '' : `: ${reason}`}`, Code.Unavailable);
  }

  close(): void {
    this.#isClosed = true;
    for (const address of this.#addresses.values()) {
      address.close();
    }
    this.#addresses.clear();
  }

  async #connect(address: Address): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), Math.min(this.#options.connectTimeoutMs, LONGEST_TIMER_MS));
    });
    try {
      return await Promise.race([address.connect(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  // The first look-up is waited for; later ones run beside the calls.
  async #refresh(): Promise<void> {
    if (this.#isClosed) {
      throw new ConnectError('the transport is closed', Code.Unavailable);
    }
    if (this.#addresses.size === 0 || performance.now() - this.#lookedUpAt > this.#options.dnsRefreshMs) {
      this.#lookup ??= this.#lookUp().finally(() => {
        this.#lookup = null;
      });
      if (this.#addresses.size === 0) {
        await this.#lookup;
      } else {
        // Known addresses serve on when the resolver fails.
        this.#lookup.catch(() => undefined);
      }
    }
  }

  async #lookUp(): Promise<void> {
    const { host, resolve = resolveAll } = this.#options;
    let found: readonly string[];
    try {
      found = await resolve(host);
    } catch (error) {
      throw new ConnectError(`cannot look up ${host}`, Code.Unavailable, undefined, undefined, error);
    }
    if (this.#isClosed || found.length === 0) {
      return;
    }
    this.#lookedUpAt = performance.now();
    const before = this.#addresses;
    this.#addresses = new Map(found.map((ip) => [ip, before.get(ip) ?? new Address(ip, this.#options)]));
    for (const [ip, address] of before) {
      if (!this.#addresses.has(ip)) {
        address.retire();
      }
    }
  }
}

async function resolveAll(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map((entry) => entry.address);
}

// Looking up and connecting count against the call's time and end with its signal.
function bounded<Value>(work: Promise<Value>, signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => finish(() => reject(new ConnectError('the call was aborted', Code.Canceled, undefined, undefined, signal?.reason)));
    const late = () => finish(() => reject(new ConnectError('no connection in time', Code.DeadlineExceeded)));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) {
      abort();
    }
    work.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}
