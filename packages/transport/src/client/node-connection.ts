import http2 from 'node:http2';
import type net from 'node:net';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { type CallHead, formatGrpcTimeout, headListBytes } from '../grpc-head.js';
import type { CallFate, Connection, ConnectionOwner, ConnectionTarget } from './connection.js';
import { alpnProblem, dial } from './dial.js';
import { Exchange, type ExchangeHost } from './exchange.js';
import { headTooLong } from './head-too-long.js';
import { lostBeforeGreeting } from './lost-before-greeting.js';
import { PatientTimer } from './patient-timer.js';
import { type SilenceOwner, SilenceWatch } from './silence-watch.js';
import type { UnaryCall } from './unary-call.js';

const streamWindow = 8 * 1024 * 1024;
const connectionWindow = 32 * 1024 * 1024;
/** Node sends no longer blocks, and gives the connection up with the first; a block is never longer than its list. */
const longestBlock = 65_536;
/** Stream ids run out at 2³¹; a connection is replaced before. */
const lastUsableStream = 0x7000_0000;

const requestOptions = { endStream: false } as const;

interface NodeHead {
  readonly headers: Record<string, string>;
  readonly listBytes: number;
}

/** A connection on `node:http2`. */
export function openNodeConnection(target: ConnectionTarget, owner: ConnectionOwner): Connection {
  return new NodeConnection(target, owner);
}

class NodeConnection implements Connection, ExchangeHost, SilenceOwner {
  heard = 0;
  lost: CallFailure | null = null;
  lastStream = -1;
  openStreams = 0;
  maxStreams = 0;
  readonly #target: ConnectionTarget;
  readonly #owner: ConnectionOwner;
  readonly #socket: net.Socket;
  readonly #session: http2.ClientHttp2Session;
  readonly #silence: SilenceWatch;
  readonly #scheme: string;
  #heads = new WeakMap<CallHead, NodeHead>();
  #maxHeaderListBytes = longestBlock;
  #connectTimer: PatientTimer | null;
  #wasReady = false;
  #isDraining = false;

