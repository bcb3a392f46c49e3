// Clients of the older revisions before a server of the official SDK 2.x that knows only the stateless one (2026-07-28): the shim
// translates. Directly the two cannot talk (the first check), so there is nothing to compare with.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { matrix } from '../lib/matrix.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { connectSdk2, directSdk2, noSdk2, shimSdk2 } from '../lib/sdk2.mjs';
import { Server } from '../lib/servers.mjs';
import { suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';
import { featureChecks } from './checks/features.mjs';
import { commonChecks } from './checks/modern.mjs';

const ways = { stdio: () => new Server('modern', 'stdio', { extra: { era: 'modern' } }), http: () => new Server('modern', 'http', { extra: { era: 'modern' } }) };
const sides = { skip: noSdk2, direct: () => null, ways, disconnect: (client) => client?.close() };
const through = (checks) => Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, { through: check }]));
const call = (c, name, args) => c.callTool({ name, arguments: args });

describe('directly', { ...suite, skip: noSdk2 }, () => {
  for (const [way, make] of Object.entries(ways)) {
    test(`a legacy client gets no session from it (${way})`, async () => {
      const server = await make().start();
      try {
        await assert.rejects(connectSdk2(directSdk2(server), { mode: 'legacy' }));
      } finally {
        await server.stop();
      }
    });
  }
});

const names = ['arguments and _meta', 'tools with their members', 'text both ways', 'structured content', 'an error of the tool', 'progress',
  'what the server needs from the person (elicitation), in one run that counts', 'what the server needs from the model (sampling)',
  'what the server needs from the client (roots)', 'cancel reaches the server', 'resources', 'prompts', 'completion', 'a result of 9 MiB', '8 calls of a second at once'];

const changes = {
  'changes of lists': async (c) => {
    await call(c, 'change');
    await until(() => c.seen.some((n) => n.method === 'notifications/tools/list_changed'), { what: 'tools/list_changed' });
    assert.ok((await c.listTools()).tools.some((tool) => tool.name === 'added'));
  },
  'resources that are subscribed to, and are not any more': async (c) => {
    const updates = (uri) => c.seen.filter((n) => n.method === 'notifications/resources/updated' && n.params.uri === uri).length;
    await c.subscribeResource({ uri: 'test://one' });
    await c.subscribeResource({ uri: 'test://other' });
    await call(c, 'touch', { uri: 'test://one' });
    await until(() => updates('test://one') === 1, { what: 'resources/updated' });
    await c.unsubscribeResource({ uri: 'test://one' });
    // The stream without it takes the place of the one before it; what comes on the old one until then is no harm.
    await until(async () => {
      const before = updates('test://one');
      await call(c, 'touch', { uri: 'test://one' });
      await call(c, 'touch', { uri: 'test://other' });
      const others = updates('test://other');
      await until(() => updates('test://other') > others - 1 && updates('test://other') > 0, { what: 'the other one' });
      return updates('test://one') === before;
    }, { what: 'the end of the subscription' });
  },
};

matrix('SDK 2.x client (legacy), SDK 2.x server (2026-07-28 only)', {
  ...sides, through: shimSdk2, connect: (transport) => transport && connectSdk2(transport, { mode: 'legacy' }),
  checks: through({
    'initialize is answered from server/discover': (c) => {
      assert.deepEqual(c.getServerVersion(), { name: 'modern', version: '2.0.0' });
      assert.equal(c.getInstructions(), 'Modern: ü 漢');
      assert.equal(c.getProtocolEra(), 'legacy');
    },
    ping: (c) => c.ping(),
    'the log level': (c) => c.setLoggingLevel('warning'),
    ...Object.fromEntries(names.map((name) => [name, commonChecks[name]])),
    ...changes,
  }),
});

matrix('SDK 1.x client, SDK 2.x server (2026-07-28 only)', {
  ...sides, connect: (transport) => transport && connectSdk1(transport),
  checks: through({
    ping: featureChecks['ping to the server'],
    '50 calls at once': featureChecks['50 calls at once'],
    ...changes,
  }),
});
