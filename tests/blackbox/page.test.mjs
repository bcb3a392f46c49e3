// The approval page and the links: what they show is what would run, only a pressed button decides, and whoever comes late learns the truth.
import assert from 'node:assert/strict';
import os from 'node:os';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { LINK, linkFacts, linkKeys, linkToken, tokenFor } from '../lib/links.mjs';
import { Page, pagePlace } from '../lib/page.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';
import { BASE, webhookPlace } from '../lib/webhook_place.mjs';

const bound = { message: 'hello', to: ['a', 'b'] };

/** A question that waits, its page and its call. */
async function asked(at, args = bound, tool = 'publish') {
  const shim = await at.open();
  const answer = shim.call(tool, args);
  answer.catch(() => {});
  const approval = await at.person.asked((a) => a.tool === tool);
  return { shim, answer, approval, url: await at.pageUrl(approval) };
}

const stateOf = async (at, id) => (await at.place.query(`SELECT state FROM approval WHERE id = '${id}'`))[0].state;

describe('the approval page', suite, () => {
  test('a call goes from its question to its execution by a pressed button', async (t) => {
    const at = await pagePlace(t);
    const { answer, approval, url } = await asked(at);
    const page = await Page.open(url);
    assert.equal(page.status, 200);
    assert.equal(at.backend.arrivals.length, 0);
    const after = await page.press('approve');
    assert.equal(after.status, 200);
    assert.match(after.text, new RegExp(`${approval.short} approved: publish for agent one`));
    assertSaid(await answer, 'hello');
    assert.equal(at.backend.arrivals.length, 1);
    const [row] = await at.person.list('--all');
    assert.deepEqual([row.state, row.decided_by, row.decided_means], ['CONSUMED', 'link', 'page']);
    const later = await until(async () => {
      const now = await Page.open(url);
      return /the call succeeded/.test(now.text) && now;
    });
    assert.equal(later.forms.length, 0, 'nothing is left to decide');
  });

  test('a rejection brings its reason to the agent', async (t) => {
    const at = await pagePlace(t);
    const { answer, url } = await asked(at);
    const page = await Page.open(url);
    const after = await page.press('reject', { reason: 'not on a Friday:\nask Märta' });
    assert.equal(after.status, 200);
    assert.match(after.text, /refused: publish/);
    assert.match(assertRefused(await answer, CODE.approval, { reason: 'refused' }).message, /not on a Friday: ?ask Märta/);
    assert.equal(at.backend.arrivals.length, 0);
    assert.match((await Page.open(url)).text, /was refused by link \(page\) at .*: not on a Friday/);
  });

  test('shows what, who, from where, which rule and how long', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const { text } = await Page.open(url);
    for (const word of ['publish', 'demo', 'one', approval.short, approval.id, os.userInfo().username, os.hostname(), 'nothing proves it', 'one decision', 'first call of this tool'])
      assert.ok(text.includes(word), `${word} in: ${text}`);
    assert.match(text, /"message" : "hello"/);
    assert.match(text, /Expires \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC , in (10|9) min/);
  });

  test('shows what changed since the call of that tool before', async (t) => {
    const at = await pagePlace(t);
    const first = await asked(at, { text: 'one\ntwo\nthree', n: 1 });
    await (await Page.open(first.url)).press('approve');
    await first.answer;
    const second = await asked(at, { text: 'one\n2\nthree', n: 1 });
    const { html, text } = await Page.open(second.url);
    assert.ok(text.includes(first.approval.short), text);
    const rows = (kind) => [...html.matchAll(new RegExp(`<span class="row ${kind}">(.*?)</span>`, 'g'))].map(([, row]) => row.replace(/^\S+ +│ /, ''));
    assert.deepEqual([rows('gone'), rows('new')], [['two\\n'], ['2\\n']]);
  });

  test('whoever comes second, or too late, is told the truth', async (t) => {
    const at = await pagePlace(t, { approval: 'max_pending_per_agent: 50' });
    const one = await asked(at);
    const [mine, yours] = await Promise.all([Page.open(one.url), Page.open(one.url)]);
    await mine.press('reject', { reason: 'no' });
    const second = await yours.press('approve');
    assert.equal(second.status, 409);
    assert.match(second.text, /was refused by link \(page\) at \S+: no; your decision came later and changes nothing/);
    const again = await mine.press('reject', { reason: 'no' });
    assert.equal(again.status, 409, 'a button pressed twice');
    const two = await asked(at, bound, 'erase');
    const open = await Page.open(two.url);
    await at.person.decide('cancel', two.approval.short, '--reason', 'wrong day');
    const late = await open.press('approve');
    assert.ok([409, 410].includes(late.status), `${late.status}`);
    assert.match(late.text, /was cancelled .*wrong day/);
    assert.equal((await Page.open(two.url)).status, 410);
    assert.equal(at.backend.arrivals.length, 0);
  });

  test('after its time it says that nothing was run', async (t) => {
    const at = await pagePlace(t, { approval: 'timeout: 2s' });
    assertRefused(await (await at.open()).call('publish', bound), CODE.approval, { reason: 'expired' });
    const [approval] = await at.person.list('--all');
    const url = await at.pageUrl(approval);
    const form = { token: await tokenFor(at.place, LINK.form, approval.id), decision: 'approve' };
    const late = await Page.open(url, { method: 'POST', body: new URLSearchParams(form) });
    assert.equal(late.status, 410);
    assert.match(late.text, /has expired.*nothing was run; it cannot be decided any more/);
    const page = await Page.open(url);
    assert.deepEqual([page.status, page.forms.length], [410, 0]);
  });

  test('two who press at once: one decides, the other learns it', async (t) => {
    const at = await pagePlace(t);
    const { url, answer } = await asked(at);
    const page = await Page.open(url);
    const ends = await Promise.all([page.press('approve'), page.press('reject'), page.press('approve'), page.press('reject')]);
    assert.deepEqual(ends.map((end) => end.status).sort(), [200, 409, 409, 409]);
    const approved = /approved: publish/.test(ends.find((end) => end.status === 200).text);
    assert.equal(Boolean((await answer).result), approved);
  });

  test('what looks at a link decides nothing, however often', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const link = await at.linkUrl(approval, 'approve');
    const bots = ['Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)', 'Mozilla/5.0 (compatible; Discordbot/2.0)', 'TelegramBot (like TwitterBot)', 'facebookexternalhit/1.1', 'curl/8'];
    const look = async (i) => {
      const headers = { 'user-agent': bots[i % bots.length], ...(i % 3 ? {} : { purpose: 'prefetch', 'sec-purpose': 'prefetch;prerender' }) };
      return (await fetch(url, { method: i % 2 ? 'HEAD' : 'GET', headers })).arrayBuffer();
    };
    for (let i = 0; i < 1000; i += 20) await Promise.all(Array.from({ length: 20 }, (_, n) => look(i + n)));
    for (const init of [
      { method: 'HEAD' }, { headers: { purpose: 'prefetch' } }, { headers: { 'sec-purpose': 'prefetch' } }, { headers: { 'x-moz': 'prefetch' } },
      { headers: { 'user-agent': bots[0] } },
    ])
      assert.equal((await fetch(link, init)).status, 403);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
  });

  test('says that it cannot decide where the rules want persons by name, and shows everything', async (t) => {
    const uid = process.getuid();
    const at = await pagePlace(t, { approval: 'quorum: 2', more: `people: { alice: { uid: ${uid}, roles: [approver] }, bob: { uid: ${uid + 1}, roles: [approver] } }\n` });
    const { approval, url } = await asked(at);
    await at.person.run('approve', approval.short);
    const page = await Page.open(url);
    assert.equal(page.forms.length, 0);
    assert.match(page.text, /This page cannot decide: the rules ask for persons they know by name/);
    assert.match(page.text, /2 persons; 1 has agreed/);
    assert.match(page.text, /alice approved \(cli\)/);
    assert.match(page.text, /"message" : "hello"/);
    const forced = await Page.open(url, { method: 'POST', body: new URLSearchParams({ token: await tokenFor(at.place, LINK.form, approval.id), decision: 'approve' }) });
    assert.equal(forced.status, 403);
    assert.match(forced.text, /stays undecided by you/);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
  });

  test('arguments that do not fit are not approved from there', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at, { text: 'x'.repeat(1_300_000), zz: 'the end' });
    const page = await Page.open(url);
    assert.match(page.text, /\d+ more bytes do not fit on this page/);
    assert.ok(!page.text.includes('the end'));
    assert.equal(page.form('approve'), undefined);
    const forced = await Page.open(url, { method: 'POST', body: new URLSearchParams({ token: await tokenFor(at.place, LINK.form, approval.id), decision: 'approve' }) });
    assert.equal(forced.status, 403);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
    assert.equal((await page.press('reject')).status, 200);
  });
});

