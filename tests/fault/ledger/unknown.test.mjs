// What left and brought no answer counts, is UNKNOWN on record, and is never sent again (security test 13).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../../lib/backend.mjs';
import { CODE, assertRefused } from '../../lib/check.mjs';
import { makePlace, simpleRules } from '../../lib/place.mjs';
import { suite } from '../../lib/settings.mjs';
import { openShim } from '../../lib/shim.mjs';

const half = (exchange) => `{"jsonrpc":"2.0","id":${exchange.id},"result":{"content":[{"type":"te`;

/** How a backend takes a call and leaves it at that. */
const silences = {
  'a timeout after the forward': { fail: () => {}, backendMore: ', timeout: 1s' },
  'a reset before any byte of the answer': { fail: (x) => x.reset() },
  'an end before any byte of the answer': { fail: (x) => x.socket.end() },
  'half of the headers': { fail: (x) => x.socket.end('HTTP/1.1 200 OK\r\ncontent-type: applic') },
  'headers and nothing': { fail: (x) => x.socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n') },
  'half of the body': { fail: (x) => x.socket.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n${half(x)}`) },
  'a chunked body without its end': { fail: (x) => x.socket.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n40\r\n${half(x)}`) },
  'a reset in the middle of an event stream': { fail: (x) => {
    x.stream();
    x.res.write(`data: ${half(x)}`, () => x.reset());
  } },
  'an event stream that ends without the answer': { fail: (x) => {
    x.stream();
    x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'on it' } });
    x.end();
  } },
  'an answer to another id': { fail: (x) => x.json('{"jsonrpc":"2.0","id":"somebody else","result":{}}') },
  'a status that says nothing of the call': { fail: (x) => x.send(503, 'busy') },
};

describe('what left and brought no answer counts, is UNKNOWN and is not sent again', suite, () => {
  for (const [what, { fail, backendMore = '' }] of Object.entries(silences)) {
    test(what, async (t) => {
      const backend = await startBackend(t, { tools: [tool('limited')] });
      const rules = simpleRules(backend.url, { grant: 'rate_limits: { limited: {window: 1h, max_count: 2} }' });
      const place = makePlace(t, rules.replace(`url: "${backend.url}"`, `url: "${backend.url}"${backendMore}`));
      const shim = await openShim(place);
      backend.onCall.limited = fail;
      const error = assertRefused(await shim.call('limited', { n: 1 }), CODE.unknown, { executed: 'unknown' });
      assert.match(error.message, /unknown/);
      delete backend.onCall.limited;
      assert.ok((await shim.call('limited', { n: 2 })).result);
      assert.equal(assertRefused(await shim.call('limited', { n: 3 }), CODE.limited).data.limit.used, 2);
      assert.equal(backend.arrivals.filter((a) => a.args.n === 1).length, 1, 'never sent again');
      const rows = (await place.storedRows()).filter((r) => r.kind === 'outcome');
      assert.deepEqual(rows.map((r) => r.verdict), ['unknown', 'succeeded']);
      assert.equal((await place.query('SELECT count(*) AS n FROM unknown WHERE settled_at IS NULL'))[0].n, 1);
    });
  }
});
