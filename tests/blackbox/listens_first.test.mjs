// A server drops what it has to say while nobody listens: requests leave once its stream of unasked messages is there.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { startShim } from '../lib/shim.mjs';

/** The client of a stdio server need not wait: initialize, initialized and the first call in one go. */
async function firstCall(backend, t, env) {
  const shim = startShim(makePlace(t, simpleRules(backend.url)), { env });
  const [, said] = await Promise.all([shim.initialize(), shim.call('echo', { message: 'first' })]);
  return said;
}

describe('the first request of a session', suite, () => {
  test('comes after the stream is open, however long that took', async (t) => {
    const backend = await startBackend(t);
    let isOpen = false;
    backend.onMethod.GET = (x) => setTimeout(() => { isOpen = true; x.stream(); }, 100);
    backend.onCall.echo = (x) => x.say(`open: ${isOpen}`);
    const said = await firstCall(backend, t);
    assertSaid(said, 'open: true');
  });

  test('comes all the same when the stream is not offered', async (t) => {
    const backend = await startBackend(t);
    backend.onMethod.GET = (x) => x.send(405);
    const said = await firstCall(backend, t);
    assertSaid(said, 'first');
  });

  test('comes all the same when the server says nothing to it', async (t) => {
    const backend = await startBackend(t);
    backend.onMethod.GET = () => {};
    const said = await firstCall(backend, t, { AEGIS_PATIENCE: '1' });
    assertSaid(said, 'first');
  });
});
