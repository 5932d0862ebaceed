import net from 'node:net';
import tls from 'node:tls';
import type { ConnectionTarget, TlsOptions } from './connection.js';

type DialTarget = Pick<ConnectionTarget, 'ip' | 'port' | 'tls' | 'host'>;

interface SocketSettings {
  readonly onread?: net.OnReadOpts;
  readonly lookup?: net.LookupFunction;
}

/**
 * Opens the socket of a connection: TCP, or TLS with verification and ALPN `h2`, whose outcome {@link alpnProblem} tells. Errors are the
 * socket's. With `onread`, reads go into that buffer and to that callback instead of `data` events; with `lookup`, `ip` may be a name.
 */
export function dial(target: DialTarget, socketSettings: SocketSettings = {}): net.Socket | tls.TLSSocket {
  const settings = target.tls;
  if (settings === null)
    return net.connect({
      host: target.ip,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      ...socketSettings,
    });
  const name = serverNameOf(settings, target.host);
  const isAddress = net.isIP(name) !== 0;
  const socket = tls.connect({
    host: target.ip,
    port: target.port,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: settings.rejectUnauthorized !== false,
    // An address must not be sent as SNI; the certificate is then checked against it all the same.
    servername: isAddress ? '' : name,
    ...(isAddress && {
      checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) => tls.checkServerIdentity(name, certificate),
    }),
    ...(settings.ca !== undefined && { ca: settings.ca }),
    ...(settings.cert !== undefined && { cert: settings.cert }),
    ...(settings.key !== undefined && { key: settings.key }),
    ...socketSettings,
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  return socket;
}

/** Whom the certificate must name. The dot at the end of a full domain name is no part of it, and must not be sent either (RFC 6066 §3). */
function serverNameOf(settings: TlsOptions, host: string): string {
  return (settings.servername ?? host).replace(/\.$/, '');
}

/** Why HTTP/2 must not begin on a socket that has just connected; `null` when it may. */
export function alpnProblem(socket: net.Socket): string | null {
  if (!(socket instanceof tls.TLSSocket) || socket.alpnProtocol === 'h2') return null;
  return 'the peer does not offer HTTP/2 over TLS (ALPN h2)';
}