  constructor(target: ConnectionTarget, owner: ConnectionOwner) {
    this.#target = target;
    this.#owner = owner;
    this.#scheme = target.tls === null ? 'http' : 'https';
    this.#socket = dial(target);
    const session = http2.connect(`${this.#scheme}://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`, {
      createConnection: () => this.#socket,
      // Node's own bound counts what is in flight; the upstream's bounds are the ones that hold.
      maxSessionMemory: 4096,
      settings: { enablePush: false, initialWindowSize: streamWindow, maxHeaderListSize: 65_536 },
    });
    this.#session = session;
    this.#silence = new SilenceWatch(this, target.keepaliveMs, target.keepaliveTimeoutMs);
    // A TLS alert after the handshake destroys the session, which then waits for ever for its socket to end.
    this.#socket.on('error', (error) => {
      this.#lose(error.message);
      this.#tearDown();
    });
    this.#socket.once('secureConnect', () => {
      const problem = alpnProblem(this.#socket);
      if (problem === null) return;
      this.#lose(problem);
      this.#tearDown();
    });
    session.once('connect', () => {
      if (!session.destroyed) session.setLocalWindowSize(connectionWindow);
    });
    session.on('remoteSettings', (settings) => this.#settingsArrived(settings));
    session.on('goaway', (_code, lastStream) => {
      this.lastStream = lastStream;
      this.#startDraining();
    });
    session.on('error', (error) => this.#lose(error.message));
    session.once('close', () => this.#closed());
    this.#connectTimer = new PatientTimer(target.connectTimeoutMs, () => {
      this.#lose(`no connection within ${target.connectTimeoutMs} ms`);
      this.#tearDown();
    });
  }

  get isReady(): boolean {
    return this.#wasReady && !this.#isDraining && this.lost === null && !this.#session.closed && !this.#session.destroyed;
  }

  start(call: UnaryCall): boolean | CallFailure {
    if (!this.isReady) return false;
    const { headers, listBytes } = this.#headOf(call.head);
    if (listBytes > this.#maxHeaderListBytes) return headTooLong(this.#maxHeaderListBytes);
    const frame = Exchange.frame(call);
    if (call.deadline < Number.POSITIVE_INFINITY) headers['grpc-timeout'] = formatGrpcTimeout(call.deadline - performance.now());
    else delete headers['grpc-timeout'];
    let stream: http2.ClientHttp2Stream;
    try {
      stream = this.#session.request(headers, requestOptions);
    } catch {
      Exchange.dropFrame(frame);
      this.#startDraining();
      return false;
    }
    this.openStreams++;
    call.connection = this;
    call.attempt = new Exchange(this, call, stream, frame);
    const size = call.byteLength + 5;
    stream.end(frame.length === size ? frame : frame.subarray(0, size));
    this.#silence.callStarted();
    if (stream.id !== undefined && stream.id > lastUsableStream) this.drain();
    return true;
  }

  cancel(call: UnaryCall, isDeadline: boolean): void {
    const exchange = call.attempt;
    if (!(exchange instanceof Exchange)) return;
    const wasUnheard = isDeadline && exchange.heardAtStart === this.heard && this.lost === null;
    exchange.cancel();
    if (!wasUnheard) return;
    this.#silence.probe();
    this.#owner.callUnheard(this);
  }

  drain(): void {
    this.#startDraining();
    if (!this.#session.closed) this.#session.close();
  }

  destroy(failure: CallFailure): void {
    this.lost ??= failure;
    this.#tearDown();
  }

  ping(): void {
    const answered = () => this.#silence.pingAnswered();
    // A session that takes no ping is on its way out, and nobody has to wait for an answer.
    try {
      if (this.lost !== null || this.#session.destroyed || !this.#session.ping(answered)) answered();
    } catch {
      answered();
    }
  }

  peerVanished(message: string): void {
    this.#lose(message);
    this.#tearDown();
  }

  exchangeSucceeded(call: UnaryCall, message: Uint8Array): void {
    this.#owner.callSucceeded(this, call, message);
  }

  exchangeFailed(call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void {
    this.#owner.callFailed(this, call, failure, fate, mayRetry);
  }

  exchangeClosed(): void {
    this.openStreams--;
    this.#owner.connectionFreed(this);
  }

  /** `request` copies the headers it is given, so one mutable copy per head serves all its calls. */
  #headOf(head: CallHead): NodeHead {
    let known = this.#heads.get(head);
    if (known === undefined) {
      known = { headers: { ...head.headers, ':scheme': this.#scheme }, listBytes: headListBytes(head) };
      this.#heads.set(head, known);
    }
    return known;
  }

  #settingsArrived({ maxConcurrentStreams, maxHeaderListSize }: http2.Settings): void {
    this.maxStreams = maxConcurrentStreams ?? 0x7fff_ffff;
    this.#maxHeaderListBytes = Math.min(maxHeaderListSize ?? longestBlock, longestBlock);
    if (this.#wasReady || this.lost !== null) {
      this.#owner.connectionFreed(this);
      return;
    }
    this.#wasReady = true;
    this.#stopConnectTimer();
    this.#owner.connectionReady(this);
  }

  #startDraining(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    if (this.#wasReady) this.#owner.connectionDraining(this);
  }

  #lose(message: string): void {
    if (this.lost !== null) return;
    const text = this.#wasReady ? message : lostBeforeGreeting(message, this.#socket);
    this.lost = createFailure('unavailable', GrpcCode.UNAVAILABLE, `connection to ${this.#target.ip}:${this.#target.port}: ${text}`);
  }

  /**
   * Node waits for the socket to end politely; a dead peer never does. At the end of the turn, because destroying a session from inside
   * one of its own events makes nghttp2 free what it is about to go on with, and a session that hears of TLS after its socket was
   * destroyed aborts the process.
   */
  #tearDown(): void {
    setImmediate(() => {
      this.#session.destroy();
      this.#socket.destroy();
    });
  }

  #closed(): void {
    this.#lose(this.#wasReady ? 'closed by the peer' : 'closed before HTTP/2 was agreed');
    this.#stopConnectTimer();
    this.#silence.stop();
    const failure = this.lost;
    if (failure !== null) this.#owner.connectionClosed(this, failure, this.#wasReady);
  }

  #stopConnectTimer(): void {
    this.#connectTimer?.stop();
    this.#connectTimer = null;
  }
}
