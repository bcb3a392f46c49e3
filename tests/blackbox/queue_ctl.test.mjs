// aegisctl queue: what operators see of those that wait.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { startLine } from '../lib/queue.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

describe('aegisctl queue', suite, () => {
  test('says so when nobody waits, also before anything was stored', async (t) => {
    const line = await startLine(t);
    for (const args of [['queue'], ['queue', '--backend', 'demo']]) {
      const { code, stdout } = await line.place.ctl(args);
      assert.equal(code, 0);
      assert.match(stdout, /^no call waits/);
    }
    assert.deepEqual(await line.rows(), []);
    const { code, stderr } = await line.place.ctl(['queue', '--backend', 'nosuch']);
    assert.equal(code, 1);
    assert.match(stderr, /no backend 'nosuch'/);
  });

  test('lists position, agent, tool, state, how long it waits and when it may start', async (t) => {
    const line = await startLine(t, 'delay_min: 60s, delay_max: 60s');
    line.hold();
    const [one, two] = [await line.open('one'), await line.open('two')];
    await line.join(one, { n: 0 });
    await until(() => line.held.length === 1, { what: 'the first with the backend' });
    await line.join(two, { n: 1 });
    await line.join(one, { n: 2 });
    const rows = await line.rows();
    assert.deepEqual(rows.map((r) => [r.backend, r.position, r.agent, r.tool, r.state]), [
      ['demo', null, 'one', 'publish', 'FORWARDING'], ['demo', 1, 'two', 'publish', 'WAITING'], ['demo', 2, 'one', 'publish', 'WAITING'],
    ]);
    assert.ok(rows.every((r) => r.waited_ms >= 0), JSON.stringify(rows));
    assert.ok(rows[2].ready_ms > rows[1].ready_ms, JSON.stringify(rows));
    const { stdout } = await line.place.ctl(['queue']);
    const lines = stdout.trim().split('\n');
    assert.equal(lines.length, 4, stdout);
    assert.match(lines[0], /backend +position +state +agent +tool +waited +starts/);
    assert.match(lines[2], /demo +1 +WAITING +two +publish .* in about 1m/);
    const other = await line.place.ctl(['queue', '--json', '--backend', 'demo']);
    assert.equal(JSON.parse(other.stdout).length, 3);
  });

  test('watches: one line of JSON a time, until it is interrupted', async (t) => {
    const line = await startLine(t);
    line.hold();
    const shim = await line.open();
    await line.join(shim, { n: 0 });
    await until(() => line.held.length === 1, { what: 'the first with the backend' });
    const child = spawn(bin('aegisctl'), ['queue', '--watch', '--json', ...line.place.options], { env: line.place.env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.on('data', (chunk) => { text += chunk; });
    await until(() => text.split('\n').length > 1, { what: 'a first look' });
    assert.equal(JSON.parse(text.split('\n')[0])[0].state, 'FORWARDING');
    await line.join(shim, { n: 1 });
    const last = () => JSON.parse(text.trim().split('\n').at(-1));
    await until(() => text.endsWith('\n') && last().length === 2, { what: 'a look with both' });
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal)));
    child.kill('SIGINT');
    assert.equal(await settled(ended, 'its end'), 'SIGINT');
  });
});
