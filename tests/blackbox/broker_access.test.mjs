// Who may ask the broker for what: roles, secrets of agents, foreign pages, guesses.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Api } from '../lib/api.mjs';
import { approvalPlace } from '../lib/approvals.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const agentSecret = 'the-agents-own-secret-of-some-length';
const listening = 'server: { listen: "127.0.0.1:0" }\n';
const nowhere = 'http://127.0.0.1:1/';

async function world(t, options = {}) {
  const { place, open } = await approvalPlace(t, { ...options, more: `${listening}${options.more ?? ''}` });
  const secret = `  two: { display_name: two, auth_token: "${agentSecret}", backends: { demo: { allowed: true } } }`;
  place.writeRules(readFileSync(place.config, 'utf8').replace('agents:\n', `agents:\n${secret}\n`));
  const broker = await place.broker();
  return { place, open, broker, api: await Api.of(place, broker) };
}

async function makeToken(place, ...args) {
  const { code, stdout, stderr } = await place.ctl(['token', 'create', ...args]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^aegis_api_[A-Za-z0-9_-]{43}\n$/, 'the secret alone on stdout');
  return stdout.trim();
}

const roles = ['viewer', 'operator', 'approver', 'superuser'];
const routes = [
  ['GET', '/api/v1/agents', 'viewer'], ['GET', '/api/v1/agents/one/rate-limits', 'viewer'], ['GET', '/api/v1/approvals/pending', 'viewer'],
  ['GET', '/api/v1/approvals/APR-0000', 'viewer'], ['GET', '/api/v1/audit/logs', 'viewer'], ['GET', '/api/v1/queue/status', 'viewer'],
  ['GET', '/api/v1/messages/dead', 'viewer'], ['GET', '/api/v1/channels', 'viewer'], ['GET', '/api/v1/config', 'operator'],
  ['HEAD', '/api/v1/config', 'operator'], ['POST', '/api/v1/config/reload', 'operator'], ['POST', '/api/v1/messages/again', 'operator'],
  ['POST', '/api/v1/channels/nosuch/test', 'operator'], ['POST', '/api/v1/approvals/APR-0000/cancel', 'operator'],
  ['POST', '/api/v1/approvals/APR-0000/approve', 'approver'], ['POST', '/api/v1/approvals/APR-0000/reject', 'approver'],
  ['GET', '/api/v1/nosuch', 'viewer'], ['DELETE', '/api/v1/agents', 'viewer'],
];

