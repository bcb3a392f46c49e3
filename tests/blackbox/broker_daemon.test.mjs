// The broker as a process: its start, its end, what happens in between.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { describe, it } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { startBackend } from '../lib/backend.mjs';
import { Broker } from '../lib/broker.mjs';
import { notifySocket } from '../lib/notify_socket.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

const nowhere = 'http://127.0.0.1:1/';
const brokers = (place) => place.query("SELECT number FROM session WHERE kind = 'broker'");

describe('the broker as a process', suite, () => {
  it('joins as a session, and leaves none behind when it is ended', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const broker = await place.broker();
      await until(async () => (await brokers(place)).length === 1, { what: 'its session' });
      assert.deepEqual(await broker.endBy(signal), { code: 0, signal: null });
      assert.deepEqual(await brokers(place), []);
    }
  });

  it('takes its rules as a positional argument too', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    const broker = await place.broker({ args: [place.config, '--state-dir', place.state] });
    assert.match(broker.stderr, new RegExp(`config=${place.config}`));
  });

  it('is the only one of its state folder: a second start says so and ends well', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    const first = await place.broker();
    const second = new Broker(place);
    assert.deepEqual(await settled(second.exited, 'end of the second'), { code: 0, signal: null });
    assert.match(second.stderr, new RegExp(`another aegis-broker \\(pid ${first.pid}\\) serves `));
    assert.equal(first.hasExited, false);
  });

  it('after SIGKILL the next one takes the place, and the session of the dead one goes', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    const first = await place.broker();
    await until(async () => (await brokers(place)).length === 1, { what: 'its session' });
    const [{ number }] = await brokers(place);
    await first.endBy('SIGKILL');
    await place.broker();
    await until(async () => {
      const now = await brokers(place);
      return now.length === 1 && now[0].number !== number;
    }, { what: 'the session of the second alone' });
  });

  it('says every error of bad rules with its place, and ends with 78', async (t) => {
    const place = makePlace(t, `${simpleRules(nowhere)}bogus: 1\nqueue: { nobody: { enabled: maybe } }\n`);
    const broker = new Broker(place);
    assert.deepEqual(await settled(broker.exited, 'its end'), { code: 78, signal: null });
    assert.match(broker.stderr, /aegis\.yaml:\d+:\d+: error: .*bogus/);
    assert.match(broker.stderr, /aegis\.yaml:\d+:\d+: error: .*maybe/);
  });

  it('without rules it names the way to them, and ends with 78', async (t) => {
    const place = makePlace(t);
    const broker = new Broker(place, { args: [] });
    assert.deepEqual(await settled(broker.exited, 'its end'), { code: 78, signal: null });
    assert.match(broker.stderr, /aegisctl config init/);
  });

  it('tells its options and its version, and refuses what it does not know', async () => {
    const help = await run(bin('aegis-broker'), ['--help']);
    assert.equal(help.code, 0);
    for (const word of ['--foreground', '--state-dir', '--log-level', 'SIGHUP']) assert.match(help.stdout, new RegExp(word));
    const version = await run(bin('aegis-broker'), ['--version']);
    assert.match(version.stdout, /^aegis-broker \d+\.\d+\.\d+\n$/);
    for (const args of [['--nonsense'], ['--config'], ['a.yaml', 'b.yaml'], ['--config', 'a.yaml', 'b.yaml'], ['--log-level', 'loud']]) {
      const { code, stderr } = await run(bin('aegis-broker'), args);
      assert.equal(code, 64, args.join(' '));
      assert.match(stderr, /see aegis-broker --help/);
    }
  });
});

describe('the broker and the service manager', suite, () => {
  for (const [kind, name] of [['a path', (place) => path.join(place.dir, 'n')], ['an abstract name', (place) => `@${place.dir}/n`]]) {
    it(`tells a socket with ${kind} when it serves, reloads, lives and ends`, async (t) => {
      const place = makePlace(t, simpleRules(nowhere));
      const manager = await notifySocket(place, name(place));
      const broker = await place.broker({ env: { NOTIFY_SOCKET: name(place), WATCHDOG_USEC: '200000' } });
      await manager.said('READY=1');
      await manager.said(`STATUS=serving ${place.state}`);
      await manager.said('WATCHDOG=1');
      const from = manager.messages().length;
      const before = process.hrtime.bigint();
      broker.kill('SIGHUP');
      const reloading = await manager.said('RELOADING=1', from);
      assert.match(reloading, /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
      assert.ok(BigInt(/USEC=(\d+)/.exec(reloading)[1]) >= before / 1000n, 'the time is that of CLOCK_MONOTONIC');
      await until(() => {
        const later = manager.messages().slice(from);
        return later.indexOf('READY=1') > later.indexOf(reloading);
      }, { what: 'READY=1 behind RELOADING=1' });
      await broker.end();
      await manager.said('STOPPING=1');
    });
  }

  it('serves all the same where nobody listens at the socket', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    for (const socket of [path.join(place.dir, 'nobody'), '@', 'nonsense', '/'.padEnd(200, 'x')]) {
      const broker = await place.broker({ env: { NOTIFY_SOCKET: socket } });
      assert.deepEqual(await broker.end(), { code: 0, signal: null });
    }
  });
});

