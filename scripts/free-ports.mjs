import net from 'node:net';

/**
 * Below where systems take the ports of outgoing connections from: between the moment a port is found and the moment a server
 * (or a restarted one) listens on it, no connection may have taken it.
 */
const lowest = 12_000;
const count = 20_000;

/** Distinct ports that nobody listens on at the loopback addresses given. */
export async function freePorts(howMany, hosts = ['127.0.0.1']) {
  const ports = new Set();
  while (ports.size < howMany) {
    const port = lowest + Math.floor(Math.random() * count);
    const free = await Promise.all(hosts.map((host) => isFree(host, port)));
    if (free.every(Boolean)) ports.add(port);
  }
  return [...ports];
}

/** One port that nobody listens on at the loopback addresses given. */
export async function freePort(hosts) {
  const [port] = await freePorts(1, hosts);
  return port;
}

function isFree(host, port) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error) => (error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error)));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