describe('the whole way', suite, () => {
  test('an SDK client asks, a message brings the link, a person presses, the call runs, and the receiver hears of it', async (t) => {
    const at = await webhookPlace(t);
    const client = await connectSdk1(new StdioClientTransport({ command: bin('aegis-shim'), args: [...at.place.options, '--agent', 'one'], env: at.place.env }));
    try {
      const answer = client.callTool({ name: 'publish', arguments: bound });
      answer.catch(() => {});
      const asking = await at.hook.event('approval_request');
      assert.match(asking.approval_url, /^http:\/\/aegis\.test\/a\//);
      const page = await Page.open(asking.approval_url.replace(BASE, at.origin));
      assert.match(page.text, /one wants to call publish/);
      assert.equal(at.backend.arrivals.filter((one) => one.method === 'tools/call').length, 0);
      assert.equal((await page.press('approve')).status, 200);
      assert.equal((await answer).isError ?? false, false);
      assert.equal(at.backend.callsOf('publish').length, 1);
      await at.hook.event('approval_executed');
      assert.deepEqual(at.hook.names(asking.id), ['request', 'decided', 'executed']);
      const later = await Page.open(asking.approval_url.replace(BASE, at.origin));
      assert.match(later.text, /was approved by link \(page\) at .*it has been used; the call succeeded/);
    } finally {
      await client.close();
    }
  });

  test('while the store cannot be asked nothing is decided, and the link stays good', async (t) => {
    const at = await pagePlace(t, { mode: 'defer' });
    const { approval, url } = await asked(at);
    const page = await Page.open(url);
    renameSync(at.place.db, `${at.place.db}.away`);
    const refused = await page.press('approve');
    assert.equal(refused.status, 503, refused.text);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.match(refused.text, /nothing (has changed|was decided)/);
    renameSync(`${at.place.db}.away`, at.place.db);
    const end = await until(async () => {
      const now = await page.press('approve');
      return now.status !== 503 && now;
    });
    assert.equal(end.status, 200, end.text);
    assert.equal(await stateOf(at, approval.id), 'APPROVED');
  });
});

describe('behind a proxy', suite, () => {
  test('the page works below a path, whether the proxy takes it away or not', async (t) => {
    const at = await pagePlace(t, { under: '/tools/aegis/' });
    const { answer, approval, url } = await asked(at);
    const below = url.replace(at.base, `${at.base}/tools/aegis`);
    assert.equal((await Page.open(url)).status, 200);
    const page = await Page.open(below);
    assert.equal(page.status, 200);
    assert.equal((await fetch(below.replace('/tools/', '/other/'))).status, 401);
    const link = await at.linkUrl(approval, 'reject');
    assert.equal((await fetch(link.replace(at.base, `${at.base}/tools/aegis`), { method: 'HEAD' })).status, 403);
    assert.equal((await page.press('approve')).status, 200);
    assertSaid(await answer, 'hello');
  });

  test('a form that comes with the origin people see is ours', async (t) => {
    const at = await pagePlace(t);
    const { url } = await asked(at);
    const page = await Page.open(url);
    assert.equal((await page.press('approve', {}, { headers: { origin: 'http://127.0.0.1:2' } })).status, 403);
    assert.equal((await page.press('approve', {}, { headers: { origin: 'http://127.0.0.1:1' } })).status, 200);
  });
});

describe('what is not a pressed button of the page', suite, () => {
  test('decides nothing', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const other = await asked(at, bound, 'erase');
    const form = (await Page.open(url)).form('approve').fields;
    const foreign = (await Page.open(other.url)).form('approve').fields;
    const token = new URL(url).pathname.slice(3);
    const post = (fields, headers = {}, to = url) => fetch(to, { method: 'POST', body: new URLSearchParams(fields), headers });
    const sent = (type, body) => fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
    for (const [what, status, answer] of [
      ['no form token', 400, await post({ decision: 'approve' })],
      ['an empty one', 400, await post({ ...form, token: '' })],
      ['one of another approval', 403, await post(foreign)],
      ['the token of the page', 403, await post({ ...form, token })],
      ['the token of a link that decides', 403, await post({ ...form, token: await tokenFor(at.place, LINK.approve, approval.id) })],
      ['another decision', 400, await post({ ...form, decision: 'maybe' })],
      ['a field too many', 400, await post({ ...form, more: '1' })],
      ['JSON', 415, await sent('application/json', JSON.stringify(form))],
      ['plain text, which other sites may send', 415, await sent('text/plain', `token=${form.token}&decision=approve`)],
      ['a body without a type', 415, await fetch(url, { method: 'POST', body: Buffer.from(`token=${form.token}&decision=approve`) })],
      ['a page of another origin', 403, await post(form, { origin: 'https://evil.example' })],
      ['no origin at all', 403, await post(form, { origin: 'null' })],
      ['another site', 403, await post(form, { 'sec-fetch-site': 'cross-site' })],
      ['a neighbour site', 403, await post(form, { 'sec-fetch-site': 'same-site' })],
      ['a reason that is too long', 400, await post({ ...form, decision: 'reject', reason: 'x'.repeat(1001) })],
      ['a reason that hides something', 400, await post({ ...form, decision: 'reject', reason: 'a\u202eb' })],
      ['PUT', 405, await fetch(url, { method: 'PUT', body: new URLSearchParams(form) })],
      ['the query of a GET', 200, await fetch(`${url}?${new URLSearchParams(form)}`)],
    ]) {
      assert.equal(answer.status, status, what);
      assert.equal(await stateOf(at, approval.id), 'PENDING', what);
    }
  });

  test('a forged link and an unknown one get the same answer', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const other = await asked(at, bound, 'erase');
    const [kid, id, mac] = new URL(url).pathname.slice(3).split('.');
    const [, otherId, otherMac] = new URL(other.url).pathname.slice(3).split('.');
    const facts = await linkFacts(at.place, approval.id);
    const key = linkKeys(at.place)[0];
    const strange = { kid: key.kid, secret: Buffer.alloc(32) };
    const next = (text) => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
    const forged = [
      'nonsense', `${kid}.${id}`, `${kid}.${id}.`, `${kid}.${id}.${mac.slice(0, -1)}`, `${kid}.${id}.${mac}A`, `${kid}.${id}.${mac}=`, `${kid}.${id}.${mac}.${mac}`,
      `${kid}.${id}.${next(mac)}`, `${kid}.${next(id)}.${mac}`, `${kid}.${id}.${otherMac}`, `${kid}.${otherId}.${mac}`, `AAAAAA.${id}.${mac}`, `${kid}%2e${id}%2e${next(mac)}`,
      linkToken(LINK.approve, facts, key), linkToken(LINK.reject, facts, key), linkToken(LINK.form, facts, key),
      linkToken(LINK.page, { ...facts, at: facts.at + 1n }, key), linkToken(LINK.page, { ...facts, args: Buffer.alloc(32) }, key),
      linkToken(LINK.page, { ...facts, id: Buffer.alloc(16, 7) }, key), linkToken(LINK.page, facts, strange),
    ];
    const shape = async (answer) => [answer.status, [...answer.headers.keys()].sort().join(), await answer.text()];
    const unknown = await shape(await fetch(`${at.base}/a/${linkToken(LINK.page, { ...facts, id: Buffer.alloc(16, 9) }, key)}`));
    assert.equal(unknown[0], 404);
    const form = (await Page.open(url)).form('approve').fields;
    for (const token of forged) {
      assert.deepEqual(await shape(await fetch(`${at.base}/a/${token}`)), unknown, token);
      assert.deepEqual(await shape(await fetch(`${at.base}/a/${token}`, { method: 'POST', body: new URLSearchParams(form) })), unknown, token);
    }
    assert.equal(await stateOf(at, approval.id), 'PENDING');
  });

  test('every answer is for nobody else to keep, frame, index or dress up', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    for (const answer of [await fetch(url), await fetch(`${at.base}/a/x`), await fetch(`${at.base}/callback/approval`), await fetch(await at.linkUrl(approval, 'reject'))]) {
      const { headers } = answer;
      const policy = headers.get('content-security-policy');
      for (const word of ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]) assert.ok(policy.includes(word), policy);
      assert.match(policy, /style-src 'sha256-[\w+/]{43}='/);
      assert.ok(!/unsafe|script-src/.test(policy), policy);
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.match(headers.get('x-robots-tag'), /noindex/);
      assert.match(headers.get('referrer-policy'), /^(no-referrer|same-origin)$/);
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.match(await answer.text(), /^<!doctype html><html lang=en>/);
    }
  });
});

