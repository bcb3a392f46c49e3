// oauth - an MCP server behind OAuth 2.1, as the MCP revision 2025-06-18 describes it: protected resource metadata (RFC 9728), server
// metadata (RFC 8414), dynamic registration (RFC 7591), authorization code with PKCE S256. Whoever opens the authorization URL is let in.
import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';

const textOf = async (req) => {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
};

/** Starts it in front of the MCP server at `upstream`, for this test. Its `url` is the backend's; `logins` counts tokens given to people. */
export async function startOAuth(t, upstream) {
  const seen = { logins: 0, refused: 0, passed: 0 };
  const clients = new Map();
  const codes = new Map();
  const tokens = new Set();
  let base;

  const json = (res, status, body, headers = {}) => res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));

  const routes = {
    'GET /.well-known/oauth-protected-resource/mcp': (req, res) => json(res, 200, { resource: `${base}/mcp`, authorization_servers: [base] }),
    'GET /.well-known/oauth-authorization-server': (req, res) => json(res, 200, {
      issuer: base, authorization_endpoint: `${base}/authorize`, token_endpoint: `${base}/token`, registration_endpoint: `${base}/register`,
      response_types_supported: ['code'], grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'], token_endpoint_auth_methods_supported: ['none'],
    }),
    'POST /register': async (req, res) => {
      const client = { ...JSON.parse(await textOf(req)), client_id: randomUUID() };
      clients.set(client.client_id, client);
      json(res, 201, client);
    },
    'GET /authorize': (req, res, query) => {
      const client = clients.get(query.get('client_id'));
      const back = query.get('redirect_uri');
      if (!client?.redirect_uris.includes(back) || query.get('code_challenge_method') !== 'S256') return json(res, 400, { error: 'invalid_request' });
      const code = randomUUID();
      codes.set(code, { client: client.client_id, back, challenge: query.get('code_challenge') });
      const to = new URL(back);
      to.searchParams.set('code', code);
      if (query.has('state')) to.searchParams.set('state', query.get('state'));
      return res.writeHead(302, { Location: to.href }).end();
    },
    'POST /token': async (req, res) => {
      const form = new URLSearchParams(await textOf(req));
      const given = codes.get(form.get('code'));
      codes.delete(form.get('code'));
      const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
      if (given?.challenge !== challenge || given.client !== form.get('client_id') || given.back !== form.get('redirect_uri')) {
        return json(res, 400, { error: 'invalid_grant' });
      }
      const token = randomUUID();
      tokens.add(token);
      seen.logins++;
      return json(res, 200, { access_token: token, token_type: 'Bearer', expires_in: 3600 }, { 'Cache-Control': 'no-store' });
    },
  };

  function pass(req, res) {
    if (!tokens.has(/^Bearer (.+)$/.exec(req.headers.authorization)?.[1])) {
      seen.refused++;
      const where = `Bearer resource_metadata="${base}/.well-known/oauth-protected-resource/mcp"`;
      return json(res, 401, { error: 'invalid_token' }, { 'WWW-Authenticate': where });
    }
    seen.passed++;
    const { authorization, host, ...headers } = req.headers;
    const on = http.request(upstream, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    on.on('error', () => res.destroy());
    res.on('close', () => on.destroy());
    return req.pipe(on);
  }

  const server = http.createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url, base);
    const route = routes[`${req.method} ${pathname}`];
    if (pathname === '/mcp') return pass(req, res);
    return route ? route(req, res, searchParams) : res.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return Object.assign(seen, { url: `${base}/mcp`, port: server.address().port });
}
