import net from 'node:net';

/** Below where systems take the ports of outgoing connections from: a server that is restarted must not find its port taken by one. */
const lowest = 20_000;
const count = 10_000;

/** A port that nobody listens on at the loopback addresses given. */
export async function freePort(hosts = ['127.0.0.1']) {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * count);
    const free = await Promise.all(hosts.map((host) => isFree(host, port)));
    if (free.every(Boolean)) return port;
  }
}

const isFree = (host, port) =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
