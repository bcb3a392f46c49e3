// The broker as a process: its start, its end, what happens in between.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Broker } from '../lib/broker.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { run } from '../lib/process.mjs';
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
    assert.match(broker.stderr, /aegisctl setup/);
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