describe('keys of links', suite, () => {
  test('links outlive a restart and one rotation of the keys, and end with the next', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const open = await Page.open(url);
    const file = path.join(at.place.state, 'keys', 'links');
    const token = new URL(url).pathname;
    let broker = at.broker;
    const again = async (lines) => {
      await broker.end();
      if (lines) writeFileSync(file, ['aegis links 1', ...lines, ''].join('\n'), { mode: 0o600 });
      broker = await at.place.broker();
      return at.listens(broker);
    };
    const line = ({ kid, secret }, born = Date.now()) => `${kid.toString('hex')} ${secret.toString('hex')} ${born}`;
    const fresh = (n) => ({ kid: Buffer.alloc(4, n), secret: Buffer.alloc(32, n) });
    const [old] = linkKeys(at.place);
    assert.equal((await Page.open(await again() + token)).status, 200, 'after a restart');
    const base = await again([line(fresh(1)), line(old)]);
    const page = await Page.open(base + token);
    assert.equal(page.status, 200, 'after one rotation');
    assert.equal((await Page.open(base + token, { method: 'POST', body: new URLSearchParams({ ...open.form('approve').fields, decision: 'approve', token: 'x' }) })).status, 403);
    const gone = await again([line(fresh(2)), line(fresh(1))]);
    assert.equal((await Page.open(gone + token)).status, 404, 'after two');
    const after = await Page.open(gone + token, { method: 'POST', body: new URLSearchParams(page.form('approve').fields) });
    assert.equal(after.status, 404);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
    const last = await Page.open(await at.pageUrl(approval, gone));
    assert.equal((await last.press('approve')).status, 200);
  });
});

