// Whatever an agent, a backend or a person writes arrives at operators as text: on their terminal, in the log and in JSON it does nothing.
// Cards of chats and the page have the same corpus in tests of their own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const corpus = {
  colours: '\u001b[31;1mred\u001b[0m', screen: '\u001b[2J\u001b[H', title: '\u001b]0;owned\u0007', link: '\u001b]8;;https://evil.example\u0007x\u001b]8;;\u0007',
  clipboard: '\u001b]52;c;cm0gLXJmIC8=\u0007', c1: '\u009b31m\u0085', lines: 'a\r\nerror approval.given id=APR-AAAA\nb', tabs: 'a\tb\u000bc\u000cd', nul: 'a\u0000b',
  bidi: '\u202egnp.exe\u202c\u2066x\u2069', hidden: 'a\u200bb\u2060c\ufeffd\u00ade', separators: 'a\u2028b\u2029c', tags: 'a\u{e0041}\u{e0042}',
  slack: '<!channel> <@U1> <https://evil.example|text>', feishu: '<at id=all></at>', html: '<script>alert(1)</script><img src=x onerror=alert(1)>',
  markdown: '**b** `c` [x](https://evil.example) ```', format: '%n%s%p${HOME}$(id)`id`', formula: '=HYPERLINK("https://evil.example")', quotes: '"\'\\"; --',
  field: 'x" level=error y="', long: 'x'.repeat(3000),
};
// As names: with a NUL, or of more than 256 bytes, a call is refused before anybody sees it.
const named = Object.values(corpus).filter((text) => !text.includes('\u0000') && text.length <= 256);

// eslint-disable-next-line no-control-regex
const STEERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/u;

/** Nothing a terminal would obey or hide; and no line that could have been written by somebody else. */
function assertInert(what, text) {
  const found = STEERS.exec(text);
  assert.ok(found === null, `${what}: U+${found?.[0].codePointAt(0).toString(16)} behind ${JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 60), found?.index))}`);
  assert.doesNotMatch(text, /^error approval\.given/m, what);
}

/** Every line of a log is one event of its program. */
function assertLog(what, text) {
  assertInert(what, text);
  for (const line of text.trimEnd().split('\n').filter(Boolean))
    assert.ok(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z aegis-\w+\[\d+\]: (error|warn|info|debug) [a-z_.]+( |$)/.test(line), `${what}: ${line.slice(0, 300)}`);
}

async function hostilePlace(t) {
  const backend = await startBackend(t, { tools: named.map((text) => tool(text)) });
  const place = makePlace(t, simpleRules(backend.url, {
    grant: 'approval_required: ["*"]\n',
    more: 'approval: { mode: defer, max_pending_per_agent: 1000, max_asks_per_hour: 1000, cooldown_after_refusal: 0s }\nlog: { level: debug }\n',
  }));
  const shim = await openShim(place, { client: Object.values(corpus).join(' ').slice(0, 500) });
  return { backend, place, shim };
}

/** Commands that show what was written, as people and as programs read them. */
async function assertShown(place, words, seen) {
  const plain = await place.ctl(words);
  const json = await place.ctl([...words, '--json']);
  for (const [what, ran] of [['', plain], [' --json', json]]) {
    assert.ok([0, 1].includes(ran.code), `${words} ${ran.stderr}`);
    assertInert(words.join(' ') + what, ran.stdout);
    assertInert(`stderr of ${words.join(' ')}${what}`, ran.stderr);
  }
  const value = JSON.parse(json.stdout);
  if (seen) assert.ok(seen(value), `${words} --json tells it as it was: ${json.stdout.slice(0, 500)}`);
}

/** With this reason; one that is not taken is said so. */
async function assertRefused(place, short, reason) {
  const ran = await place.ctl(['approvals', 'reject', short, '--reason', reason]);
  assertInert(`reject --reason ${JSON.stringify(reason)}`, ran.stdout + ran.stderr);
  if (ran.code === 0) return;
  assert.equal(ran.code, 2, ran.stderr);
  assert.equal((await place.ctl(['approvals', 'reject', short])).code, 0);
}

describe('hostile text', suite, () => {
  test('of agents, tools, arguments and reasons is only text on a terminal, in JSON and in the log', async (t) => {
    const { backend, place, shim } = await hostilePlace(t);
    const broker = await place.broker({ more: ['--log-level', 'debug'] });
    for (const text of named) {
      const answer = await shim.call(text, { ...corpus, [text]: text });
      assert.ok(answer.result?.isError || answer.error, answer.line?.slice(0, 300));
    }
    const list = async (...more) => JSON.parse((await place.ctl(['approvals', 'list', '--json', ...more])).stdout);
    const asked = await until(async () => (await list()).length === named.length && list(), { what: 'all are asked for', every: 100 });
    assert.deepEqual(asked.map((a) => a.tool).sort(), [...named].sort());
    for (const path of ['approvals/pending', 'audit/logs', 'queue/status', 'agents']) {
      const ran = await place.ctl(['api', 'GET', `/api/v1/${path}`]);
      assert.equal(ran.code, 0, ran.stderr);
      assertInert(path, ran.stdout);
      assert.ok(JSON.parse(ran.stdout));
    }
    for (const [i, one] of asked.entries()) {
      await assertShown(place, ['approvals', 'show', one.short]);
      await assertRefused(place, one.short, named[i]);
    }
    await assertShown(place, ['approvals', 'list', '--all'], (all) => all.length === named.length);
    await assertShown(place, ['audit', 'list', '--limit', '1000'], (rows) => rows.some((row) => row.tool === corpus.bidi));
    for (const words of [['status'], ['limits'], ['queue'], ['unknown', 'list'], ['channel', 'list']]) await assertShown(place, words);
    assert.equal(backend.arrivals.length, 0);
    assertLog('log of the shim', shim.stderr);
    assertLog('log of the broker', broker.stderr);
    for (const secret of ['evil.example', 'gnp.exe']) {
      assert.equal(broker.stderr.includes(secret), false, 'arguments are no matter of the log');
    }
  });

  test('in JSON logs is one object a line', async (t) => {
    const { place } = await hostilePlace(t);
    place.writeRules(readFileSync(place.config, 'utf8').replace('level: debug', 'level: debug, format: json'));
    const shim = await openShim(place, { client: corpus.lines });
    for (const text of [corpus.lines, corpus.bidi, corpus.title, corpus.quotes]) await shim.call(text, corpus);
    assertInert('log of the shim', shim.stderr);
    const lines = shim.stderr.trim().split('\n').filter((line) => line.startsWith('{'));
    assert.ok(lines.length > 0, shim.stderr.slice(0, 500));
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object');
  });
});
