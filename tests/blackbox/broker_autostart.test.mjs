// A broker that a shim starts (broker.autostart): when, how clean, and how it ends.
import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { Broker } from '../lib/broker.mjs';
import { flags, noNamespace } from '../lib/namespace.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { isAlive } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

/** In a container whose first process is our own user's a shim starts none: that is what a sandbox looks like from inside (base/sandbox.c). */
function whyNot() {
  if (!existsSync('/proc/self/fd')) return 'processes are looked at in /proc';
  const isFirst = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]';
  return isFirst || statSync('/proc/1').uid !== process.getuid() ? false : 'in a container of this user no shim starts a broker';
}
const noStart = whyNot();
const logOf = (place) => path.join(place.state, 'broker.log');
const quiet = { approval: 'channels: [notify], notify: { command: ["true"] }' };   // no desktop is bothered

/** A place whose shims start a broker; broker: YAML within broker:. */
async function autoPlace(t, { broker = '', ...options } = {}) {
  const at = await approvalPlace(t, { ...quiet, ...options, more: `broker: { autostart: true${broker} }\n` });
  at.place.mayAutostart = true;
  return at;
}

/** The one broker that was started here, once it serves. */
async function brokerOf(place) {
  await until(() => existsSync(logOf(place)) && / broker\.ready /.test(readFileSync(logOf(place), 'utf8')), { what: 'a broker that was started' });
  return until(() => {
    const pids = place.autoStarted();
    return pids.length === 1 && pids[0];
  }, { what: 'one broker' });
}

const stat = (pid) => {
  const [, ppid, , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return { ppid: Number(ppid), session: Number(session) };
};
const zombiesOf = (parent) => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return text[0] === 'Z' && Number(text[1]) === parent;
  } catch {
    return false;
  }
});

const byHand = (place) => new Broker(place, { args: ['--auto-started', ...place.options] });

