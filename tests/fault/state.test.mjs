// State that cannot be used: calls are refused with a sentence, nothing is forwarded, and it mends itself when the cause goes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync, closeSync, copyFileSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeFileSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertNoLeak, assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { enter, inMounts, noNamespace } from '../lib/namespace.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { patience, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

const rules = { grant: 'rate_limits: { limited: {window: 1h, max_count: 5} }' };

async function setUp(t) {
  const backend = await startBackend(t, { tools: ['echo', 'limited'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url, rules));
  return { backend, place };
}

/** A place that was used: one shim runs, one call is on record. */
async function used(t) {
  const world = await setUp(t);
  const shim = await openShim(world.place);
  assertSaid(await shim.call('echo', { message: 'before' }), 'before');
  return { ...world, shim };
}

let serial = 0;

/** The call is refused for the state's sake, and does not run. */
async function assertStoreRefuses(backend, shim) {
  const message = `refused ${++serial}`;
  const error = assertRefused(await shim.call('echo', { message }), CODE.internal, { reason: 'store' });
  assert.equal(backend.arrivals.filter((a) => a.args.message === message).length, 0, 'nothing is forwarded');
  assertNoLeak(backend, error.message);
  return error;
}

/** A shim that starts into the trouble: whatever initialize says, calls are refused. */
async function startsRefusing(backend, place, options) {
  const shim = startShim(place, options);
  const opening = await shim.initialize();
  if (opening.error) assert.equal(opening.error.code, CODE.internal, opening.line);
  else await assertStoreRefuses(backend, shim);
  assert.equal(shim.hasExited, false, shim.stderr);
  return { shim, isOpen: Boolean(opening.result) };
}

/** The same session works, without being told that the cause is gone. */
async function recovers(shim, isOpen = true) {
  await until(async () => {
    if (!isOpen) isOpen = Boolean((await shim.initialize()).result);
    return isOpen && (await shim.call('echo', { message: `recovered ${++serial}` })).result;
  }, { what: 'recovery', every: 50 }).catch((error) => assert.fail(`${error.message}${shim.lastWords()}`));
}

/** Another program that holds something until let go. */
async function holder(t, command, args, { say, sayAfter }) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout.on('data', (text) => { out += text; });
  if (say) child.stdin.write(say);
  await until(() => out.includes('held'), { what: `${command} holding` });
  return {
    async letGo() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end(sayAfter ?? '');
      await settled(ended, `end of ${command}`);
    },
  };
}

const sqlite = async (place, sql) => {
  const { code, stderr } = await run('sqlite3', [place.db, sql]);
  assert.equal(code, 0, stderr);
};

