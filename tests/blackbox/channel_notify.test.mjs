// The notify hook and the desktop: a program of the operator's is told of every step; where nothing is configured, whoever sits here.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Person } from '../lib/approvals.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { isAlive } from '../lib/process.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';
import { messages } from '../lib/webhook_place.mjs';

/** command: argv of the hook, made when the place is there; none: the desktop. */
async function notifyPlace(t, command, { approval = '', env } = {}) {
  const backend = await startBackend(t, { tools: [tool('publish'), tool('echo')] });
  const place = makePlace(t);
  const asking = ['mode: hold', command && `notify: { command: ${JSON.stringify(command(place))} }`, approval].filter(Boolean).join(', ');
  place.writeRules(simpleRules(backend.url, { grant: 'approval_required: ["publish"]\n', more: `approval: { ${asking} }\n` }));
  const broker = await place.broker({ env });
  return { backend, place, broker, person: new Person(place), open: () => openShim(place) };
}

function script(place, text, name = 'hook') {
  const file = path.join(place.dir, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

const toldIn = (place) => (existsSync(path.join(place.dir, 'told')) ? readFileSync(path.join(place.dir, 'told'), 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)) : []);
const toldEvents = (place, n) => until(() => {
  const all = toldIn(place);
  return all.length >= n && all;
}, { what: `${n} events` });
const row = (place, fits) => until(async () => {
  const [one] = await messages(place);
  return one && fits(one) && one;
}, { what: 'the message to be so', every: 50 });

const said = { message: 'it\'s "$(touch pwned)" `id`\n; rm -rf /' };

describe('approval.notify.command', suite, () => {
  test('is told every step in order on its stdin, with no link that decides, by no shell', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, 'cat >> "$1"'), path.join(place.dir, 'told'), '$(touch pwned)']);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const [asked] = await toldEvents(it.place, 1);
    assert.deepEqual([asked.event, asked.agent_id, asked.tool_name], ['approval_request', 'one', 'publish']);
    assert.deepEqual(JSON.parse(asked.arguments), said);
    assert.deepEqual(Object.keys(asked).filter((key) => key.endsWith('_url')), []);
    await it.person.decide('approve', asked.short_id, '--reason', 'fine');
    assertSaid(await answer, said.message);
    const all = await toldEvents(it.place, 3);
    assert.deepEqual(all.map((one) => one.event), ['approval_request', 'approval_decided', 'approval_executed']);
    assert.deepEqual([all[1].decision, all[1].reason, all[2].outcome], ['approved', 'fine', 'ok']);
    assert.equal(existsSync(path.join(it.place.dir, 'pwned')), false);
    assert.ok(!it.broker.stderr.includes('touch pwned'));
  });

  test('has a small environment of its own', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, `env > "${place.dir}/env"; ls -l /proc/$$/fd | wc -l > "${place.dir}/fds"; cat > "${place.dir}/told"`)], { env: { SECRET_OF_MINE: 'x' } });
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const [asked] = await toldEvents(it.place, 1);
    const env = readFileSync(path.join(it.place.dir, 'env'), 'utf8');
    assert.doesNotMatch(env, /SECRET_OF_MINE|AEGIS/);
    assert.match(env, /^PATH=/m);
    await it.person.decide('reject', asked.short_id);
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
  });

  test('that says "later" (75) is run again, and what it says on stderr is kept', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, `cat > "${place.dir}/last"; if [ -e "${place.dir}/once" ]; then cat "${place.dir}/last" >> "${place.dir}/told"; else touch "${place.dir}/once"; echo "the pager is busy" >&2; echo more >&2; exit 75; fi`)]);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const [asked] = await toldEvents(it.place, 1);
    await row(it.place, (one) => one.state === 'SENT');
    const attempts = await it.place.query('SELECT result, said FROM message_attempt ORDER BY n');
    assert.deepEqual(attempts[0], { result: 'retry', said: 'the command exited with code 75: the pager is busy' });
    await it.person.decide('reject', asked.short_id);
    await answer;
  });

  test('that fails is given up after a few times', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, 'echo broken >&2; exit 3')]);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const dead = await row(it.place, (one) => one.state === 'DEAD');
    assert.equal(dead.last_error, 'the command exited with code 3: broken');
    assert.equal(dead.tries, 5);
    const asked = await it.person.asked();
    await it.person.decide('approve', asked.short);
    assertSaid(await answer, said.message);
  });

  test('that is not there says so, and nothing else is the worse for it', async (t) => {
    const it = await notifyPlace(t, () => ['/nonexistent/hook']);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const one = await row(it.place, (message) => message.tries > 0 && message.last_error);
    assert.match(one.last_error, /^the command cannot be started/);
    const asked = await it.person.asked();
    await it.person.decide('approve', asked.short);
    assertSaid(await answer, said.message);
  });

  test('that never ends dies with the broker, and the next one tells again', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, `cat >> "${place.dir}/told"; echo $$ > "${place.dir}/pid"; if [ ! -e "${place.dir}/quick" ]; then while :; do sleep 1; done; fi`)]);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const file = path.join(it.place.dir, 'pid');
    await until(() => existsSync(file) && readFileSync(file, 'utf8').trim(), { what: 'the hook' });
    const pid = Number(readFileSync(file, 'utf8'));
    it.broker.kill('SIGKILL');
    await it.broker.exited;
    await until(() => !isAlive(pid), { what: 'end of the hook' });
    writeFileSync(path.join(it.place.dir, 'quick'), '');
    await it.place.broker();
    const all = await toldEvents(it.place, 2);
    assert.equal(all[0].message_id, all[1].message_id);
    await row(it.place, (one) => one.state === 'SENT');
    await it.person.decide('reject', all[0].short_id);
    await answer;
  });

  test('is tested by aegisctl', async (t) => {
    const it = await notifyPlace(t, (place) => [script(place, `cat > "${place.dir}/told"; echo hm >&2; exit 0`)]);
    const { code, stdout, stderr } = await it.place.ctl(['channel', 'test', 'notify']);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /hook is started with a test message on its stdin\nok +the command exited with code 0: hm\n$/);
    assert.equal(toldIn(it.place)[0].event, 'test');
    assert.deepEqual(await messages(it.place), []);
  });
});

