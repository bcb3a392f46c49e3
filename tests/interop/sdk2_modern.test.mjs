// The official SDK 2.x on both sides, in the stateless revision 2026-07-28.
import { matrix } from '../lib/matrix.mjs';
import { connectSdk2, directSdk2, noSdk2, shimSdk2 } from '../lib/sdk2.mjs';
import { Server } from '../lib/servers.mjs';
import { commonChecks, httpChecks, modernChecks } from './checks/modern.mjs';

const sides = { skip: noSdk2, direct: directSdk2, through: shimSdk2, disconnect: (client) => client?.close() };
const ways = (era) => ({ stdio: () => new Server('modern', 'stdio', { extra: { era } }), http: () => new Server('modern', 'http', { extra: { era } }) });

// Both modern: passed through. The server could do the older revisions, too; the two must not settle for one.
matrix('SDK 2.x client (asks server/discover), SDK 2.x server', {
  ...sides, ways: ways('both'), connect: (transport) => connectSdk2(transport, { mode: 'auto' }), checks: { ...commonChecks, ...modernChecks },
});

matrix('SDK 2.x client (2026-07-28 only), SDK 2.x server (2026-07-28 only)', {
  ...sides, ways: ways('modern'), connect: (transport) => connectSdk2(transport, { mode: { pin: '2026-07-28' } }), checks: { ...commonChecks, ...modernChecks },
});

matrix('SDK 2.x client, SDK 2.x server over HTTP: what only HTTP has', {
  ...sides, ways: { http: ways('modern').http }, connect: (transport) => connectSdk2(transport), checks: httpChecks,
});
