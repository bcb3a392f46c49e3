// What an agent sees: hidden tools are absent, restrictions are announced, and nothing else changes by a byte.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';

async function listed(t, { tools, rules }) {
  const backend = await startBackend(t, { tools });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = await openShim(place);
  const answer = await shim.request('tools/list');
  assert.ok(answer.result, answer.line);
  return { answer, shim, backend, place };
}

const descriptions = (answer) => Object.fromEntries(answer.result.tools.map((t) => [t.name, t.description]));

describe('tools/list', suite, () => {
  test('hides what the agent may not call', async (t) => {
    const { answer } = await listed(t, {
      tools: ['echo', 'admin_reset', 'admin_drop', 'get', 'drop'].map((name) => tool(name)),
      rules: { grant: 'tool_denylist: ["admin_*", "drop"]' },
    });
    assert.deepEqual(answer.result.tools.map((t) => t.name), ['echo', 'get']);
  });

  test('shows only what an allowlist names, and a denylist wins over it', async (t) => {
    const { answer } = await listed(t, {
      tools: ['read_a', 'read_b', 'write', 'Read_c'].map((name) => tool(name)),
      rules: { grant: 'tool_allowlist: ["read_*"]\ntool_denylist: ["read_b"]' },
    });
    assert.deepEqual(answer.result.tools.map((t) => t.name), ['read_a']);
  });

  test('shows nothing to an empty allowlist', async (t) => {
    const { answer } = await listed(t, { tools: [tool('a'), tool('b')], rules: { grant: 'tool_allowlist: []' } });
    assert.deepEqual(answer.result.tools, []);
  });

  test('announces durations as the largest unit that divides exactly', async (t) => {
    const windows = { a: '30s', b: '90m', c: '36h', d: '24h', e: '168h', f: '60m', g: '90s', h: '3600s', i: '1d12h', j: '1w', k: '61s', l: '1500ms' };
    const expected = { a: '30s', b: '90m', c: '36h', d: '1d', e: '7d', f: '1h', g: '90s', h: '1h', i: '36h', j: '7d', k: '61s', l: '1500ms' };
    const { answer } = await listed(t, {
      tools: Object.keys(windows).map((name) => tool(name)),
      rules: { grant: 'rate_limits:\n' + Object.entries(windows).map(([name, w]) => `  ${name}: {window: ${w}, max_count: 3}`).join('\n') },
    });
    for (const [name, text] of Object.entries(expected)) {
      assert.equal(descriptions(answer)[name], `[Rate:3/${text}] Does ${name}`);
    }
  });

  test('announces agent limit, global limit and approval in this order', async (t) => {
    const { answer } = await listed(t, {
      tools: ['all', 'rate', 'global', 'approval', 'free', 'two'].map((name) => tool(name)),
      rules: {
        grant: `rate_limits:
  all: {window: 1h, max_count: 3}
  rate: {window: 1h, max_count: 10}
approval_required: ["all", "approval"]`,
        more: `queue:
  demo:
    global_rate_limits:
      all: {window: 24h, max_count: 10}
      global: {window: 1d, max_count: 15}
`,
      },
    });
    assert.deepEqual(descriptions(answer), {
      all: '[Rate:3/1h|GlobalRate:10/1d|ApprovalRequired] Does all',
      rate: '[Rate:10/1h] Does rate',
      global: '[GlobalRate:15/1d] Does global',
      approval: '[ApprovalRequired] Does approval',
      free: 'Does free',
      two: 'Does two',
    });
  });

  test('gives a restricted tool without description the bare prefix', async (t) => {
    const { answer } = await listed(t, {
      tools: [{ name: 'bare', inputSchema: { type: 'object' } }, { name: 'free', inputSchema: { type: 'object' } }],
      rules: { grant: 'rate_limits: { bare: {window: 1h, max_count: 3} }' },
    });
    assert.equal(answer.result.tools[0].description, '[Rate:3/1h] ');
    assert.equal('description' in answer.result.tools[1], false);
  });

  test('leaves descriptions alone with annotate: false', async (t) => {
    const { answer } = await listed(t, {
      tools: [tool('a')], rules: { agent: 'annotate: false', grant: 'rate_limits: { a: {window: 1h, max_count: 3} }' },
    });
    assert.equal(descriptions(answer).a, 'Does a');
  });

  // Key order, number spelling, escapes, unknown members, empty containers, order and cursor.
  const free = '{"zeta":1e21,"name":"free","inputSchema":{"type":"object","properties":{"n":{"minimum":-0.000001,"maximum":9007199254740993}},' +
    '"required":[]},"description":"caf\\u00e9 \\ud83d\\ude00 \\/ \\"q\\"","annotations":{"readOnlyHint":true,"x-unknown":{}},' +
    '"outputSchema":{"type":"object"},"_meta":{"a/b":[1.0,5e-324,2E+5]},"icons":[],"title":"Überschrift"}';
  const hidden = '{"name":"hid\\u0064en","description":"secret","inputSchema":{"type":"object"}}';
  const limited = (prefix) =>
    `{"inputSchema":{"type":"object"},"x":[null,true,{}],"description":"${prefix}a\\u0062\\n\\tc","name":"lim\\u0069ted","n":1.50}`;
  const page = (tools, nextCursor) => `{"_meta":{"v":1.0},"nextCursor":"${nextCursor}","tools":[${tools.join(',')}],"ttlMs":1e3,"later":[]}`;
  const byteRules = { grant: 'tool_denylist: ["hidden"]\nrate_limits: { limited: {window: 1h, max_count: 3} }' };

  for (const [where, order] of Object.entries({ first: [hidden, 'L', free], middle: ['L', hidden, free], last: [free, 'L', hidden], twice: [hidden, free, hidden, 'L', hidden] })) {
    test(`changes no other byte (hidden tool ${where})`, async (t) => {
      const shown = (prefix) => order.map((x) => (x === 'L' ? limited(prefix) : x));
      const { answer } = await listed(t, { tools: page(shown(''), 'c\\u0031=='), rules: byteRules });
      const expected = page(shown('[Rate:3/1h] ').filter((x) => x !== hidden), 'c\\u0031==');
      assert.equal(answer.line, `{"jsonrpc":"2.0","id":2,"result":${expected}}`);
    });
  }

  test('passes a list without restriction as it came', async (t) => {
    const { answer } = await listed(t, { tools: page([free, limited(''), hidden], ''), rules: {} });
    assert.equal(answer.line, `{"jsonrpc":"2.0","id":2,"result":${page([free, limited(''), hidden], '')}}`);
  });

  test('drops line breaks outside strings, since a line is a message, and nothing else', async (t) => {
    const pretty = JSON.stringify({ tools: [tool('a'), tool('hidden'), tool('limited')] }, null, 2);
    const { answer } = await listed(t, { tools: pretty.replaceAll('\n', '\r\n'), rules: byteRules });
    assert.deepEqual(answer.result.tools.map((x) => x.name), ['a', 'limited']);
    assert.equal(answer.line.includes('\r'), false);
    assert.ok(answer.line.includes('      "name": "a",      "description": "Does a",'), answer.line);
  });

  test('follows the cursor page by page', async (t) => {
    const pages = { undefined: ['one', 'admin_1', 'p2'], p2: ['two', 'admin_2', 'p3'], p3: ['three', 'admin_3', undefined] };
    const backend = await startBackend(t);
    backend.onMethod['tools/list'] = (exchange) => {
      const [a, b, nextCursor] = pages[String(exchange.message.params?.cursor)];
      exchange.result({ tools: [tool(a), tool(b)], nextCursor });
    };
    const place = makePlace(t, simpleRules(backend.url, { grant: 'tool_denylist: ["admin_*"]' }));
    const shim = await openShim(place);
    const seen = [];
    for (let cursor, more = true; more;) {
      const { result } = await shim.request('tools/list', cursor === undefined ? undefined : { cursor });
      seen.push(...result.tools.map((x) => x.name));
      cursor = result.nextCursor;
      more = cursor !== undefined;
    }
    assert.deepEqual(seen, ['one', 'two', 'three']);
    const call = await shim.call('three');
    assert.ok(call.result, call.line);
  });

  test('passes an error of the backend', async (t) => {
    const backend = await startBackend(t);
    backend.onMethod['tools/list'] = (exchange) => exchange.error(-32055, 'no list today', { hint: 1 });
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    const answer = await shim.request('tools/list');
    assert.deepEqual(answer.error, { code: -32055, message: 'no list today', data: { hint: 1 } });
  });

  test('answers over an event stream are treated alike', async (t) => {
    const backend = await startBackend(t);
    backend.onMethod['tools/list'] = (exchange) => {
      exchange.stream();
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { tools: [tool('a'), tool('hidden'), tool('limited')] } }, 'event: message\nid: 7\n');
      exchange.end();
    };
    const shim = await openShim(makePlace(t, simpleRules(backend.url, byteRules)));
    const { result } = await shim.request('tools/list');
    assert.deepEqual(result.tools.map((x) => x.description), ['Does a', '[Rate:3/1h] Does limited']);
  });
});
