// The official reference server over every transport it has.
import { matrix } from '../lib/matrix.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { Server } from '../lib/servers.mjs';
import { everythingChecks } from './checks/everything.mjs';

matrix('SDK 1.x client, server-everything', {
  ways: {
    stdio: () => new Server('everything', 'stdio'),
    http: () => new Server('everything', 'http'),
    sse: () => new Server('everything', 'sse', { transport: 'sse' }),
    'sse (auto)': () => new Server('everything', 'sse'),
  },
  connect: (transport) => connectSdk1(transport),
  disconnect: (client) => client?.close(),
  checks: everythingChecks,
});
