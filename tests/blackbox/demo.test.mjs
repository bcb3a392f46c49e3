// aegis-demo-server: the other side of try.sh. It counts what reaches it, and takes no request apart from where it ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { bin, suite } from '../lib/settings.mjs';
import { settled } from '../lib/until.mjs';

async function start(t, ...args) {
  const child = spawn(bin('aegis-demo-server'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    assert.deepEqual(await settled(exited, 'the end of the demo server'), [0, null]);
  });
  const [line] = await settled(once(child.stdout, 'data'), 'the line that says where it listens');
  return String(line).match(/^listening on (http:\/\/127\.0\.0\.1:(\d+)\/mcp)\n$/).slice(1);
}

function client(url) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = (message, more) => fetch(url, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(message) });
  return {
    headers,
    post,
    async open(protocolVersion = '2025-11-25') {
      const answer = await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion, capabilities: {} } });
      headers['mcp-session-id'] = answer.headers.get('mcp-session-id');
      return (await answer.json()).result;
    },
    async call(name, args, _meta) {
      const answer = await post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, _meta } });
      return answer.headers.get('content-type') === 'application/json' ? answer.json() : answer.text();
    },
  };
}

/** Status of the first answer to raw bytes. */
async function probe(port, bytes) {
  const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(bytes));
  socket.on('error', () => {});
  const [answer] = await settled(once(socket, 'data'), `an answer to ${JSON.stringify(bytes)}`);
  socket.destroy();
  return Number(String(answer).match(/^HTTP\/1\.1 (\d+)/)[1]);
}

describe('demo server', suite, () => {
  test('speaks the newest revision it shares with the client', async (t) => {
    const [url] = await start(t);
    assert.equal((await client(url).open('2024-11-05')).protocolVersion, '2024-11-05');
    assert.equal((await client(url).open('2099-01-01')).protocolVersion, '2025-11-25');
  });

  test('counts each tool that is called, and posts until it is reset', async (t) => {
    const [url] = await start(t);
    const { open, call } = client(url);
    await open();
    const said = async (...args) => (await call(...args)).result.content[0].text;
    assert.equal(await said('echo', { message: '\u0000"\ud83d\ude00' }), '\u0000"\ud83d\ude00');
    assert.equal(await said('get_weather', { city: 'Tokyo' }), 'Tokyo: sunny, 22 C');
    assert.equal(await said('publish_post', { title: 'A', content: 'B' }), 'published #1: A');
    assert.equal(await said('list_posts'), '#1 A: B');
    assert.equal(await said('admin_reset'), 'all posts are gone');
    assert.equal(await said('list_posts'), 'no posts');
    assert.equal((await call('echo', { message: 5 })).result.isError, true);
    assert.equal((await call('slow', { seconds: 0 })).error.code, -32602);
    const stats = await (await fetch(url.replace('/mcp', '/stats'))).json();
    assert.deepEqual(stats.tools, { echo: 2, get_weather: 1, list_posts: 2, publish_post: 1, admin_reset: 1 });
    assert.equal(stats.unknown_tools, 1);
  });

  test('slow reports its progress in an event stream', async (t) => {
    const [url] = await start(t, '--with-slow');
    const { open, call } = client(url);
    await open();
    const stream = await call('slow', { seconds: 0.2 }, { progressToken: 'p' });
    const events = stream.split('\n').filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
    assert.deepEqual(events.slice(0, -1).map((event) => event.params.progress), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(events.at(-1).id, 1);
  });

  test('a session must be open; DELETE ends it', async (t) => {
    const [url] = await start(t);
    const { headers, post, open } = client(url);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    assert.equal((await post(ping)).status, 400);
    await open();
    assert.equal((await post(ping)).status, 200);
    assert.equal((await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
    assert.equal((await post(ping, { 'mcp-protocol-version': '1999-01-01' })).status, 400);
    assert.equal((await fetch(url)).status, 405);
    assert.equal((await fetch(url, { method: 'DELETE', headers })).status, 200);
    assert.equal((await post(ping)).status, 404);
  });

  test('a request whose end is in doubt, or that comes from a foreign page, is refused', async (t) => {
    const [url, port] = await start(t);
    const head = 'POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
    assert.equal(await probe(port, `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n`), 400);
    assert.equal(await probe(port, `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`), 400);
    assert.equal(await probe(port, `${head}Transfer-Encoding: gzip, chunked\r\n\r\n`), 400);
    assert.equal(await probe(port, `${head}Content-Length : 2\r\n\r\n`), 400);
    assert.equal(await probe(port, 'GET /stats HTTP/1.1\r\n\r\n'), 400);
    assert.equal(await probe(port, 'GET /stats HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'), 400);
    assert.equal(await probe(port, `${head}Content-Length: 5000000\r\n\r\n`), 413);
    assert.equal(await probe(port, 'GET /stats%00 HTTP/1.1\r\nHost: a\r\n\r\n'), 404);
    assert.equal((await fetch(url, { headers: { origin: 'http://evil.example' } })).status, 403);
    assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 415);
    const bad = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1,"a":2}' });
    assert.equal(bad.status, 400);
    assert.equal((await bad.json()).error.code, -32600);
  });
});
