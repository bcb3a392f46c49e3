// The SDK 2.x client in 2026-07-28 before two servers of its own kind behind one shim, one a child, one over HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Place } from '../lib/place.mjs';
import { connectSdk2, noSdk2, shimSdk2 } from '../lib/sdk2.mjs';
import { rulesFor, Server } from '../lib/servers.mjs';
import { inTurn } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const textOf = (result) => result.content[0].text;

describe('SDK 2.x client, two SDK 2.x servers behind one shim', { ...inTurn, skip: noSdk2 }, () => {
  const servers = [];
  let place;
  let client;

  before(async () => {
    servers.push(await new Server('modern', 'stdio', { extra: { era: 'modern' } }).start(), await new Server('modern', 'http', { extra: { era: 'both' } }).start());
    place = new Place(rulesFor([servers[0].entry('child'), servers[1].entry('far')]));
    client = await connectSdk2(shimSdk2(place));
  });
  after(async () => {
    await client?.close();
    for (const server of servers) await server.stop();
    await place.leave();
  });

  test('they are one server of that revision', () => {
    assert.equal(client.getProtocolEra(), 'modern');
    assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
    assert.equal(client.getServerVersion().name, 'aegis (child, far)');
    assert.equal(client.getServerCapabilities().resources.subscribe, true);
  });

  test('lists, calls, resources and prompts of both', async () => {
    const { tools } = await client.listTools();
    for (const name of ['child__echo', 'far__echo']) {
      assert.ok(tools.some((tool) => tool.name === name), name);
      assert.equal(textOf(await client.callTool({ name, arguments: { message: name } })), name);
    }
    const { resources } = await client.listResources();
    assert.ok(resources.some((one) => one.uri === 'aegis:far/test://one'));
    const { contents } = await client.readResource({ uri: 'aegis:child/test://one' });
    assert.equal(contents[0].text, 'text of test://one');
    assert.ok((await client.listPrompts()).prompts.some((one) => one.name === 'far__plain'));
  });

  for (const name of ['child', 'far']) {
    test(`what ${name} needs from the person, in one run that counts`, async () => {
      assert.equal(textOf(await client.callTool({ name: `${name}__confirm`, arguments: { what: 'tea' } })), 'tea for Ada');
      assert.equal(JSON.parse(textOf(await client.callTool({ name: `${name}__seen`, arguments: {} }))).confirmed, 1);
    });

    test(`changes at ${name} on one listen stream`, async () => {
      const uri = `aegis:${name}/test://one`;
      const listening = await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] });
      assert.deepEqual(listening.honoredFilter, { toolsListChanged: true, resourceSubscriptions: [uri] });
      client.seen.length = 0;
      await client.callTool({ name: `${name}__change`, arguments: {} });
      await until(() => client.seen.some((n) => n.method === 'notifications/tools/list_changed'), { what: 'tools/list_changed' });
      await client.callTool({ name: `${name}__touch`, arguments: { uri: 'test://one' } });
      const updated = await until(() => client.seen.find((n) => n.method === 'notifications/resources/updated'), { what: 'resources/updated' });
      assert.equal(updated.params.uri, uri);
      await listening.close();
    });
  }
});
