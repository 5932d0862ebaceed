// Load whose every answer is checked. Nothing is sampled: one wrong row among a million fails the suite.
import { Client } from './client.mjs';
import { patient } from './patience.mjs';
import { sleep } from './suite-run.mjs';
import { freshRequest, PATH, verify } from './workload.mjs';

const keptExamples = 5;

/** Counts of a load; `failed` holds answers by gRPC code other than 0. */
export class Tally {
  sent = 0;
  answered = 0;
  rightRows = 0;
  faultyRows = 0;
  /** Answers in which every row was right. */
  cleanAnswers = 0;
  wrong = [];
  wrongCount = 0;
  failed = new Map();
  examples = [];
  rowErrors = new Set();
  notProcessed = 0;
  latencies = [];
  nanRows = 0;
  nanIsValue = false;

  take(request, answer, milliseconds) {
    this.latencies.push(milliseconds);
    if (answer.code !== 0) {
      if (answer.notProcessed) this.notProcessed++;
      else this.failed.set(answer.code, (this.failed.get(answer.code) ?? 0) + 1);
      if (this.examples.length < keptExamples && !answer.notProcessed) this.examples.push(`${answer.code} ${answer.message}`);
      return;
    }
    this.answered++;
    const result = verify(request, answer.body, this.nanIsValue);
    this.rightRows += result.right;
    this.faultyRows += result.faulty;
    this.nanRows += result.nan;
    if (result.faulty === 0 && result.wrong.length === 0) this.cleanAnswers++;
    for (const error of result.errors) if (this.rowErrors.size < 20) this.rowErrors.add(error);
    this.wrongCount += result.wrong.length;
    if (this.wrong.length < keptExamples) this.wrong.push(...result.wrong.slice(0, 2));
  }

  get failures() {
    let total = 0;
    for (const count of this.failed.values()) total += count;
    return total;
  }

  at(share) {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }

  get maxMs() {
    return this.at(1);
  }

  /** One line for a check's detail. */
  get text() {
    const failed = [...this.failed].map(([code, count]) => `${count}× code ${code}`).join(', ');
    const parts = [
      `${this.answered} answers`,
      `${this.rightRows} right rows`,
      ...(this.faultyRows > 0 ? [`${this.faultyRows} rows with an error`] : []),
      ...(failed !== '' ? [failed] : []),
      ...(this.notProcessed > 0 ? [`${this.notProcessed} not taken`] : []),
      ...(this.wrongCount > 0 ? [`${this.wrongCount} WRONG: ${this.wrong.slice(0, 2).join('; ')}`] : []),
      `p50 ${this.at(0.5).toFixed(1)} ms, max ${this.maxMs.toFixed(0)} ms`,
      ...(this.examples.length > 0 ? [this.examples[0]] : []),
      ...(this.rowErrors.size > 0 ? [`e.g. ${[...this.rowErrors].slice(0, 3).join(' | ')}`] : []),
    ];
    return parts.join(', ');
  }
}

/**
 * Load until `stop()` is called.
 * @param options.outstanding requests kept in flight (closed loop), or
 * @param options.rate requests a second, sent when they are due whatever is outstanding
 * @param options.repeats how often a request is sent again when the server says that it has not begun with it
 * @param options.pool ids are drawn from so many, instead of being new with every request (for caches)
 */
export function startLoad(port, options = {}) {
  const { outstanding = 8, rate, connections = 2, targets = 6, modelId, deadlineMs, timeoutMs, repeats = 2, pool = 0, onAnswer } = options;
  const clients = Array.from({ length: connections }, () => new Client(port));
  const load = { tally: new Tally(), clients };
  let isStopped = false;
  let running = 0;

  const one = async (index) => {
    const request = freshRequest(targets, modelId, pool);
    const started = performance.now();
    load.tally.sent++;
    running++;
    const answer = await clients[index % clients.length].unary(PATH, request.message, { deadlineMs, timeoutMs, repeats });
    running--;
    load.tally.take(request, answer, performance.now() - started);
    onAnswer?.(answer, request);
    return answer;
  };
  const closedLoop = async (index) => {
    while (!isStopped) {
      const answer = await one(index);
      if (answer.code !== 0) await sleep(2);
    }
  };
  const openLoop = async () => {
    const started = performance.now();
    for (let index = 0; !isStopped; ) {
      const due = ((performance.now() - started) / 1000) * rate;
      while (index < due) one(index++);
      await sleep(2);
    }
  };
  const loops = rate === undefined ? Array.from({ length: outstanding }, (_, index) => closedLoop(index)) : [openLoop()];

  /** Begins a new tally; answers under way count for the new one. */
  load.mark = () => {
    const before = load.tally;
    load.tally = new Tally();
    return before;
  };
  load.stop = async () => {
    isStopped = true;
    await Promise.all(loops);
    while (running > 0) await sleep(5);
    for (const client of clients) client.close();
    return load.tally;
  };
  return load;
}

/** Waits until a load is answered quickly: compilers are warm, a busy machine has caught up. Begins a new tally. */
export async function settle(load, { withinMs = 60, timeoutMs = 15_000 } = {}) {
  const end = performance.now() + patient(timeoutMs);
  do {
    load.mark();
    await sleep(500);
  } while (performance.now() < end && (load.tally.answered === 0 || load.tally.at(0.9) > withinMs));
  load.mark();
}

/** Some requests one after another, each checked. */
export async function ask(port, count, options = {}) {
  const client = new Client(port);
  const tally = new Tally();
  tally.nanIsValue = options.nanIsValue ?? false;
  for (let index = 0; index < count; index++) {
    const request = freshRequest(options.targets ?? 6, options.modelId);
    const started = performance.now();
    tally.sent++;
    tally.take(request, await client.unary(PATH, request.message, options), performance.now() - started);
  }
  client.close();
  return tally;
}
