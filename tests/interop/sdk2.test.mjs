// The official SDK 2.x on both sides in the older revisions, and how it falls back to them before an older server.
import { matrix } from '../lib/matrix.mjs';
import { connectSdk2, directSdk2, noSdk2, shimSdk2 } from '../lib/sdk2.mjs';
import { Server } from '../lib/servers.mjs';
import { commonChecks } from './checks/modern.mjs';

const sides = { skip: noSdk2, direct: directSdk2, through: shimSdk2, disconnect: (client) => client?.close() };
const ways = { stdio: () => new Server('modern', 'stdio'), http: () => new Server('modern', 'http') };

matrix('SDK 2.x client (legacy), SDK 2.x server', { ...sides, ways, connect: (transport) => connectSdk2(transport, { mode: 'legacy' }), checks: commonChecks,
  gaps: Object.fromEntries(['what the server needs from the person (elicitation), in one run that counts', 'what the server needs from the model (sampling)', 'what the server needs from the client (roots)']
    .map((name) => [name, { http: 'its older side over HTTP has no session, so it cannot ask' }])) });

// A modern client finds an old server behind the shim and falls back.
matrix('SDK 2.x client (asks server/discover), SDK 1.x server', {
  ...sides,
  ways: { stdio: () => new Server('features', 'stdio'), http: () => new Server('features', 'http') },
  connect: (transport) => connectSdk2(transport),
  checks: {
    'the era and the server': commonChecks['the era, the revision, the server'],
    'text both ways': commonChecks['text both ways'],
    'a result of 9 MiB': commonChecks['a result of 9 MiB'],
  },
});
