// Memory that runs out, one allocation at a time (security test 6): an own allocation that fails ends the shim with nothing forwarded unrecorded;
// what SQLite, curl and others make of theirs is a refusal, and the session lives.
import assert from 'node:assert/strict';
import { existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { plainBin, scale, suite } from '../../lib/settings.mjs';
import { startShim } from '../../lib/shim.mjs';
import { settled } from '../../lib/until.mjs';
import { World } from './world.mjs';

const preload = plainBin('x') && path.join(path.dirname(plainBin('x')), '../tests/libfailalloc.so');
const missing = preload && existsSync(preload) ? false : 'needs a build without sanitizers (AEGIS_BIN_PLAIN) on Linux: libfailalloc.so';

/** The number the preloaded library counts down. */
function countdown(file) {
  writeFileSync(file, Buffer.alloc(8));
  const fd = openSync(file, 'r+');
  const cell = Buffer.alloc(8);
  return {
    set(n) {
      cell.writeBigInt64LE(BigInt(n));
      writeSync(fd, cell, 0, 8, 0);
    },
    get() {
      readSync(fd, cell, 0, 8, 0);
      return Number(cell.readBigInt64LE());
    },
  };
}

const rules = { limits: [{ tool: 'limited', window_ms: 3_600_000, max_count: 100_000 }], queue: { tool: 'queued' } };
const config = {
  grant: 'rate_limits: { limited: {window: 1h, max_count: 100000}, queued: {window: 1h, max_count: 100000} }',
  more: 'queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s, bypass_tools: [echo, limited] } }\n',
};

describe('an allocation that fails', { ...suite, skip: missing }, () => {
  for (const [whose, mayDie] of Object.entries({ own: true, sqlite: false, curl: false, other: true })) {
    for (const tool of ['limited', 'queued']) test(`the n-th of ${whose} in a ${tool} call: nothing is forwarded unrecorded, "not executed" is true, ${mayDie ? 'at worst the shim is gone' : 'and the session lives'}`, async (t) => {
      const world = await World.make(t, { rules, config });
      const file = path.join(world.place.dir, 'countdown');
      const left = countdown(file);
      const options = { program: plainBin('aegis-shim'), env: { LD_PRELOAD: preload, FAILALLOC_FILE: file, FAILALLOC_OF: whose } };
      let client = null;
      const counts = { died: 0, refused: 0, done: 0, unknown: 0 };
      for (let n = 1; ; n++) {
        if (!client?.isAlive || client.shim.hasExited) {
          client = await world.open('one', options);
          client.shim.signals.add('SIGABRT');
          await client.call(tool);
        }
        left.set(n);
        const answer = await client.call(tool);
        const isOver = left.get() > 0;
        left.set(0);
        if (!answer) {
          const { signal } = await settled(client.shim.exited, 'the end of the shim');
          assert.ok(mayDie, `allocation ${n} of ${whose} ended the shim by ${signal}${client.shim.lastWords()}`);
          assert.equal(signal, 'SIGABRT', client.shim.lastWords());
          counts.died++;
        } else {
          counts[answer.verdict] = (counts[answer.verdict] ?? 0) + 1;
        }
        if (isOver) break;
        assert.ok(n < 20_000, 'a call asks for memory a bounded number of times');
      }
      t.diagnostic(JSON.stringify(counts));
      world.assertKept(await world.over());
    });
  }

  for (const whose of ['own', 'sqlite', 'curl', 'other']) {
    test(`of ${whose} between the start and the first answer: the same`, async (t) => {
      const world = await World.make(t, { rules, config });
      const file = path.join(world.place.dir, 'countdown');
      const left = countdown(file);
      const env = { LD_PRELOAD: preload, FAILALLOC_FILE: file, FAILALLOC_OF: whose };
      let isOver = false;
      for (let n = 1; !isOver; n = scale === 'full' ? n + 1 : Math.ceil(n * 1.5)) {
        left.set(n);
        const shim = startShim(world.place, { program: plainBin('aegis-shim'), env });
        shim.signals.add('SIGABRT');
        const opening = await shim.initialize().catch(() => null);
        if (opening?.result) await world.adopt(shim, 'one').call('limited');
        isOver = left.get() > 0;
        left.set(0);
        shim.letGo();
        const { signal, code } = await settled(shim.exited, 'the end of the shim');
        assert.ok(signal === 'SIGABRT' || signal === null, `${n}: ${signal} ${code}${shim.lastWords()}`);
      }
      world.assertKept(await world.over());
    });
  }
});
