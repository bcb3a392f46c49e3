// aegisctl status: how it all stands, on one screen, with and without a broker.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { Broker } from '../lib/broker.mjs';
import { startBackend } from '../lib/backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { openShim } from '../lib/shim.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { Terminal, noTerminal } from '../lib/terminal.mjs';
import { until } from '../lib/until.mjs';

async function look(place, code = 0) {
  const ran = await place.ctl(['status', '--json']);
  assert.equal(ran.code, code, ran.stdout + ran.stderr);
  return JSON.parse(ran.stdout);
}
const text = async (place, ...more) => (await place.ctl(['status', ...more])).stdout;
/** Once it fits. */
const shows = (place, fits, what = String(fits)) => until(async () => {
  const s = await look(place);
  return fits(s) && s;
}, { what, every: 50 });

describe('without a broker', suite, () => {
  test('before anything was stored: said, with how to start a broker', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:9/'));
    const s = await look(place);
    assert.deepEqual([s.is_new, s.broker.state, s.shims, s.store_error], [true, 'absent', [], null]);
    const page = await text(place);
    assert.match(page, /^broker +not running\. Rules hold all the same/m);
    assert.match(page, /aegis-broker &/);
    assert.match(page, /nothing is stored there yet/);
  });

  test('who starts one, as the rules have it; a channel nobody has asked is not said to be ok', async (t) => {
    const rules = (autostart) => `${simpleRules('http://127.0.0.1:9/')}broker: { autostart: ${autostart} }\napproval: { slack: { webhook_url: "http://127.0.0.1:9/x" } }\n`;
    const place = makePlace(t, rules(true));
    assert.match(await text(place), /not running\. Rules hold all the same; a shim that asks for an approval starts it\.$/m);
    assert.match(await text(place), /^channels +slack configured$/m);
    place.writeRules(rules(false));
    assert.match(await text(place), /; nobody is told of approvals and nothing listens\.$/m);
  });

  test('shims at work, what each waits for, and approvals', async (t) => {
    const { place, person, open } = await approvalPlace(t, { agents: ['one', 'two'] });
    const [one, two] = [await open(), await open({ agent: 'two' })];
    await two.call('echo', { message: 'x' });
    const waiting = one.call('publish', { message: 'x' });
    const { short } = await person.asked();
    const s = await shows(place, (now) => now.shims.some((shim) => shim.waiting_for_person === 1));
    assert.deepEqual(s.shims.map((shim) => [shim.agent, shim.backend, shim.waiting_for_person, shim.at_backend]).sort(),
      [['one', 'demo', 1, 0], ['two', 'demo', 0, 0]]);
    assert.deepEqual(s.shims.map((shim) => shim.pid).sort(), [one.child.pid, two.child.pid].sort());
    if (process.platform === 'linux') for (const shim of s.shims) assert.ok(shim.resident_bytes >= shim.share_bytes && shim.share_bytes > 100_000, JSON.stringify(shim));
    assert.deepEqual([s.approvals.pending, s.approvals.oldest, s.approvals.next_to_expire], [1, short, short]);
    assert.ok(s.approvals.next_expires_in_ms > 0 && s.approvals.next_expires_in_ms <= 600_000);
    const page = await text(place);
    assert.match(page, /^shims +2 at work$/m);
    assert.match(page, new RegExp(`one .* demo +${one.child.pid} .* a person$`, 'm'));
    assert.match(page, new RegExp(`1 pending, oldest ${short} \\(\\d+s\\): publish for one`));
    assert.ok(page.split('\n').length <= 24 && page.split('\n').every((line) => line.length <= 100), page);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(page, /\x1b/, 'no colours where there is no terminal');
    await person.decide('approve', short);
    await waiting;
    await shows(place, (now) => now.approvals.pending === 0 && now.approvals.oldest === null);
    await one.end();
    await shows(place, (now) => now.shims.length === 1);
  });

  test('limits near their end, what is paused, failed calls, and their causes made visible', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url, { grant: 'rate_limits: { echo: { window: 1h, max_count: 5 }, other: { window: 1h, max_count: 5 } }' }));
    const shim = await openShim(place);
    for (let n = 0; n < 3; n++) await shim.call('echo', { message: 'x' });
    assert.deepEqual((await look(place)).limits, []);
    await shim.call('echo', { message: 'x' });
    assert.deepEqual((await look(place)).limits.map((l) => [l.who, l.tool, l.used, l.max_count]), [['one', 'echo', 4, 5]]);
    await place.ctl(['pause', '--tool', 'admin_*', '--reason', 'too late \u202e']).then((ran) => assert.equal(ran.code, 2));
    await place.ctl(['pause', '--tool', 'admin_*', '--reason', 'not today']);
    await backend.stop();
    await shim.call('echo', { message: 'y' });
    const s = await shows(place, (now) => now.errors.length > 0);
    assert.match(s.errors[0].what, /^echo of demo by one: /);
    assert.deepEqual(s.stopped, [{ what: 'tool admin_* is paused', why: s.stopped[0].why, left_ms: null }]);
    assert.match(s.stopped[0].why, /: not today$/);
    const page = await text(place);
    assert.match(page, /^limits +4 of 5 in 1h: one at demo, echo$/m);
    assert.match(page, /^stopped +tool admin_\* is paused, by \S+: not today$/m);
    assert.match(page, /^errors +\d+s ago: echo of demo by one: /m);
  });

  test('a database that cannot be read: said, exit 7', async (t) => {
    const { place, open } = await approvalPlace(t);
    const shim = await open();
    await shim.call('echo', { message: 'x' });
    await shim.end();
    for (const end of ['-wal', '-shm']) rmSync(place.db + end, { force: true });
    writeFileSync(place.db, 'not a database at all, '.repeat(1000));
    const s = await look(place, 7);
    assert.match(s.store_error, /repair|corrupt|damaged/);
    const ran = await place.ctl(['status']);
    assert.equal(ran.code, 7);
    assert.match(ran.stdout, /^ +cannot be read: /m);
  });

  test('many shims: the first, and how many more', { skip: noTerminal }, async (t) => {
    const { place, open } = await approvalPlace(t);
    const shims = await Promise.all(Array.from({ length: 8 }, () => open()));
    await Promise.all(shims.map((shim) => shim.call('echo', { message: 'x' })));
    const terminal = new Terminal(t, [bin('aegisctl'), 'status', '--watch', ...place.options], { env: { ...place.env, TERM: 'xterm' }, columns: 80 });
    await terminal.shows(/8 at work\n[\s\S]*\.\.\. and 3 more/);
    assert.ok(terminal.raw.includes('\x1b[33mnot running\x1b[0m'), 'coloured on a terminal');
    assert.ok(terminal.screen.split('\n').length <= 24, terminal.screen);
    await Promise.all(shims.map((shim) => shim.end()));
    await terminal.shows(/none is at work/);
    terminal.signal(15);
    await terminal.end();
    for (const env of [{ NO_COLOR: '1', TERM: 'xterm' }, { TERM: 'dumb' }]) {
      const plain = new Terminal(t, [bin('aegisctl'), 'status', ...place.options], { env: { ...place.env, ...env } });
      await plain.end();
      assert.doesNotMatch(plain.raw, /\[33m/);
      assert.match(plain.raw, /not running/);
    }
  });
});

