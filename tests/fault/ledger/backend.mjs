// backend - the scripted server of lib/backend.mjs in a process of its own, so that what it stamps is not delayed by those who drive the shims.
// Every tools/call is stamped on arrival with the machine's monotonic clock and written to a file, one JSON line each, before it is answered.
// A call may ask for more by its arguments: wait_ms, cut.
// argv: {file, seed, fails, cuts, slow_ms}: shares of calls that it answers with isError, or cuts off without an answer; most ms an answer takes.
import { appendFileSync, writeFileSync } from 'node:fs';
import { Backend, tool } from '../../lib/backend.mjs';
import { random } from '../../lib/random.mjs';
import { clock } from './clock.mjs';

const { file, seed, tools = ['echo', 'limited', 'queued', 'asked'], fails = 0, cuts = 0, slow_ms = 0 } = JSON.parse(process.argv[2]);
const rnd = random(seed);
writeFileSync(file, '');

const backend = new Backend({ tools: tools.map((name) => tool(name)) });
backend.onAny = (exchange) => {
  exchange.stamp = clock();
  return false;
};
backend.onCall['*'] = (exchange, { name, arguments: args }) => {
  const isFailing = rnd() < fails;
  const isCut = args?.cut || (!isFailing && rnd() < cuts);
  appendFileSync(file, JSON.stringify({ what: 'arrived', at: exchange.stamp, key: args?.mark, tool: name, args, fails: isFailing, cut: isCut }) + '\n');
  const answer = () => {
    if (isCut) exchange.reset();
    else exchange.say(String(args?.mark), isFailing ? { isError: true } : {});
  };
  const wait = args?.wait_ms ?? Math.floor(rnd() * slow_ms);
  if (wait > 0) setTimeout(answer, wait);
  else answer();
};
process.on('disconnect', () => process.exit(0));
await backend.start();
process.send({ url: backend.url, port: backend.port });