describe('who may ask', suite, () => {
  it('every route is open to its role and those above it, and to nobody else', async (t) => {
    const w = await world(t);
    const tokens = Object.fromEntries(await Promise.all(roles.map(async (role) => [role, await makeToken(w.place, `t-${role}`, '--role', role)])));
    const callers = { nobody: '', guess: 'aegis_api_0000000000000000000000000000000000000000000', agent: agentSecret, ...tokens, owner: w.api.ownToken, local: undefined };
    const wanted = (who, role) => {
      if (['nobody', 'guess', 'agent'].includes(who)) return 401;
      const rank = ['owner', 'local'].includes(who) ? roles.length : roles.indexOf(who);
      return rank >= roles.indexOf(role) ? 'let in' : 403;
    };
    await Promise.all(routes.flatMap(([method, target, role]) => Object.entries(callers).map(async ([who, token]) => {
      const { status, text } = await w.api.ask(method, target, { token });
      const got = [401, 403].includes(status) ? status : 'let in';
      assert.ok(status < 500, `${who} ${method} ${target}: ${status} ${text}`);
      assert.equal(got, wanted(who, role), `${who} ${method} ${target}: ${status} ${text}`);
      if (status === 403 && method !== 'HEAD') assert.match(JSON.parse(text).error, new RegExp(`needs the role ${role}`));
    })));
  });

  it('an agent with every secret of its rules decides nothing over TCP', async (t) => {
    const w = await world(t);
    const shim = await w.open();
    shim.call('publish', { text: 'x' }).catch(() => {});
    const [approval] = await until(async () => {
      const all = await w.api.have('/api/v1/approvals/pending');
      return all.length === 1 && all;
    }, { what: 'the approval' });
    const url = `/api/v1/approvals/${approval.id}/approve`;
    const tries = [{ token: agentSecret }, { token: approval.id }, { tcp: true, headers: { authorization: `Basic ${Buffer.from(`one:${agentSecret}`).toString('base64')}` } },
      { tcp: true, headers: { authorization: w.api.ownToken } }, { tcp: true, headers: { authorization: ['Bearer x', `Bearer ${w.api.ownToken}`] } },
      { tcp: true, headers: { cookie: `token=${w.api.ownToken}` } }];
    for (const options of tries) assert.equal((await w.api.post(url, {}, options)).status, 401, JSON.stringify(options));
    assert.equal((await w.api.get(`${url}?token=${w.api.ownToken}`, { tcp: true })).status, 401);
    assert.equal((await w.api.have(`/api/v1/approvals/${approval.id}`)).state, 'PENDING');
    assert.equal((await w.api.post(url, {}, { tcp: true, headers: { authorization: `bEaReR ${w.api.ownToken}` } })).status, 200);
  });

  it('a 401 is the same whether or not there is such a path, and says where the token is', async (t) => {
    const w = await world(t);
    const answers = [];
    for (const target of ['/api/v1/agents', '/api/v1/nosuch', '/']) answers.push(await w.api.get(target, { tcp: true }));
    for (const { status, text, headers } of answers) {
      assert.equal(status, 401);
      assert.equal(text, answers[0].text);
      assert.match(headers['www-authenticate'], /^Bearer/);
    }
    assert.match(answers[0].text, /state\/api_token.*aegisctl token create/);
    assert.ok(!answers[0].text.includes(w.api.ownToken));
    assert.equal(statSync(path.join(w.place.state, 'api_token')).mode & 0o777, 0o600);
    assert.doesNotMatch(w.broker.stderr, new RegExp(w.api.ownToken));
  });

  it('a token file that others can read is not used', async (t) => {
    const place = makePlace(t, simpleRules(nowhere, { more: listening }));
    const first = await place.broker();
    const token = (await Api.of(place, first)).ownToken;
    await first.end();
    chmodSync(path.join(place.state, 'api_token'), 0o644);
    const second = await place.broker();
    await second.said(/auth\.token .*others may read/);
    const api = await Api.of(place, second);
    assert.equal((await api.get('/api/v1/agents', { token })).status, 401);
    assert.equal(readFileSync(path.join(place.state, 'api_token'), 'utf8').trim(), token, 'it is not replaced either');
  });

  it('server.api_token takes the place of the file, and follows the rules', async (t) => {
    const rules = (secret) => simpleRules(nowhere, { more: `server: { listen: "127.0.0.1:0", api_token: ${secret} }\n` });
    const place = makePlace(t, rules('"configured-here-0123456789"'));
    const broker = await place.broker();
    const api = await Api.of(place, broker);
    assert.throws(() => api.ownToken, /ENOENT/);
    assert.equal((await api.get('/api/v1/agents', { token: 'configured-here-0123456789' })).status, 200);
    const secret = path.join(place.dir, 'secret');
    writeFileSync(secret, 'another-one-0123456789\n', { mode: 0o600 });
    place.writeRules(rules(`{ file: ${secret} }`));
    assert.equal((await api.post('/api/v1/config/reload')).status, 200);
    assert.equal((await api.get('/api/v1/agents', { token: 'another-one-0123456789' })).status, 200);
    assert.equal((await api.get('/api/v1/agents', { token: 'configured-here-0123456789' })).status, 401);
  });

  it('guesses wait longer and longer; a good token meanwhile does not', async (t) => {
    const w = await world(t);
    let answered = 0;
    const guesses = Array.from({ length: 40 }, async () => {
      const { status } = await w.api.get('/api/v1/agents', { token: 'wrong' });
      answered++;
      return status;
    });
    const token = w.api.ownToken;
    for (let i = 0; i < 5; i++) assert.equal((await w.api.get('/api/v1/agents', { token })).status, 200);
    assert.ok(answered < 40, 'the good ones came first');
    assert.ok((await Promise.all(guesses)).every((status) => status === 401));
  });

  it('guesses that wait do not keep the broker from ending', async (t) => {
    const w = await world(t);
    const guesses = Array.from({ length: 20 }, () => w.api.get('/api/v1/agents', { token: 'wrong' }).catch(() => {}));
    await w.api.get('/health');
    await w.broker.end();
    await Promise.all(guesses);
  });
});