/** A webhook that takes all. */
async function startHook(t) {
  const hook = { bodies: [] };
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    hook.bodies.push(body);
    res.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  hook.url = `http://127.0.0.1:${server.address().port}/`;
  return hook;
}

/** A place with a tool, and a shim whose client has listed its tools and calls no more. */
async function idlePlace(t) {
  const backend = await startBackend(t);
  const rules = (limit = '') => simpleRules(backend.url, { grant: limit });
  const place = makePlace(t, rules());
  const shim = await openShim(place);
  await shim.request('tools/list');
  await until(async () => (await place.query("SELECT number FROM session WHERE kind = 'shim'")).length === 1, { what: 'the session of the shim' });
  return { place, shim, rules };
}
const inForce = async (place) => (await place.query('SELECT max(generation) AS n FROM config'))[0].n;

describe('the broker and the rules', suite, () => {
  for (const [what, act] of [['SIGHUP', (broker) => broker.kill('SIGHUP')], ['a changed file alone', () => {}]]) {
    it(`${what}: new rules are in force, and the client of an idle shim is told that its tools have changed`, async (t) => {
      const { place, shim, rules } = await idlePlace(t);
      const broker = await place.broker();
      place.writeRules(rules('rate_limits: { echo: { window: 1h, max_count: 3 } }'));
      act(broker);
      await broker.said(/ rules\.in_force generation=2/);
      await shim.message((m) => m.method === 'notifications/tools/list_changed', 'tools/list_changed');
    });
  }

  it('SIGHUP with the same rules: secrets are read again, and its log is as the rules say', async (t) => {
    const hooks = await Promise.all([1, 2].map(() => startHook(t)));
    const { place, open } = await approvalPlace(t, { mode: 'defer', approval: 'channels: [generic], generic: { webhook_url: { file: hook } }' });
    const secret = path.join(place.dir, 'hook');
    writeFileSync(secret, hooks[0].url, { mode: 0o600 });
    const broker = await place.broker();
    const shim = await open();
    await shim.call('publish', { n: 1 });
    await until(() => hooks[0].bodies.length === 1, { what: 'a message at the first address' });
    writeFileSync(secret, hooks[1].url);
    const from = broker.stderr.length;
    broker.kill('SIGHUP');
    await broker.said(/ rules\.reload SIGHUP/, { from });
    await shim.call('publish', { n: 2 });
    await until(() => hooks[1].bodies.length === 1, { what: 'a message at the second address' });
    place.writeRules(`${readFileSync(place.config, 'utf8')}log: { format: json }\n`);
    await broker.said(/ rules\.in_force generation=2/, { from });
    broker.kill('SIGHUP');
    await broker.said(/^\{.*rules\.reload.*\}$/m, { from });
  });

  it('a file with errors changes nothing; every error is told with its place', async (t) => {
    const { place, shim, rules } = await idlePlace(t);
    const broker = await place.broker();
    place.writeRules(`${rules()}bogus: 1\nqueue: { demo: { enabled: maybe } }\n`);
    broker.kill('SIGHUP');
    await broker.said(/aegis\.yaml:\d+:\d+: .*bogus/);
    await broker.said(/aegis\.yaml:\d+:\d+: .*maybe/);
    await broker.said(/the rules in force stay/);
    assert.ok((await shim.call('echo')).result);
    place.writeRules(`${rules()}# good again\n`);
    await broker.said(/ rules\.in_force generation=2/);
    assert.equal(broker.hasExited, false);
  });

  it('what another process has put in force, it takes', async (t) => {
    const { place, shim, rules } = await idlePlace(t);
    const broker = await place.broker();
    broker.kill('SIGSTOP');
    place.writeRules(`${rules()}# another\n`);
    assert.ok((await shim.call('echo')).result);
    assert.equal(await inForce(place), 2);
    broker.child.kill('SIGCONT');
    await broker.said(/ rules\.in_force generation=2/);
  });
});