describe('a broker that a shim has started', { ...suite, skip: noStart }, () => {
  it('has nothing of the shim: no descriptor, no terminal, no folder, no environment; and outlives it', async (t) => {
    const { place, person, open } = await autoPlace(t);
    const secret = path.join(place.dir, 'inherited');
    writeFileSync(secret, 'x');
    const fd = openSync(secret, 'r');
    const shim = await open({ program: 'sh', args: ['-c', `exec ${bin('aegis-shim')} --agent one "$@" 7<'${secret}'`, 'sh', ...place.options],
      env: { SECRET_OF_THE_AGENT: 'hunter2', XDG_DATA_HOME: '/data' } });
    closeSync(fd);
    const call = shim.call('publish', { n: 1 });
    const pid = await brokerOf(place);

    const fds = readdirSync(`/proc/${pid}/fd`).map((n) => [Number(n), readlinkSync(`/proc/${pid}/fd/${n}`)]);
    const at = new Map(fds);
    assert.equal(at.get(0), '/dev/null');
    assert.equal(at.get(1), logOf(place));
    assert.equal(at.get(2), logOf(place));
    const ofShim = readdirSync(`/proc/${shim.pid}/fd`).map((n) => readlinkSync(`/proc/${shim.pid}/fd/${n}`)).filter((name) => /^(pipe|socket):|inherited/.test(name));
    assert.ok(ofShim.includes(secret), 'the shim has inherited it');
    for (const [n, name] of fds) assert.ok(!ofShim.includes(name), `descriptor ${n} is the shim's ${name}`);
    const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean).map((entry) => entry.split('=')[0]);
    for (const name of env) assert.match(name, /^(HOME|PATH|LANG|XDG_.*|DBUS_SESSION_BUS_ADDRESS|DISPLAY|WAYLAND_DISPLAY)$/);
    assert.ok(env.includes('HOME') && env.includes('XDG_DATA_HOME'));
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
    const { ppid, session } = stat(pid);
    assert.notEqual(ppid, shim.pid);
    assert.notEqual(session, stat(shim.pid).session);
    assert.notEqual(session, pid, 'who leads a session can get a terminal');
    const blocksNone = () => /^SigBlk:\s+0+$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    await until(blocksNone, { what: 'no signal blocked, but in a transaction of its own' });
    await until(() => zombiesOf(shim.pid).length === 0, { what: 'no zombie of the shim' });
    assert.equal(statSync(logOf(place)).mode & 0o777, 0o600);

    shim.kill('SIGKILL');
    await shim.exited;
    await assert.rejects(call);
    const asked = await person.asked();
    assert.ok(isAlive(pid));
    await person.decide('reject', asked.id);
  });

  it('ends by itself when nothing was to be done for idle_exit, and leaves no session behind', async (t) => {
    const { place, person, open } = await autoPlace(t, { broker: ', idle_exit: 300ms' });
    const shim = await open();
    const call = shim.call('publish', { n: 1 });
    const pid = await brokerOf(place);
    const asked = await person.asked();
    assert.ok(isAlive(pid), 'an approval is open');
    await person.decide('approve', asked.id);
    assert.ok((await call).result);
    await until(() => !isAlive(pid), { what: 'its end' });
    assert.match(readFileSync(logOf(place), 'utf8'), / broker\.idle /);
    assert.deepEqual(await place.query("SELECT number FROM session WHERE kind = 'broker'"), []);
    await shim.end();
  });

  it('says of a secret in the environment that it has none of the client', async (t) => {
    const secret = 'channels: [generic], generic: { webhook_url: { env: AEGIS_TEST_HOOK } }';
    const { place, person, open } = await autoPlace(t, { approval: secret });
    const shim = await open({ env: { AEGIS_TEST_HOOK: 'http://127.0.0.1:1/' } });
    const call = shim.call('publish', { n: 1 });
    await brokerOf(place);
    await until(() => /AEGIS_TEST_HOOK is not set; a broker started by aegis-shim /.test(readFileSync(logOf(place), 'utf8')), { what: 'the reason in its log' });
    await person.decide('reject', (await person.asked()).id);
    assert.ok((await call).error);
  });

  it('is one, however many shims ask at once', async (t) => {
    const { place, person, open } = await autoPlace(t);
    const shims = await Promise.all([1, 2, 3, 4].map(() => open()));
    const calls = shims.map((shim, n) => shim.call('publish', { n }));
    await person.wait(4);
    await brokerOf(place);
    assert.equal((await place.query("SELECT number FROM session WHERE kind = 'broker'")).length, 1);
    for (const { id } of await person.list()) await person.decide('reject', id);
    for (const call of calls) assert.ok((await call).error);
  });

  it('that finds nothing to do ends after idle_exit', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/', { more: 'broker: { autostart: true, idle_exit: 200ms }\n' }));
    assert.deepEqual(await settled(byHand(place).exited, 'its end'), { code: 0, signal: null });
    assert.match(readFileSync(logOf(place), 'utf8'), / broker\.idle /);
    assert.deepEqual(await place.query("SELECT number FROM session WHERE kind = 'broker'"), []);
  });

  it('stays while an approval is open, also one whose clock a brake has stopped', async (t) => {
    const { place, person, open } = await autoPlace(t, { mode: 'defer', broker: ', idle_exit: 200ms' });
    const shim = await open();
    assert.ok((await shim.call('publish', { n: 1 })).result.isError);
    const pid = await brokerOf(place);
    const { id } = await person.asked();
    assert.equal((await place.ctl(['pause'])).code, 0);
    const longer = makePlace(t, simpleRules('http://127.0.0.1:1/', { more: 'broker: { autostart: true, idle_exit: 1s }\n' }));
    assert.equal((await settled(byHand(longer).exited, 'the end of one that waits longer')).code, 0);
    assert.ok(isAlive(pid));
    assert.equal((await place.ctl(['resume'])).code, 0);
    await person.decide('reject', id);
    await until(() => !isAlive(pid), { what: 'its end' });
    await shim.end();
  });

  it('is started to tell how an approved call ended, when the one before has gone meanwhile', async (t) => {
    const { place, person, open, backend } = await autoPlace(t);
    let answer;
    backend.onCall.publish = (x) => { answer = () => x.result({ content: [{ type: 'text', text: 'done' }] }); };
    const first = await place.broker();
    const shim = await open();
    const call = shim.call('publish', { n: 1 });
    await person.decide('approve', (await person.asked()).id);
    await until(() => answer, { what: 'the call at the backend' });
    await first.end();
    answer();
    assert.ok((await call).result);
    await brokerOf(place);
    const told = async () => (await place.query('SELECT state, told_seq = (SELECT max(seq) FROM approval_event) AS all_of_it FROM message'))[0];
    await until(async () => (await told()).all_of_it === 1, { what: 'the end, told' });
    await shim.end();
  });

  it('does not outlive its state folder, whatever is open', async (t) => {
    const { place, person, open } = await autoPlace(t, { mode: 'defer', broker: ', idle_exit: 300ms' });
    const shim = await open();
    assert.ok((await shim.call('publish', { n: 1 })).result.isError);
    const pid = await brokerOf(place);
    await person.asked();
    await shim.end();
    assert.ok(isAlive(pid), 'an approval is open');
    renameSync(place.state, path.join(place.dir, 'elsewhere'));
    await until(() => !isAlive(pid), { what: 'its end' });
  });

  it('keeps its log within bounds, and to itself', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/'));
    mkdirSync(place.state, { mode: 0o700 });
    writeFileSync(logOf(place), 'old\n'.repeat(300_000), { mode: 0o644 });
    const broker = byHand(place);
    await until(() => existsSync(`${logOf(place)}.1`), { what: 'the log, rotated' });
    await until(() => existsSync(logOf(place)), { what: 'a new log' });
    assert.match(readFileSync(`${logOf(place)}.1`, 'utf8'), /^old\n[^]* broker\.ready /);
    await broker.end();
    assert.match(readFileSync(logOf(place), 'utf8'), / broker\.ending /);
    for (const name of ['', '.1']) assert.equal(statSync(logOf(place) + name).mode & 0o777, 0o600);
    assert.equal(broker.stderr, '');
  });

  // What may be deferred is answered in the turn in which a broker would have been started, and its log begun.
  it('is not started when one is there, when the rules say so, or by an idle shim', async (t) => {
    const { place, open } = await autoPlace(t, { mode: 'defer' });
    await place.broker();
    const shim = await open();
    assert.ok((await shim.call('echo')).result);
    assert.ok((await shim.call('publish', { n: 1 })).result.isError);
    assert.equal(existsSync(logOf(place)), false);

    const other = await autoPlace(t, { mode: 'defer' });
    other.place.writeRules(readFileSync(other.place.config, 'utf8').replace('autostart: true', 'autostart: false'));
    const one = await other.open();
    assert.ok((await one.call('publish', { n: 1 })).result.isError);
    assert.equal(existsSync(logOf(other.place)), false);
  });

  const sandboxes = { 'a network namespace': ['-n'], 'a pid namespace': ['-p', '-f'], 'a pid namespace with its own /proc': ['-p', '-f', '--mount-proc'] };
  for (const [what, more] of Object.entries(sandboxes)) {
    it(`is not started from inside ${what}, and the shim says why`, { skip: noNamespace }, async (t) => {
      const place = makePlace(t, simpleRules([bin('aegis-demo-server'), '--stdio'], {
        grant: 'approval_required: [echo]', more: `approval: { mode: defer, ${quiet.approval} }\nbroker: { autostart: true }\n`,
      }));
      place.mayAutostart = true;
      const own = [...flags.filter((flag) => flag !== '-m'), ...more];
      const shim = await openShim(place, { program: 'unshare', args: [...own, bin('aegis-shim'), '--agent', 'one', ...place.options] });
      assert.ok((await shim.call('echo', { message: 'x' })).result.isError);
      await until(() => /broker\.not_started .*start aegis-broker outside/.test(shim.stderr), { what: 'the reason' });
      assert.equal(existsSync(logOf(place)), false);
    });
  }
});
