// sdk1 - a client of the official SDK 1.x that declares everything, answers the server as the check at hand says, and keeps what it was told.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  CreateMessageRequestSchema, ElicitationCompleteNotificationSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema, ResourceListChangedNotificationSchema, ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { until } from './until.mjs';

export const fullCapabilities = {
  roots: { listChanged: true }, sampling: { tools: {}, context: {} }, elicitation: { form: { applyDefaults: true }, url: {} }, experimental: { 'x-test': { from: 'client' } },
};

const kept = [
  LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema, PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema, ElicitationCompleteNotificationSchema,
];

export async function connectSdk1(transport, { capabilities = fullCapabilities, name = 'interop' } = {}) {
  const client = new Client({ name, title: 'Interop', version: '1.0.1' }, { capabilities });
  client.seen = [];                   // notifications in order of arrival
  client.errors = [];
  client.roots = [{ uri: 'file:///work/a', name: 'A' }, { uri: 'file:///work/%C3%BC' }];
  client.onSample = ({ messages }) => ({ model: 'm', role: 'assistant', stopReason: 'endTurn', content: { type: 'text', text: `sampled ${messages[0].content.text}` } });
  client.onElicit = () => ({ action: 'accept', content: { name: 'Ada', check: true } });
  client.onerror = (error) => client.errors.push(String(error));
  if (capabilities.roots) client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: client.roots }));
  if (capabilities.sampling) client.setRequestHandler(CreateMessageRequestSchema, ({ params }, extra) => client.onSample(params, extra));
  if (capabilities.elicitation) client.setRequestHandler(ElicitRequestSchema, ({ params }, extra) => client.onElicit(params, extra));
  for (const schema of kept) client.setNotificationHandler(schema, (note) => { client.seen.push({ ...note, at: performance.now() }); });
  client.fallbackNotificationHandler = async (note) => { client.seen.push({ ...note, at: performance.now() }); };
  await client.connect(transport);
  return client;
}

export const callTool = (client, name, args = {}, options) => client.callTool({ name, arguments: args }, undefined, options);
export const textOf = (result) => result.content[0].text;
export const saidBy = async (client, name, args) => JSON.parse(textOf(await callTool(client, name, args)));
export const heard = (client, method, what = method) => until(() => client.seen.find((note) => note.method === method), { what });
/** The error a promise is rejected with, as the wire knows it. */
export async function errorOf(promise) {
  const error = await promise.then((value) => { throw new Error(`no error but ${JSON.stringify(value).slice(0, 200)}`); }, (e) => e);
  return { code: error.code, message: error.message, data: error.data };
}
