// slack_place - a place whose agents need a person's word, and Slack where people give it.
import { Person, rulesFor, tools } from './approvals.mjs';
import { startBackend } from './backend.mjs';
import { makePlace } from './place.mjs';
import { openShim } from './shim.mjs';
import { slackEnv, slackRules, startSlack } from './slack.mjs';

/** olga sits at this machine. */
export const people = 'people: { alice: { slack: T1/U1, roles: [approver] }, bob: { slack: T1/U2, roles: [approver] }, viola: { slack: T1/U3, roles: [viewer] }, '
  + `olga: { uid: ${process.getuid()}, roles: [approver] } }`;

/** way: callback | socket | hook. approval: YAML in approval:. setup(slack) before the broker starts. */
export async function slackPlace(t, { way = 'callback', approval = '', base = 'http://aegis.test', more = '', setup, isStarted = true, ...rest } = {}) {
  const backend = await startBackend(t, { tools });
  const slack = await startSlack(t);
  setup?.(slack);
  const listens = way === 'socket' ? '' : 'server: { listen: "127.0.0.1:0" }\n';
  const link = way === 'socket' ? '' : `callback_base_url: "${base}", `;
  const rules = (changes = '') => rulesFor(backend, {
    ...rest, more: `${people}\n${listens}${more}`, approval: `${link}${slackRules(slack, way)}${approval && ', '}${approval}${changes && ', '}${changes}`,
  });
  const place = makePlace(t, rules());
  const it = { backend, slack, place, rules, person: new Person(place), open: (options) => openShim(place, options), callback: null };
  it.start = async () => {
    it.broker = await place.broker({ env: slackEnv(slack) });
    if (way === 'callback') it.callback = `http://${(await it.broker.said(/doors\.open listen=(\S+)/))[1]}/callback/slack`;
    return it.broker;
  };
  if (isStarted) await it.start();
  return it;
}
