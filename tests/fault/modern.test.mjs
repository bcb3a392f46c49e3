// The stateless revision 2026-07-28 before backends that break: the client is told the truth, hears it in time, and nothing runs twice.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, REVISION, startModern } from '../lib/modern_backend.mjs';
import { elicitation, modern, needsInput, retry } from '../lib/modern_client.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { startShim } from '../lib/shim.mjs';

const discovered = (versions) => complete({ supportedVersions: versions, capabilities: {}, ttlMs: 0, cacheScope: 'public' });

/** What a backend may say to server/discover instead of an answer. */
const noAnswers = {
  'a page of HTML': (x) => x.send(200, '<html>', { 'content-type': 'text/html' }),
  'half an answer': (x) => { x.res.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 }); x.res.write('{"jsonrpc":'); x.socket.end(); },
  'an empty 200': (x) => x.send(200),
  'HTTP 500': (x) => x.send(500, 'oops'),
  'HTTP 503 and Retry-After': (x) => x.send(503, '', { 'retry-after': '3600' }),
  'HTTP 405': (x) => x.send(405),
  'a reset': (x) => x.reset(),
  'a stream that never ends': (x) => { x.stream(); const again = () => !x.res.destroyed && x.res.write(': still here\n\n', () => setTimeout(again, 20).unref()); again(); },
  'the answer to somebody else': (x) => x.json(JSON.stringify({ jsonrpc: '2.0', id: 'other', result: discovered([REVISION]) })),
  'a result without revisions': (x) => x.result(complete({ capabilities: {} })),
  'revisions of which none is ours': (x) => x.result(discovered(['2099-01-01'])),
  'two keys that are one': (x) => x.result(`{"supportedVersions":["${REVISION}"],"supportedVersions":[]}`),
};

describe('server/discover that brings no answer', suite, () => {
  for (const [what, fault] of Object.entries(noAnswers)) {
    test(`${what}: the client is told to fall back, in time, and its session opens`, async (t) => {
      const backend = await startBackend(t);
      backend.onMethod['server/discover'] = fault;
      const shim = startShim(makePlace(t, simpleRules(backend.url)));
      const { error } = await modern(shim).ask('server/discover');
      assert.equal(error?.code, -32601);
      assert.ok(error.data.supported.includes('2025-11-25'));
      assert.ok((await shim.initialize()).result);
      assertSaid(await shim.call('echo', { message: 'x' }), 'x');
      assert.equal(backend.sessions, 1);
    });
  }
});

/** What becomes of a call, and what the agent is told: [fault, code, executed]. */
const broken = {
  'a reset': [(x) => x.reset(), CODE.unknown, 'unknown'],
  'half a result': [(x) => { x.res.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 }); x.res.write('{"jsonrpc":"2.0",'); x.socket.end(); }, CODE.unknown, 'unknown'],
  'a stream that ends early': [(x) => { x.stream(); x.end(); }, CODE.unknown, 'unknown'],
  'a stream that ends early, with an id': [(x) => { x.stream(); x.res.write('id: 1\nretry: 1\ndata:\n\n', () => x.end()); }, CODE.unknown, 'unknown'],
  'the answer to somebody else': [(x) => x.json(JSON.stringify({ jsonrpc: '2.0', id: 'other', result: complete({ content: [] }) })), CODE.unknown, 'unknown'],
  'HTTP 500': [(x) => x.send(500, 'oops'), CODE.unknown, 'unknown'],
  'HTTP 400 without a word': [(x) => x.send(400), CODE.unreachable, 'no'],
  'HTTP 404': [(x) => x.send(404), CODE.unreachable, 'no'],
};

describe('a call that breaks', suite, () => {
  for (const [what, [fault, code, executed]] of Object.entries(broken)) {
    test(`${what}: said as it is, sent once; others go on`, async (t) => {
      const backend = await startModern(t, { tools: ['echo', 'bad'].map((name) => tool(name)) });
      backend.onCall.bad = fault;
      const { call } = modern(startShim(makePlace(t, simpleRules(backend.url))));
      assertRefused(await call('bad'), code, { executed });
      assertSaid(await call('echo', { message: 'alive' }), 'alive');
      assert.equal(backend.callsOf('bad').length, 1);
      assert.equal(backend.of('GET').length, 0);
    });
  }

  test('the rest of a call that breaks is unknown; its state opens nothing any more, its use stays', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')] });
    const { call } = modern(startShim(makePlace(t, simpleRules(backend.url, { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' }))));
    backend.onCall.echo = (x, params) => (params.requestState ? x.reset() : x.result({ resultType: 'input_required', inputRequests: { who: elicitation }, requestState: 'state-1' }));
    await call('echo');
    assertRefused(await call('echo', {}, retry), CODE.unknown, { executed: 'unknown' });
    assertRefused(await call('echo', {}, retry), CODE.limited);
    assert.equal(backend.callsOf('echo').length, 2);
  });

  test('the rest of a call that provably did not run may be sent again under the same use', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')] });
    const { call } = modern(startShim(makePlace(t, simpleRules(backend.url, { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' }))));
    needsInput(backend, 'echo');
    const { echo } = backend.onCall;
    await call('echo');
    backend.onCall.echo = (x) => x.send(404);
    assertRefused(await call('echo', {}, retry), CODE.unreachable);
    backend.onCall.echo = echo;
    assertSaid(await call('echo', {}, retry), 'for Ada-private');
    assertRefused(await call('echo'), CODE.limited);
  });
});