describe('with a broker', suite, () => {
  test('since when, where it listens, whom it can tell; silent when it is stopped; absent after its end', async (t) => {
    const place = makePlace(t, `${simpleRules('http://127.0.0.1:9/')}server: { listen: "127.0.0.1:0" }\napproval: { slack: { webhook_url: "http://127.0.0.1:9/x" } }\n`);
    const broker = new Broker(place);
    await broker.ready();
    const s = await shows(place, (now) => now.broker.state === 'running');
    assert.equal(s.broker.pid, broker.pid);
    assert.equal(s.broker.auto_started, false);
    assert.equal(s.broker.generation, 1);
    assert.match(s.broker.listening, /\/run\/admin\.sock, 127\.0\.0\.1:\d+$/);
    assert.deepEqual(s.channels.map((c) => [c.name, c.open]), [['slack', true]]);
    const page = await text(place);
    assert.match(page, new RegExp(`^broker +running for \\d+s, pid ${broker.pid}, version \\d+\\.\\d+\\.\\d+, [\\d.]+ MB$`, 'm'));
    assert.match(page, /^channels +slack ok/m);
    broker.kill('SIGSTOP');
    const silent = await look(place);
    assert.deepEqual([silent.broker.state, silent.broker.pid], ['silent', broker.pid]);
    assert.match(await text(place), /^broker +does not answer, pid \d+\n +.*does not answer; is it stopped\?$/m);
    broker.child.kill('SIGCONT');
    await shows(place, (now) => now.broker.state === 'running');
    await broker.end();
    await shows(place, (now) => now.broker.state === 'absent' && now.broker.pid === null);
  });
});