/** Pages of the WAL that are not in the database yet: sqlite.org/walformat.html, 2.1. */
function framesWaiting(place) {
  const index = readFileSync(`${place.db}-shm`);
  return index.readUInt32LE(16) - index.readUInt32LE(96);
}

describe('the broker and the store', suite, () => {
  it('without a database it says why, serves on, and takes it when it is back', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    await (await place.broker()).end();
    const files = readdirSync(place.state).filter((name) => name.startsWith('aegis.db'));
    for (const name of files) renameSync(path.join(place.state, name), path.join(place.dir, name));
    const broker = await place.broker();
    await broker.said(/ store\.open .*aegisctl repair/);
    for (const name of files) renameSync(path.join(place.dir, name), path.join(place.state, name));
    await broker.said(/ store\.opened /);
    await until(async () => (await brokers(place)).length === 1, { what: 'its session' });
  });

  it('approvals expire on time where nobody waits for them', async (t) => {
    const { place, open } = await approvalPlace(t, { mode: 'defer', approval: 'timeout: 8s' });   // long enough for the shim to be gone before
    const broker = await place.broker();
    const shim = await open();
    assert.ok((await shim.call('publish', { n: 1 })).result.isError);
    await shim.end();
    await broker.said(/ housekeeping\.expired approvals=1/);
    assert.deepEqual(await place.query('SELECT state FROM approval'), [{ state: 'EXPIRED' }]);
  });

  it('buries a shim that was killed while nobody else was there', async (t) => {
    const { place, shim } = await idlePlace(t);
    await place.broker();
    await shim.endBy('SIGKILL');
    await until(async () => (await place.query("SELECT number FROM session WHERE kind = 'shim'")).length === 0, { what: 'its session to go', within: 100_000 });
  });

  it('copies what all have written from the WAL into the database', async (t) => {
    const { place, shim } = await idlePlace(t);
    const broker = await place.broker();
    broker.kill('SIGSTOP');
    // The shim, idle for a second, would copy them itself; and the broker would write if it were dead: it is stopped, before it did.
    await until(async () => {
      shim.child.kill('SIGCONT');
      do await Promise.all(Array.from({ length: 20 }, () => shim.call('echo'))); while (framesWaiting(place) <= 1200);
      shim.kill('SIGSTOP');
      return framesWaiting(place) > 1000;
    }, { what: '1,000 pages in the WAL that nobody has copied', every: 0 });
    broker.child.kill('SIGCONT');
    await until(() => framesWaiting(place) === 0, { what: 'an empty WAL' });
  });

  it('is one still when its lock file was removed', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    const first = await place.broker();
    const lock = path.join(place.state, 'run/broker.lock');
    rmSync(lock);
    await until(() => readdirSync(path.dirname(lock)).includes('broker.lock'), { what: 'the lock file, made anew' });
    const second = new Broker(place);
    assert.deepEqual(await settled(second.exited, 'end of one of both'), { code: 0, signal: null });
    assert.equal(first.hasExited, false);
  });
});

describe('nobody depends on the broker', suite, () => {
  it('stopped: calls go on, approvals are asked, decided by aegisctl and used', async (t) => {
    const { place, person, open } = await approvalPlace(t);
    const broker = await place.broker();
    broker.kill('SIGSTOP');
    const shim = await open();
    assert.ok((await shim.call('echo')).result);
    const call = shim.call('publish', { n: 1 });
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await call).result);
    const refused = shim.call('erase', { n: 1 });
    await person.decide('reject', (await person.asked()).id);
    assert.equal((await refused).error.code, -32004);
  });

  it('killed while an approval is open: the rules hold, and the word of a person counts', async (t) => {
    const { place, person, open } = await approvalPlace(t, { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' });
    const broker = await place.broker();
    const shim = await open();
    const call = shim.call('publish', { n: 1 });
    const asked = await person.asked();
    await broker.endBy('SIGKILL');
    assert.ok((await shim.call('echo')).result);
    assert.equal((await shim.call('echo')).error.code, -32002);
    await person.decide('approve', asked.id);
    assert.ok((await call).result);
  });
});
