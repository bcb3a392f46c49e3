// What may be asked of the broker over HTTP: every route, by good and bad requests.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { describe, it } from 'node:test';
import { Api } from '../lib/api.mjs';
import { approvalPlace, rulesFor } from '../lib/approvals.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

const listening = 'server: { listen: "127.0.0.1:0" }\n';

async function world(t, options = {}) {
  const { place, backend, person, open } = await approvalPlace(t, { ...options, more: `${listening}${options.more ?? ''}` });
  const broker = await place.broker();
  return { place, backend, person, open, broker, api: await Api.of(place, broker) };
}

/** A call that waits for a person, and its approval as the API lists it. */
async function ask(w, args = { text: 'hello' }) {
  const shim = await w.open();
  const before = (await w.api.have('/api/v1/approvals/pending')).length;
  const call = shim.call('publish', args);
  call.catch(() => {});         // a test that does not ask for it ends first
  const pending = await until(async () => {
    const all = await w.api.have('/api/v1/approvals/pending');
    return all.length === before + 1 && all;
  }, { what: 'the approval' });
  return { shim, call, approval: pending.at(-1) };
}

async function startHealth(t, status) {
  const server = http.createServer((request, response) => {
    server.asked++;
    response.writeHead(status).end('a body nobody reads');
  });
  server.asked = 0;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}/secret-path`, server };
}

describe('the API', suite, () => {
  it('health: words only over TCP and without a token; asks each backend once in a while', async (t) => {
    const good = await startHealth(t, 204), bad = await startHealth(t, 500);
    const place = makePlace(t, `${listening}backends:
  good: { url: "http://127.0.0.1:1/", health_url: "${good.url}" }
  bad: { url: "http://127.0.0.1:1/", health_url: "${bad.url}" }
  gone: { url: "http://127.0.0.1:1/", health_url: "http://127.0.0.1:1/secret-path" }
  silent: { url: "http://127.0.0.1:1/" }
agents: { one: { display_name: one, backends: { good: { allowed: true } } } }
`);
    const api = await Api.of(place, await place.broker());
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.get('/health', { tcp: true })));
    for (const { status, json, text } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(json, { status: 'degraded', service: 'aegis',
        backends: { good: 'healthy', bad: 'unhealthy', gone: 'unhealthy', silent: 'no_health_url' } });
      assert.doesNotMatch(text, /secret-path|127\.0\.0\.1/);
    }
    assert.equal(good.server.asked, 1);
    const local = await api.have('/health');
    assert.equal(local.backends.bad, 'unhealthy: it answered HTTP 500');
    assert.doesNotMatch(JSON.stringify(local), /secret-path/);
  });

  it('health is ok when every backend is', async (t) => {
    const good = await startHealth(t, 200);
    const place = makePlace(t, `${listening}backends: { good: { url: "http://127.0.0.1:1/", health_url: "${good.url}" } }
