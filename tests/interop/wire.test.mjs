// Bare messages over every transport: what is not governed passes as it is.
import { matrix, shimTransport } from '../lib/matrix.mjs';
import { Server } from '../lib/servers.mjs';
import { wireChecks } from './checks/wire.mjs';

matrix('bare messages, SDK 1.x server', {
  ways: {
    stdio: () => new Server('features', 'stdio'),
    http: () => new Server('features', 'http'),
    sse: () => new Server('features', 'sse'),
  },
  connect: (_, { server, place }) => (place ? () => shimTransport(place) : () => server.direct()),
  disconnect: () => {},
  checks: wireChecks,
});
