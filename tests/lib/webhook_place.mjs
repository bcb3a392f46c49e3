// webhook_place - a place whose approvals are told to a program: a backend, a webhook, a broker that listens.
import { Person } from './approvals.mjs';
import { startBackend, tool } from './backend.mjs';
import { makePlace, simpleRules } from './place.mjs';
import { openShim } from './shim.mjs';
import { startWebhook } from './webhook.mjs';

export const BASE = 'http://aegis.test';

/** approval: more YAML below approval:; generic: more below generic:; begins: with a broker. */
export async function webhookPlace(t, { approval = '', generic = '', secret = 's3cret of the hook', begins = true, more = '', tools, base = BASE } = {}) {
  const backend = await startBackend(t, { tools: tools ?? [tool('publish'), tool('erase'), tool('echo')] });
  const hook = await startWebhook(t, { secret });
  const fields = [`webhook_url: "${hook.url}"`, secret && `secret: "${secret}"`, generic].filter(Boolean).join(', ');
  const asking = ['mode: hold', base && `callback_base_url: "${base}"`, `generic: { ${fields} }`, approval].filter(Boolean).join(', ');
  const rules = simpleRules(backend.url, {
    grant: 'approval_required: ["publish", "erase"]\n', more: `approval: { ${asking} }\nserver: { listen: "127.0.0.1:0" }\n${more}`,
  });
  const place = makePlace(t, rules);
  const it = { backend, hook, place, rules, person: new Person(place), open: (options) => openShim(place, options) };
  it.start = async (options) => {
    it.broker = await place.broker(options);
    const [, address] = await it.broker.said(/doors\.open listen=(\S+)/);
    it.origin = `http://${address}`;
    return it.broker;
  };
  it.get = (url, options) => fetch(url.replace(BASE, it.origin), { redirect: 'manual', ...options });
  if (begins) await it.start();
  return it;
}

/** The rows of the outbox: { approval, channel, state, attempts, tries, last_error, ... }. */
export const messages = (place) => place.query('SELECT * FROM message ORDER BY approval, channel');