describe('state', suite, () => {
  test('locked by another program: refused within seconds, and again at once when it lets go', async (t) => {
    const { backend, place, shim } = await used(t);
    const lock = await holder(t, 'sqlite3', [place.db], { say: "PRAGMA busy_timeout=5000; BEGIN EXCLUSIVE; SELECT 'held';\n", sayAfter: 'COMMIT;\n' });
    const from = performance.now();
    await assertStoreRefuses(backend, shim);
    assert.ok(performance.now() - from < 20_000 * patience);
    await assertStoreRefuses(backend, shim);
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    await lock.letGo();
    await recovers(shim);
    await recovers(late, isOpen);
  });

  test('a short lock by another program is waited for', async (t) => {
    const { place, shim } = await used(t);
    const lock = await holder(t, 'sqlite3', [place.db], { say: "PRAGMA busy_timeout=5000; BEGIN EXCLUSIVE; SELECT 'held';\n", sayAfter: 'COMMIT;\n' });
    const call = shim.call('echo', { message: 'patient' });
    await lock.letGo();
    assertSaid(await call, 'patient');
  });

  test('the gate held by another program: refused, then not', async (t) => {
    const { backend, place, shim } = await used(t);
    const lock = await holder(t, 'flock', ['-x', path.join(place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], {});
    await assertStoreRefuses(backend, shim);
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    await lock.letGo();
    await recovers(shim);
    await recovers(late, isOpen);
  });

  /** A call the backend has, and has not answered. */
  async function inFlight(backend, shim, message) {
    const arrived = new Promise((resolve) => { backend.onCall.limited = resolve; });
    const answer = shim.call('limited', { message });
    const exchange = await settled(arrived, 'the call arrives');
    delete backend.onCall.limited;
    return { answer, exchange };
  }

  const cannotWrite = {
    'locked by another program': (t, place) => holder(t, 'sqlite3', [place.db], { say: "PRAGMA busy_timeout=5000; BEGIN EXCLUSIVE; SELECT 'held';\n", sayAfter: 'COMMIT;\n' }),
    'kept by the gate': (t, place) => holder(t, 'flock', ['-x', path.join(place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], {}),
    'moved away': async (t, place) => {
      renameSync(place.db, `${place.db}.away`);
      return { letGo: async () => renameSync(`${place.db}.away`, place.db) };
    },
  };
  for (const [what, stop] of Object.entries(cannotWrite)) {
    test(`an outcome that cannot be written (${what}): the reply is delivered, the outcome written later, and no call passes before`, async (t) => {
      const { backend, place, shim } = await used(t);
      const calls = [await inFlight(backend, shim, 'good'), await inFlight(backend, shim, 'bad')];
      const held = await stop(t, place);
      calls[0].exchange.say('good');
      calls[1].exchange.say('bad', { isError: true });
      assertSaid(await calls[0].answer, 'good');
      assert.equal((await calls[1].answer).result.isError, true);
      await assertStoreRefuses(backend, shim);
      await assertStoreRefuses(backend, shim);
      await held.letGo();
      await recovers(shim);
      const outcomes = (await place.storedRows()).filter((row) => row.tool === 'limited' && row.kind === 'outcome');
      assert.deepEqual(outcomes.map((row) => row.verdict).sort(), ['failed', 'succeeded']);
      const { stdout } = await place.ctl(['limits', '--json']);
      assert.deepEqual(JSON.parse(stdout).map((row) => [row.used, row.held]), [[1, 0]], 'and the place of the one that failed was given back');
    });
  }

  test('what is not governed passes while the store refuses', async (t) => {
    const { backend, place, shim } = await used(t);
    const lock = await holder(t, 'flock', ['-x', path.join(place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], {});
    const call = shim.call('echo', { message: 'in vain' });
    assert.deepEqual((await shim.request('ping')).result, {});
    assertRefused(await call, CODE.internal);
    assert.deepEqual((await shim.request('ping')).result, {});
    assert.equal(backend.callsOf('echo').length, 1);
    await lock.letGo();
  });

  test('an end while the gate is held by another program: exit in time', async (t) => {
    const { place, shim } = await used(t);
    const lock = await holder(t, 'flock', ['-x', path.join(place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], {});
    shim.call('echo').catch(() => {});
    const { ms } = await shim.end();
    assert.ok(ms < 5000 * patience, `${ms} ms`);
    await lock.letGo();
  });

  test('a read-only state directory: refused from the start, and well when it is writable', { skip: noNamespace }, async (t) => {
    const { backend, place, shim: first } = await used(t);
    await first.end();
    const options = inMounts(place, 'mount --bind "$STATE" "$STATE"; mount -o remount,ro,bind "$STATE"');
    const { shim, isOpen } = await startsRefusing(backend, place, options);
    enter(shim.pid, 'mount', ['-o', 'remount,rw,bind', place.state]);
    await recovers(shim, isOpen);
  });

  test('a read-only place for a state directory that is not there yet', { skip: noNamespace }, async (t) => {
    const { backend, place } = await setUp(t);
    mkdirSync(place.state, { mode: 0o700 });
    const options = inMounts(place, 'mount -t tmpfs -o mode=700 none "$STATE"; mount -o remount,bind,ro "$STATE"');
    const { shim, isOpen } = await startsRefusing(backend, place, options);
    enter(shim.pid, 'mount', ['-o', 'remount,bind,rw', place.state]);
    await recovers(shim, isOpen);
  });

  test('a disk that is full: refused, nothing forwarded unrecorded, and well when there is room', { skip: noNamespace }, async (t) => {
    const { backend, place } = await setUp(t);
    mkdirSync(place.state, { mode: 0o700 });
    const shim = await openShim(place, inMounts(place, 'mount -t tmpfs -o size=8m,mode=700 none "$STATE"'));
    assertSaid(await shim.call('limited', { message: 'before' }), 'before');
    const inside = path.join('/proc', String(shim.pid), 'root', place.state);
    const filler = path.join(inside, 'filler');
    fill(filler);

    // What was allocated before may still take some rows; then it is over.
    let passed = 1;
    const padding = 'p'.repeat(2000);
    await until(async () => {
      const answer = await shim.call('echo', { message: `full ${++serial}`, padding });
      if (answer.result) passed++;
      else assertRefused(answer, CODE.internal, { reason: 'store' });
      return answer.error;
    }, { what: 'a refusal for want of room', every: 0 });
    await assertStoreRefuses(backend, shim);
    await assertStoreRefuses(backend, shim);
    assert.equal(backend.arrivals.length, passed);
    assert.equal(shim.hasExited, false);

    rmSync(filler);
    await recovers(shim);
    const copy = path.join(place.dir, 'copy');
    await until(async () => {
      rmSync(copy, { recursive: true, force: true });
      mkdirSync(copy);
      for (const name of readdirSync(inside).filter((n) => n.startsWith('aegis.db'))) copyFileSync(path.join(inside, name), path.join(copy, name));
      const { stdout, stderr } = await run('sqlite3', [path.join(copy, 'aegis.db'), "PRAGMA quick_check; SELECT kind, count(*) FROM audit GROUP BY kind;"]);
      assert.match(stdout, /^ok$/m, stderr);
      const count = (kind) => Number(new RegExp(`^${kind}\\|(\\d+)$`, 'm').exec(stdout)?.[1]);
      return count('intent') === passed + 1 && count('outcome') === passed + 1;
    }, { what: 'every forwarded call on record with its outcome', every: 100 });
  });

  test('a disk that is full from the start', { skip: noNamespace }, async (t) => {
    const { backend, place } = await setUp(t);
    mkdirSync(place.state, { mode: 0o700 });
    const options = inMounts(place, 'mount -t tmpfs -o size=4m,mode=700 none "$STATE"; cat /dev/zero >"$STATE/filler" 2>/dev/null || true');
    const { shim, isOpen } = await startsRefusing(backend, place, options);
    enter(shim.pid, 'rm', [path.join(place.state, 'filler')]);
    await recovers(shim, isOpen);
  });

  test('a database that was moved away: refused, also for new shims; well when it is back', async (t) => {
    const { backend, place, shim } = await used(t);
    const away = path.join(place.dir, 'away.db');
    renameSync(place.db, away);
    await assertStoreRefuses(backend, shim);
    await assertStoreRefuses(backend, shim);
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    assert.equal(existsSync(place.db), false, 'no new database beside a used state directory');
    renameSync(away, place.db);
    await recovers(shim);
    await recovers(late, isOpen);
  });

  test('removing the database does not renew limits: repair treats them as full', async (t) => {
    const { backend, place, shim } = await used(t);
    for (let n = 0; n < 5; n++) assert.ok((await shim.call('limited', { n })).result);
    for (const name of readdirSync(place.state)) if (name.startsWith('aegis.db')) rmSync(path.join(place.state, name));
    await assertStoreRefuses(backend, shim);
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    const { code, stdout, stderr } = await place.ctl(['repair', '--yes']);
    assert.equal(code, 0, stderr);
    assert.ok((stdout + stderr).length > 20);
    await recovers(shim);
    await recovers(late, isOpen);
    for (const one of [shim, late, await openShim(place)]) assertRefused(await one.call('limited', { after: 1 }), CODE.limited);
    assert.equal(backend.callsOf('limited').length, 5);
  });

  for (const [what, spoil] of Object.entries({
    'overwritten with garbage': (file) => overwrite(file, 0, statSync(file).size),
    'with a garbled head': (file) => overwrite(file, 0, 100),
    'emptied': (file) => writeFileSync(file, ''),
    'replaced by garbage': (file) => {
      writeFileSync(`${file}.new`, 'this is no database\n'.repeat(500));
      renameSync(`${file}.new`, file);
    },
    'replaced by a directory': (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  })) {
    test(`a database that was ${what}: refused until repaired; the files are kept`, async (t) => {
      const { backend, place, shim } = await used(t);
      assert.ok((await shim.call('limited', { n: 1 })).result);
      spoil(place.db);
      await assertStoreRefuses(backend, shim);
      await until(async () => /repair/.test((await assertStoreRefuses(backend, shim)).message), { what: 'the way out in the sentence' });
      const { shim: late, isOpen } = await startsRefusing(backend, place);
      const { code, stdout, stderr } = await place.ctl(['repair', '--yes']);
      assert.equal(code, 0, stdout + stderr);
      assert.ok(readdirSync(place.state).some((name) => name.startsWith('aegis.db.broken')), readdirSync(place.state).join(' '));
      await recovers(shim);
      await recovers(late, isOpen);
      assertRefused(await shim.call('limited', { n: 2 }), CODE.limited);
    });
  }

  test('a database of another program in its place: refused', async (t) => {
    const { backend, place, shim } = await used(t);
    const other = path.join(place.dir, 'other.db');
    const made = await run('sqlite3', [other, 'PRAGMA journal_mode=WAL; CREATE TABLE limit_entry(x); PRAGMA user_version=1;']);
    assert.equal(made.code, 0, made.stderr);
    renameSync(place.db, `${other}.kept`);
    renameSync(other, place.db);
    await assertStoreRefuses(backend, shim);
    await startsRefusing(backend, place);
    renameSync(place.db, other);
    renameSync(`${other}.kept`, place.db);
    await recovers(shim);
  });

  test('replaced by a sound database while shims run: at most refused, never split', async (t) => {
    const { backend, place, shim } = await used(t);
    const second = await openShim(place);
    assert.ok((await second.call('limited', { n: 1 })).result);
    const copy = path.join(place.dir, 'copy.db');
    await sqlite(place, `VACUUM INTO '${copy}'`);
    await sqlite({ db: copy }, 'PRAGMA journal_mode=WAL');
    for (const name of readdirSync(place.state)) if (/^aegis\.db-/.test(name)) rmSync(path.join(place.state, name));
    renameSync(copy, place.db);
    await recovers(shim);
    await recovers(second);
    let passed = 1;
    for (let n = 2; n < 12; n++) if ((await (n % 2 ? shim : second).call('limited', { n })).result) passed++;
    assert.equal(passed, 5, 'both count in the same file');
    assert.equal(backend.callsOf('limited').length, 5);
  });

  test('a database of a newer Aegis that older ones may not write: refused with a sentence, well when it is not', async (t) => {
    const { backend, place, shim } = await used(t);
    const [{ version, writer }] = await place.query('SELECT user_version AS version, min_writer AS writer FROM pragma_user_version, meta');
    await sqlite(place, 'PRAGMA user_version = 9999; UPDATE meta SET min_writer = 9999');
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    const { message } = await assertStoreRefuses(backend, shim);
    assert.match(message, /newer/);
    await sqlite(place, `PRAGMA user_version = ${version}; UPDATE meta SET min_writer = ${writer}`);
    await recovers(late, isOpen);
    await recovers(shim);
  });

  test('a database of a newer Aegis that older ones may write is used', async (t) => {
    const { place, shim } = await used(t);
    await sqlite(place, 'PRAGMA user_version = 9999; UPDATE meta SET schema = 9999');
    await recovers(shim);
    await recovers(await openShim(place));
  });

  test('a schema number that no migration noted: refused with a sentence, well when it is gone', async (t) => {
    const { backend, place, shim } = await used(t);
    const [{ version }] = await place.query('SELECT user_version AS version FROM pragma_user_version');
    await sqlite(place, 'PRAGMA user_version = 9999');
    const { shim: late, isOpen } = await startsRefusing(backend, place);
    const { message } = await assertStoreRefuses(backend, shim);
    assert.match(message, /newer/);
    await sqlite(place, `PRAGMA user_version = ${version}`);
    await recovers(late, isOpen);
    await recovers(shim);
  });

  test('a state directory that is gone under a running shim: refused, and its limits are not renewed behind its back', async (t) => {
    const { backend, place, shim } = await used(t);
    const away = path.join(place.dir, 'away');
    renameSync(place.state, away);
    await assertStoreRefuses(backend, shim);
    rmSync(place.state, { recursive: true, force: true });
    renameSync(away, place.state);
    await recovers(shim);
  });

  test('a gate that was replaced: nobody passes by an old gate', async (t) => {
    const { backend, place, shim } = await used(t);
    const second = await openShim(place);
    rmSync(path.join(place.state, 'gate'));
    const third = startShim(place);
    const opening = await third.initialize();
    await Promise.allSettled([shim, second].map((one) => one.call('limited', { x: 1 })));
    await recovers(shim);
    await recovers(second);
    await recovers(third, Boolean(opening.result));
    for (let n = 0; n < 6; n++) for (const one of [shim, second, third]) await one.call('limited', { n });
    assert.equal(backend.callsOf('limited').length, 5);
  });

  test('a state directory others may write is theirs no longer', async (t) => {
    const { place } = await setUp(t);
    mkdirSync(place.state, { mode: 0o700 });
    chmodSync(place.state, 0o777);
    const shim = await openShim(place);
    await recovers(shim);
    assert.equal(statSync(place.state).mode & 0o777, 0o700);
  });

  test('a state directory that is a file is refused', async (t) => {
    const { backend, place } = await setUp(t);
    writeFileSync(place.state, 'x');
    await startsRefusing(backend, place);
  });

  test('a backup of the state directory that was put back is a sound database', async (t) => {
    const { backend, place, shim } = await used(t);
    await shim.end();
    const kept = path.join(place.dir, 'kept');
    cpSync(place.state, kept, { recursive: true });
    rmSync(place.state, { recursive: true });
    renameSync(kept, place.state);
    const late = await openShim(place);
    await recovers(late);
    assert.ok(backend.arrivals.length >= 2);
  });
});

function overwrite(file, from, to) {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(to - from, 0xa5), 0, to - from, from);
  closeSync(fd);
}

/** Writes until there is no room left, down to the last byte. */
function fill(file) {
  const fd = openSync(file, 'w');
  for (let size = 1 << 20; size >= 1;) {
    try {
      if (writeSync(fd, Buffer.alloc(size)) < size) size >>= 1;
    } catch {
      size >>= 1;
    }
  }
  closeSync(fd);
}
