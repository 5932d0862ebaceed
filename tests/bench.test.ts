import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServer } from '../benchmarks/lib/h2net.mjs';
import { arrivals, closedLoop, openLoop } from '../benchmarks/lib/loops.mjs';
import { writeMessages } from '../benchmarks/lib/messages.mjs';
import { wrongOf } from '../benchmarks/lib/report.mjs';
import { RightAnswers } from '../benchmarks/lib/right-answers.mjs';

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'inferflow-bench-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A loop that stalls would outlast the test. */
const graceMs = 600_000;
type Done = (error: Error | null) => void;

describe('openLoop', () => {
  it('ends when its time is over, though the last answer was there before and nothing else is due', async () => {
    let sent = 0;
    const send = (_index: number, _due: number, done: Done) => {
      sent++;
      done(null);
    };
    const { elapsed, missed } = await openLoop({ rate: 10, seconds: 0.2, graceMs, random: () => 0.1, send });
    expect([sent, missed]).toEqual([2, 0]);
    expect(elapsed).toBeGreaterThanOrEqual(0.2);
  });

  it('waits for the answers that come after its time', async () => {
    const late: Done[] = [];
    const send = (_index: number, _due: number, done: Done) => late.push(done);
    const loop = openLoop({ rate: 20, seconds: 0.1, graceMs, random: () => 0.5, send });
    let isOver = false;
    loop.then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(isOver).toBe(false);
    expect(late).toHaveLength(2);
    for (const done of late) done(null);
    expect((await loop).missed).toBe(0);
  });

  it('sends all that was due within its time, though an answer finds the time over and nothing under way', async () => {
    let sent = 0;
    const shares = [0.5, 0.999];
    const send = (_index: number, _due: number, done: Done) => {
      sent++;
      const end = performance.now() + 150;
      setTimeout(() => {
        while (performance.now() < end);
        done(null);
      });
    };
    const { missed } = await openLoop({ rate: 20, seconds: 0.1, graceMs, random: () => shares.pop() ?? 0, send });
    expect([sent, missed]).toEqual([2, 0]);
  });

  it('gives up what is not answered within the time of grace', async () => {
    const { missed } = await openLoop({ rate: 30, seconds: 0.1, graceMs: 20, random: Math.random, send: () => undefined });
    expect(missed).toBe(3);
  });

  it('has as many arrivals as its rate says, in order, within its time', () => {
    const dues = [...arrivals(20, 0.5, Math.random)];
    expect(dues).toHaveLength(10);
    expect(dues).toEqual(dues.toSorted((a, b) => a - b));
    expect(dues.every((due) => due >= 0 && due < 500)).toBe(true);
    expect(arrivals(1, 0.1, Math.random)).toHaveLength(1);
  });
});

describe('closedLoop', () => {
  it('keeps so many under way until its time is over, failed or not', async () => {
    let [open, most, sent] = [0, 0, 0];
    const send = (_index: number, _due: number, done: Done) => {
      most = Math.max(most, ++open);
      sent++;
      setImmediate(() => {
        open--;
        done(sent % 3 === 0 ? new Error('refused') : null);
      });
    };
    const { elapsed, missed } = await closedLoop({ outstanding: 4, seconds: 0.1, graceMs, send });
    expect([most, missed]).toEqual([4, 0]);
    expect(sent).toBeGreaterThan(4);
    expect(elapsed).toBeGreaterThanOrEqual(0.1);
  });
});

