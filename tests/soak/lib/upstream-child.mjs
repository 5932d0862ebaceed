// node upstream-child.mjs store|model|compute <port> <host> [delayMs]   (one upstream in a process that can be killed)
import { LeanService } from './lean-fakes.mjs';

const [kind, port, host, delayMs] = process.argv.slice(2);
process.on('disconnect', () => process.exit(0));
const service = new LeanService(kind);
service.delayMs = Number(delayMs ?? 0);
await service.start(Number(port), host);
process.send({ port: service.port });
process.on('message', () => process.send({ calls: service.calls }));
