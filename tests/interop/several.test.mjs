// Two of the official reference servers behind one shim, one as a child and one over Streamable HTTP, driven by the official SDK client:
// what either can do, it does under its own prefix, also when both ask the client at once.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Everything, everythingCommand } from '../lib/everything.mjs';
import { Place } from '../lib/place.mjs';
import { bin, inTurn } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const parts = ['child', 'web'];
const text = (result) => result.content[0].text;

describe('two reference servers behind one shim, and the SDK client', inTurn, () => {
  let server;
  let place;
  let client;
  const asked = { sampling: [], elicitation: 0, roots: 0 };
  const seen = { updated: [], logged: 0 };

  before(async () => {
    server = await Everything.start();
    place = new Place(`backends:
  child: { command: ${JSON.stringify(everythingCommand)} }
  web: { url: "${server.url}" }
agents:
  one: { backends: { child: { allowed: true }, web: { allowed: true } } }
`);
    client = new Client({ name: 'interop', version: '1' }, {
      capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {} } },
    });
    client.setRequestHandler(ListRootsRequestSchema, () => {
      asked.roots++;
      return { roots: [{ uri: 'file:///work/a', name: 'A' }] };
    });
    client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
      const prompt = params.messages[0].content.text;
      asked.sampling.push(prompt);
      // Nobody is answered before both have asked, when both ask at once.
      if (prompt.includes('at once')) await until(() => asked.sampling.filter((one) => one.includes('at once')).length === 2);
      return { model: 'm', role: 'assistant', content: { type: 'text', text: `sampled <${prompt}>` } };
    });
    client.setRequestHandler(ElicitRequestSchema, () => {
      asked.elicitation++;
      return { action: 'accept', content: { name: 'Ada', check: true } };
    });
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { seen.updated.push(params.uri); });
    client.setNotificationHandler(LoggingMessageNotificationSchema, () => { seen.logged++; });
    await client.connect(new StdioClientTransport({
      command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options], env: place.env, stderr: 'pipe',
    }));
  });
  after(async () => {
    await client?.close();
    await server?.stop();
    await place?.leave();
  });

  const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, undefined, options);

  test('the handshake names both and unites what they can', () => {
    assert.match(client.getServerVersion().name, /child, web/);
    const capabilities = client.getServerCapabilities();
    for (const key of ['tools', 'prompts', 'resources', 'logging', 'completions']) assert.ok(capabilities[key], key);
    assert.ok(client.getInstructions().includes('web:'));
  });

  test('tools of both, those that depend on the client among them', async () => {
    let tools;
    await until(async () => {
      tools = (await client.listTools()).tools;
      return parts.every((part) => tools.some((one) => one.name === `${part}__trigger-sampling-request`));
    }, { what: 'conditional tools of both' });
    assert.equal(new Set(tools.map((one) => one.name)).size, tools.length);
    assert.ok(tools.every((one) => one.name.length <= 64));
  });

  for (const part of parts) {
    test(`${part}: calls, structured content checked against the schema, progress, cancelling`, async () => {
      assert.equal(text(await call(`${part}__echo`, { message: 'é 漢' })), 'Echo: é 漢');
      await client.listTools();
      assert.equal((await call(`${part}__get-structured-content`, { location: 'Chicago' })).structuredContent.temperature, 36);
      const steps = [];
      await call(`${part}__trigger-long-running-operation`, { duration: 0.5, steps: 5 }, { onprogress: (p) => steps.push(p.progress) });
      assert.ok(steps.length >= 4, steps.join());
      const stop = new AbortController();
      await assert.rejects(call(`${part}__trigger-long-running-operation`, { duration: 60, steps: 60 }, { signal: stop.signal, onprogress: () => stop.abort('enough') }));
      assert.equal(text(await call(`${part}__echo`, { message: 'after' })), 'Echo: after');
    });

    test(`${part}: asks for sampling, elicitation and roots`, async () => {
      const before = { ...asked, sampling: asked.sampling.length };
      assert.match(JSON.stringify(await call(`${part}__trigger-sampling-request`, { prompt: part, maxTokens: 10 })), /sampled </);
      assert.match(JSON.stringify(await call(`${part}__trigger-elicitation-request`)), /Ada/);
      assert.match(JSON.stringify(await call(`${part}__get-roots-list`)), /work\/a/);
      assert.equal(asked.sampling.length, before.sampling + 1);
      assert.equal(asked.elicitation, before.elicitation + 1);
    });

    test(`${part}: resources, templates, links and updates lead back to it`, async () => {
      const { resources } = await client.listResources();
      const own = resources.filter((one) => one.uri.startsWith(`aegis:${part}/`));
      assert.ok(own.length > 0);
      assert.equal((await client.readResource({ uri: own[0].uri })).contents[0].uri, own[0].uri);
      const { resourceTemplates } = await client.listResourceTemplates();
      const template = resourceTemplates.find((one) => one.uriTemplate.startsWith(`aegis:${part}/demo://resource/dynamic/text/`));
      const uri = template.uriTemplate.replace(/\{.*\}/, '3');
      assert.match((await client.readResource({ uri })).contents[0].text, /^Resource 3:/);
      const links = (await call(`${part}__get-resource-links`, { count: 2 })).content.filter((one) => one.type === 'resource_link');
      assert.ok((await client.readResource({ uri: links[0].uri })).contents.length > 0);
      await client.subscribeResource({ uri });
      await call(`${part}__toggle-subscriber-updates`);
      await until(() => seen.updated.includes(uri), { what: `an update of ${uri}` });
      await call(`${part}__toggle-subscriber-updates`);
      await client.unsubscribeResource({ uri });
    });

    test(`${part}: prompts and completion`, async () => {
      const { prompts } = await client.listPrompts();
      assert.ok(prompts.some((one) => one.name === `${part}__args-prompt`));
      const prompt = await client.getPrompt({ name: `${part}__args-prompt`, arguments: { city: 'Zürich', state: 'ZH' } });
      assert.match(JSON.stringify(prompt), /Zürich/);
      const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: `${part}__completable-prompt` }, argument: { name: 'department', value: 'S' } });
      assert.deepEqual(completion.values, ['Sales', 'Support']);
    });
  }

  test('both ask at once, and each gets its own answer', async () => {
    const [child, web] = await Promise.all(parts.map((part) => call(`${part}__trigger-sampling-request`, { prompt: `${part} at once`, maxTokens: 10 })));
    assert.match(JSON.stringify(child), /sampled <[^>]*child at once/);
    assert.match(JSON.stringify(web), /sampled <[^>]*web at once/);
  });

  test('the level of the log goes to both, and what they log comes', async () => {
    await client.setLoggingLevel('debug');
    for (const part of parts) {
      const before = seen.logged;
      await call(`${part}__toggle-simulated-logging`);
      await until(() => seen.logged > before, { what: `a line of ${part}` });
      await call(`${part}__toggle-simulated-logging`);
    }
  });

  test('ping', async () => { await client.ping(); });
});