describe('load.mjs', () => {
  let server: Server;
  const messages = join(directory, 'messages');
  const answers = join(directory, 'answers');
  beforeAll(async () => {
    writeMessages(messages, [Buffer.from([7, 7]), Buffer.from([8]), Buffer.from([9])]);
    writeMessages(answers, [Buffer.alloc(3), Buffer.alloc(3), Buffer.alloc(3)]);
    // Right to a message of 7 and 7, empty to one of 8, none to one of 9.
    server = createServer((call: { msg: Uint8Array; respond(message: Uint8Array): void; fail(code: number, text: string): void }) => {
      if (call.msg[0] === 9) call.fail(14, 'no');
      else call.respond(new Uint8Array(call.msg[0] === 7 ? 3 : 0));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  async function figuresOf(job: object) {
    const { port } = server.address() as AddressInfo;
    const argument = JSON.stringify({ port, path: '/a/b', messages, seconds: 0.5, ...job });
    const child = spawn(process.execPath, [join(root, 'benchmarks/lib/load.mjs'), argument], { stdio: ['ignore', 'pipe', 'inherit'] });
    return JSON.parse(await text(child.stdout));
  }

  it.each([
    ['open', 20, 10],
    ['closed', 2, null],
  ])('%s loop: the figures are those of its time', async (mode, amount, requests) => {
    const figures = await figuresOf({ mode, amount, order: [0] });
    expect(figures.failed).toBe(0);
    expect(figures.bytes).toBe(figures.requests * 3);
    if (requests !== null) expect(figures.requests).toBe(requests);
    // Stalled for 20 s it would be a thirtieth.
    expect(figures.rps).toBeGreaterThan(figures.requests / 5);
    expect(figures.rps).toBeLessThanOrEqual(figures.requests / 0.5);
  });

  it('counts an answer that is not the verified one as wrong, and right answers only as requests', async () => {
    const figures = await figuresOf({ mode: 'open', amount: 40, order: [0, 0, 1, 2], answers });
    expect(figures).toMatchObject({ requests: 10, wrong: 5, failed: 5, bytes: 30 });
  });
});

describe('RightAnswers', () => {
  const [one, other] = [Buffer.from('one'), Buffer.from('other')];
  const wrong = () => {
    throw new Error('wrong');
  };

  it('takes the verified bytes of that message, and no others', () => {
    const answers = new RightAnswers([one, other], wrong);
    for (let i = 0; i < 100; i++) answers.take(0, one);
    answers.take(1, other);
    expect(answers.wrong()).toBe(0);
    for (let i = 0; i < 300; i++) answers.take(0, i % 2 === 0 ? other : Buffer.alloc(0));
    expect(answers.wrong()).toBe(300);
  });

  it('verifies a sample of other bytes, of the whole load: they may say the same', () => {
    let verified = 0;
    const answers = new RightAnswers([one], (_index: number, answer: Buffer) => {
      verified++;
      if (answer.length === 0) wrong();
    });
    for (let i = 0; i < 5000; i++) answers.take(0, other);
    expect([answers.wrong(), verified]).toEqual([0, 64]);
    for (let i = 0; i < 5000; i++) answers.take(0, Buffer.alloc(0));
    expect(answers.wrong()).toBeGreaterThan(2000);
    expect(answers.wrong()).toBeLessThan(8000);
  });
});

describe('wrongOf', () => {
  const problemsOf = (name: string, key: string, sample: object) =>
    wrongOf([{ workload: 'W5', servers: [{ name, samples: { [key]: [{ failed: 0, wrong: 0, wrongTensors: 0, ...sample }] } }] }]);

  it('names wrong answers, wrong model inputs and failures of every server', () => {
    expect(problemsOf('odd', '16 outstanding', { wrong: 2 })).toEqual(['wrong answers: 2 (W5, 16 outstanding, odd)']);
    expect(problemsOf('odd', '16 outstanding', { failed: 3 })).toEqual(['failed requests: 3 (W5, 16 outstanding, odd)']);
    expect(problemsOf('odd', '16 outstanding', { wrongTensors: 1 })).toEqual(['wrong model inputs: 1 (W5, 16 outstanding, odd)']);
    expect(problemsOf('odd', '16 outstanding', {})).toEqual([]);
  });

  it('forgives failures of an open loop, which may be more than a server can do, but no wrong answer', () => {
    expect(problemsOf('odd', '9 requests/s (open loop)', { failed: 3 })).toEqual([]);
    expect(problemsOf('odd', '9 requests/s (open loop)', { wrong: 1 })).toHaveLength(1);
  });
});

/** What a script prints that may use a module of the benchmarks. */
async function printedBy(module: string, script: string) {
  const imported = `import * as ${module} from ${JSON.stringify(join(root, `benchmarks/lib/${module}.mjs`))};\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', imported], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 25_000 });
  return (await text(child.stdout)).trim();
}

describe.runIf(existsSync('/proc/self/stat'))('servers.mjs', () => {
  it('says which server has ended, and its last words', async () => {
    const log = join(directory, 'odd.log');
    writeFileSync(log, 'no room left');
    const server = `{ name: 'odd', child: { ended: 3 }, log: ${JSON.stringify(log)} }`;
    const printed = await printedBy(
      'servers',
      `servers.measure(${server}, null, { workload: 'W5' }, 'closed', 1, 1).catch((error) => console.log(error.message));`,
    );
    expect(printed).toBe('W5, odd: the server ended with 3\nno room left');
  });

  it('says that the fakes have ended instead of waiting for them', async () => {
    const printed = await printedBy(
      'servers',
      `
      const fakes = await servers.startFakes(0, 0);
      fakes.child.kill('SIGSTOP');
      const answers = [fakes.stats()];
      fakes.child.kill('SIGKILL');
      await Promise.allSettled(answers);
      fakes.mark();
      answers.push(fakes.stats());
      for (const { reason } of await Promise.allSettled(answers)) console.log(reason.message);`,
    );
    const sentence = 'the fakes of store and model ended with SIGKILL';
    expect(printed).toBe(`${sentence}\n${sentence}`);
  });
});

/** Of a process, as /proc has it: a zombie (Z) has ended, too. */
function stateOf(pid: number): string {
  try {
    return /^State:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  } catch {
    return 'gone';
  }
}

describe.runIf(existsSync('/proc/self/stat'))('processes.mjs', () => {
  it('stops what a shell has started and leaves behind', async () => {
    const printed = await printedBy(
      'processes',
      `
      const child = processes.start(null, '/bin/sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
      const left = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
      await processes.stop(child);
      child.stdout.destroy();
      console.log(left);`,
    );
    expect(Number(printed)).toBeGreaterThan(0);
    await expect.poll(() => stateOf(Number(printed)), { timeout: 5000 }).toMatch(/^gone$|^Z/);
  });

  const burn = 'const { user } = process.cpuUsage(); while (process.cpuUsage().user - user < 300_000);';
  it.each([
    ['thread', `new Worker(${JSON.stringify(burn)}, { eval: true }).on('exit', done)`],
    ['child', `spawn(process.execPath, ['-e', ${JSON.stringify(burn)}]).on('exit', done)`],
  ])('counts the CPU of a %s that has ended', async (_, work) => {
    const code = `
      const { spawn } = require('node:child_process');
      const { Worker } = require('node:worker_threads');
      const done = () => process.send('done');
      process.once('message', () => ${work});
      process.send('ready');`;
    const printed = await printedBy(
      'processes',
      `
      const child = processes.start(null, process.execPath, ['-e', ${JSON.stringify(code)}], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      const message = () => new Promise((resolve) => child.once('message', resolve));
      await message();
      const before = processes.usage(child.pid);
      child.send('work');
      await message();
      console.log(processes.cpuBetween(before, processes.usage(child.pid)));
      await processes.stop(child);`,
    );
    expect(Number(printed)).toBeGreaterThan(250_000);
  });
});

// The benchmarks read /proc.
describe.runIf(existsSync('/proc/self/stat'))(
  'mistakes on the command line end with status 2 and a sentence, before anything starts',
  () => {
    const run = (file: string, args: readonly string[]) => {
      const env = { ...process.env, TMPDIR: directory };
      const { status, stderr, stdout } = spawnSync(process.execPath, [join(root, file), ...args], {
        encoding: 'utf8',
        timeout: 20_000,
        env,
      });
      return { status, stderr, stdout, left: readdirSync(directory).filter((name) => name.startsWith('inferflow-')) };
    };
    const baseline = (name: string, content: string) => {
      const file = join(directory, name);
      writeFileSync(file, content);
      return file;
    };

    it.each<[string, string, string[]]>([
      ['the baseline .* is damaged', 'bench', ['--check', '--baseline', baseline('damaged.json', '{"ratios":')]],
      ['the baseline .* is damaged', 'bench', ['--save-baseline', '--baseline', baseline('list.json', '[]')]],
      ['nothing to compare', 'bench', ['--check', '--baseline', baseline('empty.json', '{}')]],
      ['is of --latency 0,0, this run is of --latency 2,5', 'bench', ['--check', '--latency', '2,5']],
      [
        'is of --latency 0,0, this run is of --latency 0,0 --unpinned',
        'bench',
        ['--save-baseline', '--unpinned', '--baseline', baseline('plain.json', '{"ratios":{"W1, 16 outstanding":2}}')],
      ],
      [
        'is of --latency 2,5 --unpinned, this run is of --latency 0,0',
        'bench',
        [
          '--check',
          '--baseline',
          baseline('other.json', '{"conditions":{"latency":"2,5","unpinned":true},"ratios":{"W1, 16 outstanding":2}}'),
        ],
      ],
      ['there is no baseline', 'bench', ['--check', '--baseline', join(directory, 'none.json')]],
      ['must not be empty', 'bench', ['--check', '--outstanding', '']],
      ['connect', 'bench', ['--check', '--only', 'inferflow']],
      ['give one of them', 'bench', ['--check', '--save-baseline']],
      ['no load', 'bench', ['--outstanding', '', '--no-sharing']],
      ['no load', 'bench', ['--outstanding', '', '--no-sharing', '--no-half']],
      ['no load to measure for connect', 'bench', ['--outstanding', '', '--only', 'connect']],
      ['"connect" is a server of the benchmark', 'bench', ['--server', 'connect=true']],
      ['"inferflow" is a server of the benchmark', 'bench', ['--server', 'inferflow=true']],
      ['two servers are named "a"', 'bench', ['--server', 'a=true', '--server', 'a=false']],
      ['needs --prototypes', 'bench', ['--only', 'hybrid']],
      ['no server "constructor"', 'bench', ['--only', 'constructor']],
      ['--seconds takes a number', 'bench', ['--seconds', 'Infinity']],
      ['--cycles takes a whole number', 'bench', ['--cycles', '1.5']],
      ['--json cannot be written', 'bench', ['--json', join(directory, 'none', 'x.json')]],
      ['--baseline cannot be written', 'bench', ['--save-baseline', '--baseline', join(directory, 'none', 'b.json')]],
      ['no workload "W9"', 'memory', ['W9']],
      ["Unknown option '--bogus'", 'memory', ['--bogus']],
      ['one list', 'memory', ['W1', 'W2']],
    ])('%s: %s %j', (message, name, args) => {
      const { status, stderr, left } = run(`benchmarks/${name}.mjs`, args);
      expect(stderr).toMatch(new RegExp(`^${name}: .*${message}`));
      expect(stderr).not.toMatch(/^ +at /m);
      expect({ status, left }).toEqual({ status: 2, left: [] });
    });

    it('memory.mjs --help says how it is used', () => {
      const { status, stdout, left } = run('benchmarks/memory.mjs', ['--help']);
      expect(stdout).toContain('node benchmarks/memory.mjs [W1,W2]');
      expect({ status, left }).toEqual({ status: 0, left: [] });
    });
  },
);

describe.runIf(existsSync(join(root, 'packages/transport/dist')))('benches of the transport', () => {
  it.each([
    ['unary-call.mjs', '--bogus'],
    ['refusal.mjs', '--bogus'],
    ['unary-call.mjs', '0'],
  ])('%s refuses %s', (file, argument) => {
    const path = join(root, 'packages/transport/bench', file);
    const { status, stderr, stdout } = spawnSync(process.execPath, [path, argument], { encoding: 'utf8', timeout: 20_000 });
    expect(stderr).toContain(`not "${argument}"\nusage: node packages/transport/bench/${file}`);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
