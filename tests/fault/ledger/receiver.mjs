// receiver - a webhook on loopback that takes, refuses, forgets to answer and breaks off, and remembers all that reached it.
import { createServer } from 'node:http';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A generic webhook. told: {at, id, event, message_id, delivery}; trouble: how many of its answers go wrong, 0 to 1; status: of the others. */
export async function startReceiver(t, { rnd = Math.random, trouble = 0 } = {}) {
  const receiver = { told: [], trouble, status: 200 };
  const ways = [
    (res) => res.writeHead(500).end(),                                      // it did not take it
    (res) => res.destroy(),                                                 // it took it, and nobody hears so
    async (res) => { await pause(200); res.destroy(); },
    async (res) => { await pause(200); res.writeHead(200).end('ok'); },
  ];
  const server = createServer(async (req, res) => {
    let body = '';
    try {
      for await (const chunk of req) body += chunk;
    } catch {
      return;                                                               // the broker died while it spoke
    }
    const { id, event, message_id } = JSON.parse(body);
    const way = rnd() < receiver.trouble ? ways[Math.floor(rnd() * ways.length)] : null;
    if (way !== ways[0] && receiver.status === 200) receiver.told.push({ id, event, message_id, delivery: req.headers['x-aegis-delivery'] });
    await (way ? way(res) : res.writeHead(receiver.status).end('ok'));
  });
  server.on('clientError', (error, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  receiver.url = `http://127.0.0.1:${server.address().port}/hook`;
  return receiver;
}
