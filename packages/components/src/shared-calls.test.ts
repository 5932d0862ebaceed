import { createLocalUpstream } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { begin, sharing } from './service-kinds.fixture.js';

describe.each(sharing)('$name', ({ bench: benchOf }) => {
  it('tell all their members of their deadline when it ends them, as a call of one alone would', async () => {
    const upstream = createLocalUpstream('test service', () => new Promise<never>(() => {}));
    const bench = benchOf(upstream, { deadlineMs: 40, batchSize: 16 });
    const requests = [begin(bench), begin(bench), begin(bench)];
    for (const { request } of requests) {
      await request.ended;
      expect(request.failure).toMatchObject({
        reason: 'deadline',
        message: 'test service: the deadline of the call passed before an answer came',
      });
    }
  });
});
