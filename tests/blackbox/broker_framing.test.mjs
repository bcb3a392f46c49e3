// Requests that two readers could understand differently, and requests that never end: byte by byte, over TCP and the broker's socket.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Api } from '../lib/api.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { HANG_MS, isSanitized, suite } from '../lib/settings.mjs';
import { memoryMiB } from '../lib/process.mjs';
import { settled } from '../lib/until.mjs';

const nowhere = 'http://127.0.0.1:1/';

async function world(t, server = '') {
  const place = makePlace(t, simpleRules(nowhere, { more: `server: { listen: "127.0.0.1:0"${server} }\n` }));
  const broker = await place.broker();
  return { place, broker, api: await Api.of(place, broker) };
}

/** The status lines of all answers on a connection. */
const statuses = (said) => [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** What must be refused, and what it must not reach: the route that would change something. */
const again = 'POST /api/v1/messages/again HTTP/1.1\r\n';
const probes = {
  'two Content-Length': `${again}Host: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
  'two Content-Length that differ': `${again}Host: localhost\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\n{}`,
  'two lengths in one header': `${again}Host: localhost\r\nContent-Length: 2, 2\r\n\r\n{}`,
  'Content-Length and Transfer-Encoding': `${again}Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  'two Transfer-Encoding': `${again}Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  'another Transfer-Encoding': `${again}Host: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  'encoding list': `${again}Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'no Host': `${again}Content-Length: 2\r\n\r\n{}`,
  'two Host': `${again}Host: localhost\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
  'blank before the colon': `${again}Host: localhost\r\nContent-Length : 2\r\n\r\n{}`,
  'tab before the colon': `${again}Host: localhost\r\nContent-Length\t: 2\r\n\r\n{}`,
  'length +2': `${again}Host: localhost\r\nContent-Length: +2\r\n\r\n{}`,
  'length 0x2': `${again}Host: localhost\r\nContent-Length: 0x2\r\n\r\n{}`,
  'length -1': `${again}Host: localhost\r\nContent-Length: -1\r\n\r\n{}`,
  'length 2 2': `${again}Host: localhost\r\nContent-Length: 2 2\r\n\r\n{}`,
  'chunk size 0x2': `${again}Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n`,
  'chunk size -2': `${again}Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n`,
  'chunk size beyond 64 bits': `${again}Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111112\r\n{}\r\n0\r\n\r\n`,
  'control character in a header': `${again}Host: localhost\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\n{}`,
  'a folded header': `${again}Host: localhost\r\nX: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}`,
  '%00 in the path': `POST /api/v1/messages/again%00/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
  '%00 in the query': `POST /api/v1/messages/again?x=%00 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
  'absolute target': `POST http://localhost/api/v1/messages/again HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
  'asterisk target': 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'CONNECT': 'CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/0.9': 'GET /api/v1/agents\r\n\r\n',
  'no HTTP at all': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n',
  'nothing but blanks': `${' '.repeat(100)}\r\n\r\n`,
  'absurd version': 'GET /api/v1/agents HTTP/9.9\r\nHost: localhost\r\n\r\n',
};

/** What RFC 9112 lets a server read, in one way only: 2.2 (a line may end with LF alone), 5.2 (a folded line is one line with blanks); and a
 * NUL in a value, which libmicrohttpd 0.9.75 cuts off without telling. */
const readable = {
  'LF alone': `${again}Host: localhost\r\nContent-Length: 2\r\n\r\n{}`.replaceAll('\r\n', '\n'),
  'a header that frames nothing, cut at a NUL': `${again}Host: localhost\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}`,
  'a folded length': `${again}Host: localhost\r\nContent-Length:\r\n 2\r\n\r\n{}`,
  'empty lines before it': `\r\n\r\n${again}Host: localhost\r\nContent-Length: 2\r\n\r\n{}`,
};

describe('framing', suite, () => {
  for (const tcp of [true, false]) {
    it(`what can be read in two ways is refused and the connection closed, over ${tcp ? 'TCP' : 'the socket'}`, async (t) => {
      const { api } = await world(t);
      const auth = tcp ? `Authorization: Bearer ${api.ownToken}\r\n` : '';
      for (const [name, probe] of Object.entries(probes)) {
        const bytes = probe.replace('Host: localhost\r\n', `Host: localhost\r\n${auth}`);
        const line = await api.dial({ tcp });
        line.socket.end(bytes, 'latin1');
        const said = await settled(line.over, `${name}: end of the connection`);
        const got = statuses(said);
        assert.ok(got.every((status) => status >= 400), `${name}: ${said}`);
        assert.doesNotMatch(said, /"again"|"one"/, name);
      }
      for (const [name, bytes] of Object.entries(readable)) {
        const line = await api.dial({ tcp });
        const next = `GET /api/v1/nosuch HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`;
        line.socket.end(bytes.replace(/(Host: localhost\r?\n)/, `$1${auth}`) + next, 'latin1');
        const said = await settled(line.over, `${name}: end of the connection`);
        assert.deepEqual(statuses(said), [200, 404], `${name}: ${said}`);
        assert.match(said, /"again":0/, name);
      }
      assert.equal((await api.get('/health', { tcp })).status, 200);
    });

    it(`an answered request is followed by nothing that was smuggled behind it, over ${tcp ? 'TCP' : 'the socket'}`, async (t) => {
      const { api } = await world(t);
      const auth = tcp ? `Authorization: Bearer ${api.ownToken}\r\n` : '';
      const smuggled = `GET /api/v1/agents HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`;
      // Its length says that the rest is body; read as chunks it would be a second request.
      const bytes = `${again}Host: localhost\r\n${auth}Content-Length: ${5 + smuggled.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`;
      const said = await api.say(bytes, { tcp });
      assert.deepEqual(statuses(said), [400], said);
      // Garbage behind a good one: that one is answered, and the garbage is no request.
      const good = `GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      const line = await api.dial({ tcp });
      line.socket.end(`${good}${good}\x01garbage \x7f\r\n\r\n${good}`, 'latin1');
      const all = statuses(await settled(line.over, 'end of the connection'));
      assert.deepEqual(all.slice(0, 2), [200, 200]);
      assert.ok(all.slice(2).every((status) => status >= 400), all.join());
      assert.ok(all.length <= 3, all.join());
    });
  }

  it('good requests in good order are each answered, in that order', async (t) => {
    const { api } = await world(t);
    const line = await api.dial({ tcp: false });
    const targets = ['/health', '/api/v1/agents', '/api/v1/nosuch', '/api/v1/queue/status'];
    line.socket.end(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    assert.deepEqual(statuses(await settled(line.over, 'end of the connection')), [200, 200, 404, 200]);
  });

  it('long headers, targets and many headers are refused', async (t) => {
    const { api } = await world(t);
    for (const bytes of [
      `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      `GET /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET /health HTTP/1.1\r\nHost: localhost\r\n${Array.from({ length: 5000 }, (_, i) => `X${i}: y\r\n`).join('')}\r\n`,
    ]) {
      const got = statuses(await api.say(bytes));
      assert.equal(got.length, 1);
      assert.ok(got[0] >= 400 && got[0] < 500, got.join());
    }
  });

  it('absurd methods are turned away', async (t) => {
    const { api } = await world(t);
    for (const method of ['FOO', 'TRACE', 'PROPFIND', 'get', 'G'.repeat(3000)]) {
      const said = await api.say(`${method} /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      const got = statuses(said);
      assert.equal(got.length, 1, said);
      assert.ok(got[0] >= 400, `${method.slice(0, 10)}: ${got}`);
    }
  });

  it('a body of 1 GiB is refused by its length, and cut off where it has none', async (t) => {
    const { api, broker } = await world(t);
    const auth = `Authorization: Bearer ${api.ownToken}\r\n`;
    const before = memoryMiB(broker.pid);
    assert.deepEqual(statuses(await api.say(`${again}Host: localhost\r\n${auth}Content-Length: ${2 ** 30}\r\n\r\n`)), [413]);
    const line = await api.dial();
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    line.socket.write(`${again}Host: localhost\r\n${auth}Transfer-Encoding: chunked\r\n\r\n`);
    let sent = 0;
    while (!line.isOver && sent < 2 ** 30) {
      sent += chunk.length;
      if (!line.socket.write(chunk)) await Promise.race([line.over, new Promise((resolve) => { line.socket.once('drain', resolve); })]);
    }
    await settled(line.over, 'end of the connection');
    assert.ok(sent < 2 ** 26, `${sent} bytes were taken`);
    if (!isSanitized) assert.ok(memoryMiB(broker.pid) < before + 32, 'memory stays bounded');
    assert.equal((await api.get('/health', { tcp: true })).status, 200);
  });
});