describe('a link that decides by itself', suite, () => {
  test('does what its action says, once', async (t) => {
    const at = await pagePlace(t);
    const { answer, approval } = await asked(at);
    const url = await at.linkUrl(approval, 'approve');
    const first = await Page.open(url);
    assert.equal(first.status, 200);
    assert.match(first.text, /Approved/);
    assertSaid(await answer, 'hello');
    const [row] = await at.person.list('--all');
    assert.deepEqual([row.decided_by, row.decided_means], ['link', 'link']);
    const second = await Page.open(await at.linkUrl(approval, 'reject'));
    assert.equal(second.status, 409);
    assert.match(second.text, /was approved by link .*your decision came later/);
    const other = await asked(at, bound, 'erase');
    const rejected = await Page.open(await at.linkUrl(other.approval, 'reject'));
    assert.equal(rejected.status, 200);
    assert.match(rejected.text, /Rejected/);
    assertRefused(await other.answer, CODE.approval, { reason: 'refused' });
  });

  test('is refused with the wrong token, the wrong action or none', async (t) => {
    const at = await pagePlace(t);
    const { approval, url } = await asked(at);
    const approve = await tokenFor(at.place, LINK.approve, approval.id);
    const facts = await linkFacts(at.place, approval.id);
    const unknown = { ...facts, id: Buffer.alloc(16, 5) };
    const ask = (query) => fetch(`${at.base}/callback/approval?${query}`);
    for (const [query, status] of [
      ['', 400], [`id=${approval.id}`, 400], [`id=${approval.id}&action=approve`, 400], [`id=${approval.id}&token=${approve}`, 400], [`action=approve&token=${approve}`, 400],
      [`id=${approval.id}&action=maybe&token=${approve}`, 400], [`id=${approval.id}&action=approve&action=reject&token=${approve}`, 400],
      [`id=${approval.id}&action=reject&token=${approve}`, 403],
      [`id=${approval.id}&action=approve&token=${new URL(url).pathname.slice(3)}`, 403],
      [`id=${approval.id}&action=approve&token=${await tokenFor(at.place, LINK.form, approval.id)}`, 403],
      [`id=${approval.short}&action=approve&token=${approve}`, 403],
      [`id=${approval.id}&action=approve&token=x`, 403],
      [`id=${unknown.id.toString('hex')}&action=approve&token=${linkToken(LINK.approve, unknown, linkKeys(at.place)[0])}`, 404],
    ])
      assert.equal((await ask(query)).status, status, query);
    assert.equal((await fetch(`${at.base}/a/${approve}`)).status, 404, 'on the page');
    assert.equal((await fetch(`${at.base}/callback/approval?id=${approval.id}&action=approve&token=${approve}`, { method: 'POST' })).status, 405);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
  });

  test('decides nothing when that is switched off, from that moment on', async (t) => {
    const at = await pagePlace(t);
    const { approval } = await asked(at);
    const url = await at.linkUrl(approval, 'approve');
    at.place.writeRules(readFileSync(at.place.config, 'utf8').replace('callback_base_url', 'generic: { get_decides: false }, callback_base_url'));
    at.broker.kill('SIGHUP');
    await at.broker.said(/reload|rules/i);
    await until(async () => (await fetch(url.replace('approve&', 'reject&'))).status === 403 && /switched off/.test(await (await fetch(url.replace('approve&', 'reject&'))).text()));
    const answer = await Page.open(url);
    assert.equal(answer.status, 403);
    assert.match(answer.text, /switched off \(approval\.generic\.get_decides\)/);
    assert.equal(await stateOf(at, approval.id), 'PENDING');
  });
});
