// Preloaded into the server: the name `two.test` has two addresses. Stands in for a DNS server.
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

const lookup = dns.lookup;
dns.lookup = (host, options, callback) => {
  if (host !== 'two.test') return lookup(host, options, callback);
  const done = typeof options === 'function' ? options : callback;
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
  process.nextTick(() => (options?.all === true ? done(null, addresses) : done(null, addresses[0].address, 4)));
};
syncBuiltinESMExports();
