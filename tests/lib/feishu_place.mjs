// feishu_place - a place whose people are asked in Feishu: a backend, the platform, a broker that listens.
import { Person } from './approvals.mjs';
import { startBackend, tool } from './backend.mjs';
import { appRules, startFeishu } from './feishu.mjs';
import { makePlace, simpleRules } from './place.mjs';
import { openShim } from './shim.mjs';

// Who runs the tests decides by aegisctl, as desk.
const people = `people: { desk: { uid: ${process.getuid()}, roles: [approver] }, alice: { feishu: ou_alice, roles: [approver] }, bob: { feishu: ou_bob, roles: [approver] }, viola: { feishu: ou_viola, roles: [viewer] } }`;

/** approval: more YAML below approval:; bot: appRules or hookRules; setup: of the platform, before the broker comes; base: callback_base_url;
 *  required: what needs approval. */
export async function feishuPlace(t, { approval = '', bot = appRules, base = 'http://aegis.test', setup, tools, required = ['publish', 'erase'], agent = '' } = {}) {
  const backend = await startBackend(t, { tools: tools ?? [tool('publish'), tool('erase'), tool('echo')] });
  const feishu = await startFeishu(t);
  setup?.(feishu);
  const asking = ['mode: hold', base && `callback_base_url: "${base}"`, bot(feishu), approval].filter(Boolean).join(', ');
  const place = makePlace(t, simpleRules(backend.url, {
    agent, grant: `approval_required: ${JSON.stringify(required)}\n`, more: `approval: { ${asking} }\n${people}\nserver: { listen: "127.0.0.1:0" }\n`,
  }));
  const it = { backend, feishu, place, person: new Person(place), open: (options) => openShim(place, options) };
  it.start = async (options) => {
    it.broker = await place.broker(options);
    const [, address] = await it.broker.said(/doors\.open listen=(\S+)/);
    it.origin = `http://${address}`;
    it.callback = `${it.origin}/callback/feishu`;
  };
  await it.start();
  return it;
}

/** Does the card's title say this state, and this tool? */
export const is = (state, what = 'publish') => (card) => card.header.title.content.endsWith(`: ${state}: ${what}`);