/** A folder for PATH with a notify-send that writes down what it was given. */
function fakeDesktop(place) {
  const folder = path.join(place.dir, 'bin');
  mkdirSync(folder);
  script(place, `for a in "$@"; do printf '%s\\0' "$a"; done >> "${place.dir}/shown"`, 'bin/notify-send');
  return { PATH: `${folder}:${process.env.PATH}`, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent' };
}

describe('where no channel is configured', suite, () => {
  test('the desktop names the command that decides', async (t) => {
    const backend = await startBackend(t, { tools: [tool('<b>pub&lish'), tool('echo')] });
    const place = makePlace(t, simpleRules(backend.url, { grant: 'approval_required: ["*"]\n', more: 'approval: { mode: hold }\n' }));
    await place.broker({ env: fakeDesktop(place) });
    const shim = await openShim(place);
    const answer = shim.call('<b>pub&lish', said);
    const shown = path.join(place.dir, 'shown');
    await until(() => existsSync(shown) && readFileSync(shown, 'utf8').includes('aegisctl'), { what: 'a notification' });
    const args = readFileSync(shown, 'utf8').split('\0');
    const person = new Person(place);
    const asked = await person.asked();
    assert.deepEqual(args.slice(-4), ['--', `Approval ${asked.short} is needed`, `one wants to run ?b?pub?lish at demo.\naegisctl approvals approve ${asked.short}`, '']);
    await person.decide('approve', asked.short);
    assertSaid(await answer, said.message);
    await row(place, (one) => one.channel === 'desktop' && one.state === 'SENT');
  });

  test('a machine without a desktop says so once and goes on', async (t) => {
    const it = await notifyPlace(t, null);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const one = await row(it.place, (message) => message.state === 'DROPPED');
    assert.match(one.last_error, /no desktop session/);
    assert.equal(one.tries, 1);
    assert.doesNotMatch(it.broker.stderr, / error /);
    const { code, stdout } = await it.place.ctl(['channel', 'test', 'desktop']);
    assert.equal(code, 1);
    assert.match(stdout, /^failed this machine has no desktop session/);
    const asked = await it.person.asked();
    await it.person.decide('approve', asked.short);
    assertSaid(await answer, said.message);
  });
});