describe('slow requests', suite, () => {
  const drips = {
    'nothing at all': ['', ''],
    'a request line': ['GET /hea', 'x'],
    headers: ['GET /health HTTP/1.1\r\nHost: localhost\r\nX: ', 'x'],
    'many headers': ['GET /health HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n'],
    'a body': [`${again}Host: localhost\r\nContent-Length: 100000\r\n\r\n`, 'x'],
    'a body in chunks': [`${again}Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'],
    'nothing after an answer': ['GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n', ''],
  };

  it('a request that drips is cut off after read_timeout, however it drips', async (t) => {
    const { api } = await world(t, ', read_timeout: 1s');
    await Promise.all(Object.entries(drips).map(async ([name, [begin, drop]]) => {
      const line = await api.dial();
      if (begin) line.socket.write(begin);
      const timer = setInterval(() => { if (drop && line.socket.writable) line.socket.write(drop); }, 50);
      try {
        const said = await settled(line.over, `${name}: end of the connection`, HANG_MS);
        assert.ok(statuses(said).every((status) => status >= 400 || begin.startsWith('GET /health HTTP')), `${name}: ${said}`);
      } finally {
        clearInterval(timer);
        line.socket.destroy();
      }
    }));
  });

  it('many that drip keep no good client out, over TCP or the socket', async (t) => {
    const { api } = await world(t);
    const slow = await Promise.all(Array.from({ length: 150 }, () => api.dial()));
    for (const line of slow) line.socket.write('GET /health HTTP/1.1\r\nHost: local');
    for (const tcp of [true, false]) assert.equal((await api.get('/health', { tcp })).status, 200);
    for (const line of slow) line.socket.destroy();
  });

  it('more than one address may have are turned away; the socket stays open to the operator', async (t) => {
    const { api } = await world(t);
    const lines = await Promise.all(Array.from({ length: 300 }, () => api.dial()));
    await settled(Promise.race(lines.map((line) => line.over)), 'one that is turned away');
    assert.equal((await api.get('/health')).status, 200);
    for (const line of lines) line.socket.destroy();
  });

  it('who does not read the answer is cut off after write_timeout', async (t) => {
    const { api } = await world(t, ', write_timeout: 1s');
    const token = api.ownToken;
    const line = await api.dial();
    line.socket.pause();
    const one = `GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    for (let i = 0; i < 4000 && !line.isOver; i++) if (!line.socket.write(one)) break;
    line.socket.on('error', () => {});
    await settled(new Promise((resolve) => {
      // Only a write can tell while nothing is read.
      const timer = setInterval(() => {
        if (line.socket.destroyed || line.isOver) {
          clearInterval(timer);
          resolve();
        } else line.socket.write(one);
      }, 50);
    }), 'its end');
    assert.equal((await api.get('/health', { tcp: true })).status, 200);
  });
});
