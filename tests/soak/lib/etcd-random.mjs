// Random puts, deletes and faults, held against a naive model of what must be live.
import { Client } from './client.mjs';
import { ARRIVES_MS } from './etcd-world.mjs';
import { sleep, until } from './suite-run.mjs';
import { freshRequest, PATH } from './workload.mjs';

const ids = ['m1', 'm10', 'm1-b', 'a-bc', 'ab-c', 'AB-C', 'x'];

const pick = (list) => list[Math.floor(Math.random() * list.length)];

/**
 * Drives the world for a while.
 * @returns counts of what was done, and how long the live set took at most to be right when nothing had been broken for a while
 */
export async function randomFaults(world, seconds) {
  const { run, writer, cluster } = world;
  /** id → marker of the version that must answer. */
  const good = new Map();
  let isTouched = false;
  let isBroken = false;
  let mendedAt = Number.NEGATIVE_INFINITY;
  let serial = 0;
  const counts = { changes: 0, faults: 0, comparisons: 0, slowestMs: 0 };
  const alone = cluster.state.members.length === 1;

  const putOnce = (id, text) => writer.once((client) => client.put(writer.key(id)).value(text));
  const put = async () => {
    const id = pick(ids);
    const marker = `-${id}-r${++serial}`;
    await putOnce(id, JSON.stringify(world.config(marker)));
    good.set(id, marker);
  };
  const remove = async () => {
    const id = pick(ids);
    await writer.once((client) => client.delete().key(writer.key(id)));
    good.delete(id);
  };
  const spoil = async () => {
    const [id] = pick([...good.keys()].map((key) => [key])) ?? [];
    if (id === undefined) return;
    // A good version that nobody has seen yet would leave open which one is the last good.
    if (isTouched) await compare();
    await putOnce(id, pick(['{"dag_execution_config": ', '[]', '{}', 'null', '']));
  };
  const removeAll = async () => {
    await writer.once((client) => client.delete().prefix(writer.key('m1')));
    for (const id of ids) if (id.startsWith('m1')) good.delete(id);
  };
  const noise = () => writer.putKey(`${pick(['/elsewhere', `${writer.base}-2`, `${writer.base}/config-map-old`])}/key`, String(++serial));

  const heal = async () => {
    world.cut('pass');
    world.peers?.isolate([]);
    for (const member of cluster.state.members.keys()) {
      cluster.signal(member, 'SIGCONT');
      if (!cluster.isRunning(member)) await cluster.restart(member);
    }
  };
  const faults = [
    async () => world.cut('cut'),
    async () => world.cut('hang'),
    async () => world.proxies.forEach((proxy) => proxy.set(pick(['pass', 'cut', 'hang']))),
    async () => world.cut('pass'),
    async () => cluster.compact().catch(() => {}),
    async () => {
      // A member that is killed while another is paused or cut off would leave no majority to come back to.
      if (!alone) await heal();
      const member = alone ? 0 : ((await cluster.leader()) ?? 0);
      await cluster.kill(member);
      await sleep(Math.random() * 500);
      await cluster.restart(member);
    },
    async () => {
      if (alone) return;
      const member = Math.floor(Math.random() * cluster.state.members.length);
      await heal();
      cluster.signal(member, 'SIGSTOP');
    },
    async () => {
      if (alone) return;
      await heal();
      world.peers.isolate([Math.floor(Math.random() * cluster.state.members.length)]);
    },
  ];

  const compare = async () => {
    await heal();
    if (isBroken) mendedAt = performance.now();
    isBroken = false;
    const began = performance.now();
    let wrong = [];
    const isRight = await until(
      async () => {
        wrong = await differences(world, good);
        return wrong.length === 0;
      },
      ARRIVES_MS,
      50,
    );
    if (began - mendedAt > ARRIVES_MS) counts.slowestMs = Math.max(counts.slowestMs, performance.now() - began);
    if (!isRight) run.check('the live set is what a naive model says', false, wrong.join('; '));
    await sleep(300);
    const later = isRight ? await differences(world, good) : [];
    if (later.length > 0) run.check('the live set stays what a naive model says', false, later.join('; '));
    if (!isRight || later.length > 0) await tellEtcd(world);
    counts.comparisons++;
    isTouched = false;
    return isRight && later.length === 0;
  };

  const end = performance.now() + seconds * 1000;
  let isRight = true;
  while (performance.now() < end && isRight) {
    const steps = 3 + Math.floor(Math.random() * 12);
    // Some rounds without faults, the first among them: how soon changes are live is told by those.
    const isCalm = counts.comparisons === 0 || Math.random() < 0.03;
    if (isCalm && counts.comparisons > 0) await sleep(ARRIVES_MS);
    for (let step = 0; step < steps; step++) {
      if (!isCalm && Math.random() < 0.25) {
        isBroken = true;
        await pick(faults)();
        counts.faults++;
      } else {
        await pick([put, put, put, put, remove, remove, spoil, removeAll, noise])();
        isTouched = true;
        counts.changes++;
      }
      if (Math.random() < 0.5) await sleep(Math.random() * 150);
    }
    isRight = await compare();
  }
  for (const id of ids) await writer.remove(id);
  return counts;
}

/** Notes what etcd itself has: the writer is on trial as well. */
async function tellEtcd({ run, writer }) {
  for (const id of ids) {
    const found = await writer.get(id);
    const marker = /ranker(-[^"]*)/.exec(found?.text ?? '')?.[1];
    run.note(
      `etcd has of ${id}: ${found === undefined ? 'nothing' : `${marker ?? JSON.stringify(found.text)} at revision ${found.revision}`}`,
    );
  }
}

/** Asks every model once. */
async function differences(world, good) {
  const wrong = [];
  const client = new Client(world.server.port);
  for (const id of ids) {
    const prefix = `ranker-${id}-r`;
    for (const name of [...world.seen]) if (name.startsWith(prefix)) world.seen.delete(name);
    const { code } = await client.unary(PATH, freshRequest(1, id).message, { repeats: 2 });
    const found = code === 0 ? [...world.seen].find((name) => name.startsWith(prefix))?.slice('ranker'.length) : undefined;
    const expected = good.get(id);
    if (found !== expected) wrong.push(`${id}: ${found ?? `code ${code}`} instead of ${expected ?? 'none'}`);
  }
  client.close();
  return wrong;
}
