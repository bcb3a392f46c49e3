// TLS: a backend is who its certificate says, by the authorities of the system or of ca_file; nothing leaves before that is sure.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';

const dir = mkdtempSync(path.join(tmpdir(), 'aegis-tls-'));
const at = (name) => path.join(dir, name);
after(() => rmSync(dir, { recursive: true, force: true }));

async function openssl(...args) {
  const { code, stderr } = await run('openssl', args);
  assert.equal(code, 0, stderr);
}

/** Authorities of our own, made once for all tests, which run side by side: name.key, name.pem. */
before(() => Promise.all(['ours', 'theirs'].map((name) => openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
  '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)))));

/** A server's {key, cert}, signed by that authority. Each test has a name of its own: its files lie side by side. */
async function makeServer(name, authority, { alternative = 'IP:127.0.0.1', days = '2' } = {}) {
  writeFileSync(at(`${name}.ext`), `subjectAltName=${alternative}\nbasicConstraints=CA:FALSE\n`);
  await openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
  await openssl('x509', '-req', '-in', at(`${name}.csr`), '-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`), '-set_serial', `0x${randomBytes(8).toString('hex')}`, '-days', days,
    '-extfile', at(`${name}.ext`), '-out', at(`${name}.crt`));
  return { key: readFileSync(at(`${name}.key`)), cert: readFileSync(at(`${name}.crt`)) };
}

const secret = 'Bearer geheim-geheim';
const rules = (url, more) => `backends: { demo: { url: "${url}", headers: { Authorization: "${secret}" }${more} } }
agents: { one: { display_name: One, backends: { demo: { allowed: true } } } }
`;

describe('TLS', suite, () => {
  test('a certificate of the authority in ca_file is trusted, for calls and for the stream', async (t) => {
    const backend = await startBackend(t, { tls: await makeServer('good', 'ours') });
    backend.onMethod.GET = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/hello' });
    };
    const shim = await openShim(makePlace(t, rules(backend.url, `, ca_file: ${at('ours.pem')}`)));
    assertSaid(await shim.call('echo', { message: 'over TLS' }), 'over TLS');
    await shim.message((m) => m.method === 'notifications/hello');
    assert.ok(backend.requests.every((x) => x.req.headers.authorization === secret));
  });

  const distrusted = {
    'an authority nobody named': async () => ({ tls: await makeServer('unnamed', 'ours'), more: '' }),
    'another authority than the one in ca_file': async () => ({ tls: await makeServer('strange', 'theirs'), more: `, ca_file: ${at('ours.pem')}` }),
    'another name': async () => ({ tls: await makeServer('other', 'ours', { alternative: 'DNS:elsewhere.test' }), more: `, ca_file: ${at('ours.pem')}` }),
    'a certificate that has ended': async () => ({ tls: await makeServer('ended', 'ours', { days: '-1' }), more: `, ca_file: ${at('ours.pem')}` }),
  };
  for (const [what, make] of Object.entries(distrusted)) {
    test(`${what}: no request leaves, and the error says why`, async (t) => {
      const { tls, more } = await make();
      const backend = await startBackend(t, { tls });
      const shim = startShim(makePlace(t, rules(backend.url, more)));
      const answer = await shim.initialize();
      assert.match(answer.error?.message ?? answer.line, /certificate is not trusted/);
      assert.equal(backend.requests.length, 0);
      assert.equal(shim.stderr.includes('geheim'), false);
    });
  }

  test('a ca_file that is none is named as the cause', async (t) => {
    const backend = await startBackend(t, { tls: await makeServer('unread', 'ours') });
    writeFileSync(at('none.pem'), 'no certificate\n');
    const shim = startShim(makePlace(t, rules(backend.url, `, ca_file: ${at('none.pem')}`)));
    const answer = await shim.initialize();
    assert.match(answer.error?.message ?? answer.line, /ca_file|not trusted/);
    assert.equal(backend.requests.length, 0);
  });
});
