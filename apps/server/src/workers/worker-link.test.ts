import { describe, expect, it } from 'vitest';
import { startStockServer } from '../testing/stock-server.js';
import { sumModel } from '../testing/sum-model.js';
import { type Channel, WorkerLink } from './worker-link.js';
import type { WorkerMessage } from './worker-messages.js';

/** A primary that says what `answer` makes of each message. */
function channelTo(answer: (message: WorkerMessage, say: (answer: unknown) => void) => void): Channel {
  let listener: (message: unknown) => void = () => {};
  return {
    send: (message) => answer(message, (said) => queueMicrotask(() => listener(said))),
    onMessage: (added) => {
      listener = added;
    },
  };
}

async function scrapeThrough(channel: Channel): Promise<Response> {
  const stock = await startStockServer({ sum: sumModel() }, {}, {}, new WorkerLink(channel, 1, 50));
  try {
    return await fetch(`http://127.0.0.1:${stock.port}/metrics`);
  } finally {
    await stock.close();
  }
}

describe('WorkerLink', () => {
  it('answers a scrape with 503, not with its own counters, when those of all cannot be had', async () => {
    expect((await scrapeThrough(channelTo(() => {}))).status).toBe(503);
    const failing = channelTo((message, say) => {
      if (message.inferflow === 'scrape') say({ inferflow: 'scrape-failed', ask: message.ask });
    });
    const failed = await scrapeThrough(failing);
    expect(failed.status).toBe(503);
    expect(await failed.text()).not.toContain('inferflow_');
  });

  it('ends an answer that cannot be finished, so that half of the metrics do not pass for all', async () => {
    const halting = channelTo((message, say) => {
      if (message.inferflow === 'scrape') say({ inferflow: 'scraped', ask: message.ask, text: 'a_total 1' });
    });
    await expect(scrapeThrough(halting).then((response) => response.text())).rejects.toThrow();
  });
});
