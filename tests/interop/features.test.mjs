// The official SDK 1.x on both sides, every feature of it, over every transport.
import { matrix } from '../lib/matrix.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { Server } from '../lib/servers.mjs';
import { featureChecks } from './checks/features.mjs';

matrix('SDK 1.x client, SDK 1.x server with every feature', {
  ways: {
    stdio: () => new Server('features', 'stdio'),
    http: () => new Server('features', 'http'),
    sse: () => new Server('features', 'sse', { transport: 'sse' }),
    'sse (auto)': () => new Server('features', 'sse'),
  },
  connect: (transport) => connectSdk1(transport),
  disconnect: (client) => client?.close(),
  checks: featureChecks,
});