agents: { one: { display_name: one, backends: { good: { allowed: true } } } }\n`);
    const api = await Api.of(place, await place.broker());
    assert.equal((await api.have('/health', { tcp: true })).status, 'ok');
  });

  it('agents and their limits, in the shapes of the predecessor', async (t) => {
    const w = await world(t, { grant: 'tool_denylist: ["rm_*"]\nrate_limits: { echo: { window: 90m, max_count: 3 } }' });
    assert.deepEqual(await w.api.have('/api/v1/agents'), [{ id: 'one', display_name: 'one',
      backends: { demo: { allowed: true, denied_tools: ['rm_*'], approval_required: ['publish', 'erase'] } } }]);
    const shim = await w.open();
    await shim.call('echo', { text: 'x' });
    const [limit, ...others] = await w.api.have('/api/v1/agents/one/rate-limits');
    assert.deepEqual(others, []);
    const { tool, window, max_count, current, scope } = limit;
    assert.deepEqual({ tool, window, max_count, current, scope }, { tool: 'echo', window: '1h30m0s', max_count: 3, current: 1, scope: 'agent' });
    assert.equal((await w.api.get('/api/v1/agents/nobody/rate-limits')).status, 404);
  });

  it('an approval: listed, shown, given; the call runs, and the audit tells of it', async (t) => {
    const w = await world(t);
    const { call, approval } = await ask(w);
    assert.equal(approval.agent_id, 'one');
    assert.equal(approval.tool_name, 'publish');
    assert.equal(approval.arguments, '{"text":"hello"}');
    assert.match(approval.created_at, /^\d{4}-\d\d-\d\dT.*Z$/);
    const before = await w.api.have(`/api/v1/approvals/${approval.short_id}`);
    assert.equal(before.id, approval.id);
    assert.equal(before.state, 'PENDING');
    const { status, json } = await w.api.post(`/api/v1/approvals/${approval.id}/approve`, { reason: 'go on', arguments_hash: approval.arguments_hash });
    assert.equal(status, 200);
    assert.equal(json.action, 'approve');
    assert.equal(json.status, 'ok');
    assert.equal(json.state, 'APPROVED');
    assert.ok((await call).result);
    const after = await until(async () => {
      const now = await w.api.have(`/api/v1/approvals/${approval.id}`);
      return now.outcome === 'ok' && now;
    }, { what: 'its outcome' });
    assert.equal(after.cast_votes.length, 1);
    assert.equal(after.cast_votes[0].verdict, 'approve');
    assert.equal(after.cast_votes[0].reason, 'go on');
    assert.deepEqual(after.events.map((e) => e.what), ['asked', 'decided', 'executed']);
    assert.deepEqual(await w.api.have('/api/v1/approvals/pending'), []);
    const [row] = await w.api.have('/api/v1/audit/logs?tool=pub*');
    for (const key of ['request_id', 'agent_id', 'backend_id', 'tool_name', 'arguments', 'acl_result', 'rate_limit_result', 'approval_result',
      'queue_position', 'queue_wait_ms', 'exec_status', 'exec_duration_ms', 'error_message', 'created_at']) assert.ok(key in row, key);
    assert.equal(row.approval_result, 'approved');
    assert.equal(row.exec_status, 'success');
    assert.equal(row.approval_id, approval.id);
    assert.equal(row.arguments, '{"text":"hello"}');
  });

  it('long arguments are left out of lists, so that no agent makes those unreadable, and whole where one is asked for', async (t) => {
    const w = await world(t);
    const text = '"'.repeat(70_000);
    let last;
    for (let i = 0; i < 2; i++) last = (await ask(w, { text, i })).approval;
    const { json, text: body } = await w.api.get('/api/v1/approvals/pending');
    assert.equal(json.length, 2, body.slice(0, 200));
    assert.ok(json.every((a) => a.arguments_left_out === true && /^\(\d+ bytes, left out here\)$/.test(a.arguments)), body.slice(0, 500));
    const whole = await w.api.have(`/api/v1/approvals/${last.id}`);
    assert.deepEqual(JSON.parse(whole.arguments), { text, i: 1 });
    assert.ok(!('arguments_left_out' in whole));
  });

  it('a refusal reaches the agent with its reason; who comes second is told who was first', async (t) => {
    const w = await world(t);
    const { call, approval } = await ask(w);
    const { status, json } = await w.api.post(`/api/v1/approvals/${approval.short_id}/reject`, { reason: 'not on a Friday' });
    assert.equal(status, 200);
    assert.equal(json.state, 'REJECTED');
    assert.match((await call).error.message, /not on a Friday/);
    for (const verb of ['approve', 'reject']) {
      const late = await w.api.post(`/api/v1/approvals/${approval.id}/${verb}`);
      assert.equal(late.status, 409, late.text);
      assert.equal(late.json.state, 'REJECTED');
      assert.ok(late.json.decided_by && late.json.decided_at && late.json.error, late.text);
    }
    const rows = await w.api.have('/api/v1/audit/logs');
    assert.equal(rows[0].approval_result, 'rejected');
    assert.equal(rows[0].exec_status, 'denied');
  });

  it('an operator takes a question back', async (t) => {
    const w = await world(t);
    const { call, approval } = await ask(w);
    const { status, json } = await w.api.post(`/api/v1/approvals/${approval.id}/cancel`, { reason: 'a mistake' });
    assert.equal(status, 200);
    assert.equal(json.state, 'CANCELLED');
    assert.ok((await call).error);
    assert.equal((await w.api.post(`/api/v1/approvals/${approval.id}/cancel`)).status, 409);
  });

  it('a word counts only for the arguments it was given for', async (t) => {
    const w = await world(t);
    const { approval } = await ask(w);
    const other = 'ab'.repeat(32);
    assert.equal((await w.api.post(`/api/v1/approvals/${approval.id}/approve`, { arguments_hash: other })).status, 403);
    assert.equal((await w.api.post(`/api/v1/approvals/${approval.id}/approve`, { arguments_hash: 'AB'.repeat(32) })).status, 400);
    assert.equal((await w.api.have(`/api/v1/approvals/${approval.id}`)).state, 'PENDING');
  });

  it('where two must agree, the first word is counted: 202', async (t) => {
    const w = await world(t, { approval: 'quorum: 2', more: 'people: { ann: { roles: [approver] }, bob: { roles: [approver] } }\n' });
    const tokens = {};
    for (const name of ['ann', 'bob']) {
      const { code, stdout, stderr } = await w.place.ctl(['token', 'create', name, '--role', 'approver', '--person', name]);
      assert.equal(code, 0, stderr);
      tokens[name] = stdout.trim();
    }
    const shim = await w.open();
    const call = shim.call('publish', { text: 'x' });
    const read = { token: tokens.ann };
    const [approval] = await until(async () => {
      const all = await w.api.have('/api/v1/approvals/pending', read);
      return all.length === 1 && all;
    }, { what: 'the approval' });
    const url = `/api/v1/approvals/${approval.id}/approve`;
    const owner = await w.api.post(url, {}, { token: w.api.ownToken });
    assert.equal(owner.status, 403, 'server.api_token is nobody by name');
    const first = await w.api.post(url, {}, { token: tokens.ann });
    assert.equal(first.status, 202, first.text);
    assert.equal(first.json.status, 'counted');
    assert.equal(first.json.state, 'PENDING');
    const again = await w.api.post(url, {}, { token: tokens.ann });
    assert.equal(again.status, 202, again.text);
    const second = await w.api.post(url, {}, { token: tokens.bob });
    assert.equal(second.status, 200, second.text);
    assert.equal(second.json.decided_by, 'ann, bob');
    assert.ok((await call).result);
  });

  it('bad bodies, paths and methods are told apart', async (t) => {
    const w = await world(t);
    const { approval } = await ask(w);
    const url = `/api/v1/approvals/${approval.id}/approve`;
    for (const body of ['{', '[]', '"x"', 'null', '{} x', '{"reason":1}', '{"reason":"a","reason":"b"}', '{"Reason":"a"}', '{"other":1}',
      `{"reason":"${'x'.repeat(1001)}"}`, '{"reason":"\\u0000"}', Buffer.from('{"reason":"\xff"}', 'latin1'), `${'['.repeat(100)}`]) {
      const { status, text } = await w.api.post(url, body);
      assert.equal(status, 400, `${body}: ${text}`);
    }
    assert.equal((await w.api.have(`/api/v1/approvals/${approval.id}`)).state, 'PENDING');
    for (const [method, target, status] of [
      ['GET', url, 405], ['HEAD', url, 405], ['PUT', url, 405], ['DELETE', '/api/v1/agents', 405], ['POST', '/health', 405],
      ['GET', '/', 404], ['GET', '/api/v1', 404], ['GET', '/api/v1/agents/', 404], ['GET', '/API/V1/agents', 404], ['GET', '/api/v1//agents', 404],
      ['GET', '/api/v1/../v1/agents', 404], ['POST', `/api/v1/approvals/${approval.id}/explode`, 404], ['POST', '/api/v1/approvals//approve', 404],
      ['POST', '/api/v1/approvals/APR-0000/approve', 404], ['GET', '/api/v1/approvals/nosuch', 404], ['GET', `/api/v1/approvals/${'x'.repeat(500)}`, 404],
      ['GET', '/api/v1/audit/logs?limit=0', 400], ['GET', '/api/v1/audit/logs?limit=501', 400], ['GET', '/api/v1/audit/logs?limit=ten', 400],
      ['GET', '/api/v1/audit/logs?limit', 400], ['GET', '/api/v1/audit/logs?offset=-1', 400], ['GET', '/api/v1/audit/logs?since=noon', 400],
      ['GET', '/api/v1/audit/logs?tool=[', 400], ['GET', '/api/v1/audit/logs?user=nobody', 400], ['GET', '/api/v1/audit/logs?agnet=one', 400],
      ['GET', '/api/v1/audit/logs?agent=one&agent=two', 400], ['POST', '/api/v1/channels/nosuch/test', 404],
    ]) {
      const { status: got, headers, text } = await w.api.ask(method, target);
      assert.equal(got, status, `${method} ${target}: ${text}`);
      if (status === 405) assert.ok(headers.allow, target);
      if (method !== 'HEAD') assert.equal(typeof JSON.parse(text).error, 'string', target);
    }
    const head = await w.api.ask('HEAD', '/api/v1/agents');
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(Number(head.headers['content-length']), Buffer.byteLength((await w.api.get('/api/v1/agents')).text));
  });

  it('the audit is paged and filtered', async (t) => {
    const w = await world(t, { agents: ['one', 'two'] });
    for (const agent of ['one', 'two']) {
      const shim = await w.open({ agent });
      for (let i = 0; i < 3; i++) await shim.call('echo', { i });
      assert.ok((await shim.call('nosuch')).error);
    }
    const logs = (query) => w.api.have(`/api/v1/audit/logs?${query}`);
    const all = await logs('limit=500');
    assert.equal(all.length, 8);
    assert.deepEqual(all.map((r) => r.seq), all.map((r) => r.seq).sort((a, b) => b - a), 'newest first');
    assert.deepEqual(await logs('limit=2&offset=3'), all.slice(3, 5));
    assert.equal((await logs('agent=one')).length, 4);
    assert.equal((await logs('verdict=denied')).length, 2);
    assert.equal((await logs('verdict=success&agent=two')).length, 3);
    assert.equal((await logs('tool=ec?o&backend=demo')).length, 6);
    assert.equal((await logs(`user=${process.getuid()}`)).length, 8);
    assert.equal((await logs('room=lobby')).length, 0);
    const middle = all[4].created_at;
    assert.deepEqual(await logs(`since=${middle}`), all.filter((r) => r.created_at >= middle));
    assert.deepEqual(await logs(`until=${middle}`), all.filter((r) => r.created_at < middle));
  });

  it('the queue, dead letters and channels have their routes', async (t) => {
    const w = await world(t, { more: 'queue: { demo: { enabled: true } }\n' });
    assert.deepEqual(await w.api.have('/api/v1/queue/status'), { demo: 0 });
    assert.deepEqual(await w.api.have('/api/v1/messages/dead'), []);
    assert.deepEqual((await w.api.post('/api/v1/messages/again', {})).json, { again: 0 });
    assert.equal((await w.api.post('/api/v1/messages/again', { approval: 1 })).status, 400);
    assert.ok(Array.isArray(await w.api.have('/api/v1/channels')));
  });

  it('the old MCP endpoint says what replaces it, whatever the name', async (t) => {
    const w = await world(t);
    for (const [name, shown] of [['one', 'one'], ['no-body', 'no-body'], ['%22%3E', 'NAME']]) {
      const { status, json } = await w.api.post(`/agents/${name}/mcp`, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { tcp: true });
      assert.equal(status, 410);
      assert.deepEqual(json.mcp_json.mcpServers.aegis, { command: 'aegis-shim', args: ['--agent', shown] });
    }
  });
});

describe('reload', suite, () => {
  it('tells what is in force, and what is wrong with its place', async (t) => {
    const w = await world(t);
    const first = await w.api.post('/api/v1/config/reload');
    assert.equal(first.status, 200, first.text);
    assert.equal(first.json.status, 'ok');
    assert.equal(first.json.message, 'config reloaded');
    assert.equal(first.json.in_force.path, w.place.config);
    w.place.writeRules(rulesFor(w.backend, { agents: ['one', 'two'], more: listening }));
    const second = await w.api.post('/api/v1/config/reload');
    assert.equal(second.json.in_force.generation, first.json.in_force.generation + 1);
    assert.notEqual(second.json.in_force.hash, first.json.in_force.hash);
    assert.deepEqual((await w.api.have('/api/v1/agents')).map((a) => a.id), ['one', 'two']);
    w.place.writeRules(`${rulesFor(w.backend, { more: listening })}bogus: 1\n`);
    const third = await w.api.post('/api/v1/config/reload');
    assert.equal(third.status, 422);
    assert.match(third.json.errors[0], /aegis\.yaml:\d+:\d+: .*bogus/);
    assert.deepEqual(third.json.in_force, second.json.in_force);
    assert.equal((await w.api.have('/api/v1/agents')).length, 2);
  });

  it('the rules in force are shown without their secrets', async (t) => {
    const w = await world(t, { agent: 'auth_token: "a-secret-of-sixteen-bytes"' });
    const { text } = await w.api.get('/api/v1/config');
    assert.doesNotMatch(text, /a-secret-of/);
    assert.match(text, /"one"/);
  });

  it('the listener comes, moves and goes while the broker runs', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/'));
    const broker = await place.broker();
    const local = new Api(place, 0);
    assert.doesNotMatch(broker.stderr, /listen=/);
    place.writeRules(simpleRules('http://127.0.0.1:1/', { more: listening }));
    assert.equal((await local.post('/api/v1/config/reload')).status, 200);
    const api = await Api.of(place, broker);
    assert.equal((await api.get('/health', { tcp: true })).status, 200);
    const stream = await api.dial();
    place.writeRules(simpleRules('http://127.0.0.1:1/', { more: 'server: { listen: "[::1]:0" }\n' }));
    const reload = await api.post('/api/v1/config/reload', undefined, { token: api.ownToken });
    assert.equal(reload.status, 200, 'asked through the listener that ends with it');
    await settled(stream.over, 'end of the old listener\'s connection');
    await assert.rejects(api.get('/health', { tcp: true }));
    place.writeRules(simpleRules('http://127.0.0.1:1/'));
    assert.equal((await local.post('/api/v1/config/reload')).status, 200);
    await broker.said(/doors\.moved .*to=nowhere/);
  });

  it('a port that is taken is said; the broker runs on, and takes it when it is free', async (t) => {
    const other = http.createServer();
    t.after(() => other.close());
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address();
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/', { more: `server: { listen: "127.0.0.1:${port}" }\n` }));
    const broker = await place.broker();
    await broker.said(/doors\.closed .*is taken by another program/);
    const api = new Api(place, port);
    assert.equal((await api.get('/health')).status, 200);
    await new Promise((resolve) => { other.close(resolve); });
    await broker.said(/doors\.open listen=/);
    assert.equal((await api.get('/health', { tcp: true })).status, 200);
  });

  it('without server.listen there is no token file and no listener', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/'));
    await place.broker();
    const api = new Api(place, 0);
    assert.equal((await api.get('/health')).status, 200);
    assert.throws(() => api.ownToken, /ENOENT/);
  });

  it('a socket left by a broker that was killed is replaced; something else there is left alone', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:1/'));
    const first = await place.broker();
    await first.endBy('SIGKILL');
    const second = await place.broker();
    assert.equal((await new Api(place, 0).get('/health')).status, 200);
    await second.end();
    writeFileSync(new Api(place, 0).socket, 'precious');
    const { code, stderr } = await run(bin('aegis-broker'), ['--foreground', ...place.options], { env: place.env });
    assert.equal(code, 70);
    assert.match(stderr, /is no socket/);
  });
});