describe('tokens', suite, () => {
  it('that are revoked end the events they have opened, and no others', async (t) => {
    const w = await world(t);
    const listen = async (token) => {
      const line = await w.api.dial();
      line.socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      await until(() => line.got.includes('retry: 2000'), { what: `events; so far ${line.got}` });
      return line;
    };
    const [revoked, kept, owners] = await Promise.all([
      listen(await makeToken(w.place, 'gone', '--role', 'viewer')), listen(await makeToken(w.place, 'kept', '--role', 'viewer')), listen(w.api.ownToken)]);
    assert.equal((await w.place.ctl(['token', 'revoke', 'gone'])).code, 0);
    const hasEnded = (line) => line.isOver || line.got.endsWith('\r\n0\r\n\r\n');       // the last chunk
    await until(() => hasEnded(revoked), { what: 'the end of the events of a token that was revoked' });
    assert.ok(!hasEnded(kept) && !hasEnded(owners));
  });

  it('work until they are rotated, revoked or expire; the audit tells of each', async (t) => {
    const w = await world(t);
    const may = async (token) => (await w.api.get('/api/v1/agents', { token })).status;
    const one = await makeToken(w.place, 'ci', '--role', 'viewer');
    assert.equal(await may(one), 200);
    const rotated = await w.place.ctl(['token', 'rotate', 'ci']);
    const two = rotated.stdout.trim();
    assert.notEqual(two, one);
    assert.equal(await may(one), 401);
    assert.equal(await may(two), 200);
    const { stdout } = await w.place.ctl(['token', 'list', '--json']);
    assert.ok(!stdout.includes(two) && !stdout.includes(one));
    const [listed] = JSON.parse(stdout);
    assert.equal(listed.name, 'ci');
    assert.ok(listed.last_used_at);
    assert.equal((await w.place.ctl(['token', 'revoke', 'ci'])).code, 0);
    assert.equal(await may(two), 401);
    assert.equal((await w.place.ctl(['token', 'revoke', 'ci'])).code, 1);
    const short = await makeToken(w.place, 'brief', '--role', 'viewer', '--expires', '1s');
    await until(async () => (await may(short)) === 401, { what: 'its end', every: 500 });
    const rows = (await w.place.auditRows()).filter((row) => row.kind === 'operator').map((row) => row.verdict);
    assert.deepEqual(rows, ['token_created', 'token_rotated', 'token_revoked', 'token_created']);
    assert.ok(!JSON.stringify(await w.place.auditRows()).includes(two));
    const stored = await w.place.query('SELECT * FROM token');
    assert.ok(!JSON.stringify(stored).includes(two.slice(10)));
  });

  it('bad ones are not made', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    for (const [args, code, said] of [
      [['ci'], 2, /--role/], [['ci', '--role', 'god'], 2, /--role/], [['-', '--role', 'viewer'], 2, /name/], [['a b', '--role', 'viewer'], 2, /name/],
      [['x'.repeat(65), '--role', 'viewer'], 2, /name/], [['ci', '--role', 'viewer', '--expires', 'soon'], 2, /--expires/],
      [['ci', '--role', 'viewer', '--person', 'ann'], 1, /no person/],
    ]) {
      const end = await place.ctl(['token', 'create', ...args]);
      assert.equal(end.code, code, args.join(' ') + end.stderr);
      assert.match(end.stderr, said);
      assert.equal(end.stdout, '');
    }
    assert.equal((await place.ctl(['token', 'rotate', 'nosuch'])).code, 1);
    assert.equal((await place.ctl(['token', 'list'])).stdout, 'there are no tokens\n');
    await makeToken(place, 'ci', '--role', 'viewer');
    assert.equal((await place.ctl(['token', 'create', 'ci', '--role', 'viewer'])).code, 1);
  });
});

describe('aegisctl api', suite, () => {
  it('asks any route; the exit code tells the outcome', async (t) => {
    const place = makePlace(t, simpleRules(nowhere));
    const gone = await place.ctl(['api', 'GET', '/health']);
    assert.equal(gone.code, 7);
    assert.match(gone.stderr, /no broker runs[^]*aegis-broker --config/);
    await place.broker();
    const health = await place.ctl(['api', 'get', '/health']);
    assert.equal(health.code, 0);
    assert.equal(JSON.parse(health.stdout).service, 'aegis');
    const body = path.join(place.dir, 'body.json');
    writeFileSync(body, '{"channel":"generic"}');
    for (const [data, options] of [['{"channel":"generic"}', {}], [`@${body}`, {}], ['-', { input: '{"channel":"generic"}' }]]) {
      const again = await place.ctl(['api', 'POST', '/api/v1/messages/again', '--data', data], options);
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(JSON.parse(again.stdout), { again: 0 });
    }
    for (const [args, code] of [[['GET', '/api/v1/nosuch'], 1], [['POST', '/api/v1/messages/again', '--data', '{'], 1], [['GET', 'health'], 2], [['GET', '/a b'], 2],
      [['EXPLODE', '/health'], 2], [['POST', '/api/v1/messages/again', '--data', '@/nosuch'], 2], [['GET'], 2]]) {
      assert.equal((await place.ctl(['api', ...args])).code, code, args.join(' '));
    }
  });
});

describe('pages of others', suite, () => {
  const form = 'application/x-www-form-urlencoded';

  it('a name that was bent to our address is turned away, whatever it sends', async (t) => {
    const w = await world(t);
    const token = w.api.ownToken;
    for (const host of ['evil.example', `evil.example:${w.api.port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '169.254.169.254', '[::2]']) {
      for (const target of ['/health', '/api/v1/agents', '/agents/one/mcp']) {
        const { status, text } = await w.api.get(target, { token, headers: { host } });
        assert.equal(status, 421, `${host} ${target}: ${text}`);
        assert.doesNotMatch(text, /"one"|healthy/);
      }
    }
    for (const host of ['localhost', `LOCALHOST:${w.api.port}`, '127.0.0.1:9999', '[::1]:1']) {
      assert.equal((await w.api.get('/api/v1/agents', { token, headers: { host } })).status, 200, host);
    }
  });

  it('where it listens at all addresses, the one that was called is a good name for it', async (t) => {
    const place = makePlace(t, simpleRules(nowhere, { more: 'server: { listen: ":0" }\n' }));
    const broker = await place.broker();
    const [, port] = await broker.said(/ doors\.open listen=\S+:(\d+)/);
    const api = new Api(place, Number(port));
    assert.equal((await api.get('/health', { tcp: true })).status, 200);
    api.where = () => ({ host: '127.1.2.3', port: Number(port) });
    assert.equal((await api.get('/health', { tcp: true, headers: { host: '127.1.2.3' } })).status, 200);
    assert.equal((await api.get('/health', { tcp: true, headers: { host: '127.1.2.4' } })).status, 421);
  });

  it('allowed_hosts and callback_base_url name more hosts', async (t) => {
    const place = makePlace(t, simpleRules(nowhere, {
      more: 'server: { listen: "127.0.0.1:0", allowed_hosts: [aegis.example.com] }\napproval: { callback_base_url: "https://approve.example.org/x" }\n',
    }));
    const api = await Api.of(place, await place.broker());
    for (const [host, status] of [['aegis.example.com', 200], ['approve.example.org:443', 200], ['example.com', 421]]) {
      assert.equal((await api.get('/health', { tcp: true, headers: { host } })).status, status, host);
    }
    const own = { token: api.ownToken, headers: { origin: 'https://approve.example.org' } };
    assert.equal((await api.post('/api/v1/messages/again', {}, own)).status, 200);
  });

  it('the path of callback_base_url may stand before ours or be taken away, whatever it is', async (t) => {
    for (const base of ['/x', '/a', '/api', '/callback', '/health']) {
      const place = makePlace(t, simpleRules(nowhere, {
        more: `server: { listen: "127.0.0.1:0" }\napproval: { callback_base_url: "https://approve.example.org${base}" }\n`,
      }));
      const api = await Api.of(place, await place.broker());
      for (const before of ['', base]) {
        if (before !== '/a') assert.equal((await api.get(`${before}/health`, { tcp: true })).status, 200, `${base}, ${before}/health`);     // /a/health is a page's
        assert.match((await api.get(`${before}/a/none`, { tcp: true })).text, /This link belongs to no approval/, `${base}, ${before}/a/`);
        assert.equal((await api.get(`${before}/api/v1/agents`, { token: api.ownToken })).status, 200, `${base}, ${before}/api/`);
        assert.equal((await api.get(`${before}/api/v1/agents`, { tcp: true })).status, 401, `${base}, ${before}/api/`);
        assert.equal((await api.get(`${before}/callback/slack`, { tcp: true })).status, 200, `${base}, ${before}/callback/`);
      }
    }
  });

  it('a form or a script of another site changes nothing, even with a good token', async (t) => {
    const w = await world(t);
    const token = w.api.ownToken;
    const url = '/api/v1/messages/again';
    const here = `http://127.0.0.1:${w.api.port}`;
    for (const headers of [
      { origin: 'http://evil.example' }, { origin: 'null' }, { origin: '' }, { origin: 'http://127.0.0.1:1' }, { origin: 'http://localhost' },
      { origin: 'http://evil.example', 'content-type': form }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
      { origin: here, 'sec-fetch-site': 'cross-site' }, { origin: [here, here] },
    ]) {
      const { status, text, headers: back } = await w.api.post(url, {}, { token, headers });
      assert.equal(status, 403, `${JSON.stringify(headers)}: ${text}`);
      assert.ok(!('access-control-allow-origin' in back));
    }
    for (const headers of [{}, { origin: here, 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }]) {
      assert.equal((await w.api.post(url, {}, { token, headers })).status, 200, JSON.stringify(headers));
    }
    const preflight = await w.api.ask('OPTIONS', url, { tcp: true, headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' } });
    assert.ok(preflight.status >= 400);
    assert.ok(!Object.keys(preflight.headers).some((name) => name.startsWith('access-control-')));
  });
});
