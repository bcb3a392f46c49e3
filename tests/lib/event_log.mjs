// event_log - an event stream that can be resumed, as a Streamable HTTP server keeps it: every event has an id, a GET with Last-Event-ID goes on behind it.
export class EventLog {
  constructor(name, { retry } = {}) {
    this.name = name;
    this.retry = retry;
    this.events = [];              // texts; the id of the n-th is name:n
    this.readers = new Set();      // responses that are open
    this.opened = [];              // Last-Event-ID of each opening, null when there was none
  }

  /** Answers an exchange (POST or GET) with this stream, from behind its Last-Event-ID. */
  open(exchange) {
    const last = exchange.req.headers['last-event-id'] ?? null;
    this.opened.push({ last, at: performance.now() });
    exchange.stream();
    this.readers.add(exchange.res);
    exchange.res.on('close', () => this.readers.delete(exchange.res));
    if (last === null && this.retry !== undefined) exchange.res.write(`id: ${this.name}:0\nretry: ${this.retry}\ndata:\n\n`);
    const from = last === null ? 0 : Number(last.split(':')[1]);
    this.events.slice(from).forEach((text, n) => this.#write(exchange.res, from + n + 1, text));
  }

  #write(res, number, text) {
    res.write(`id: ${this.name}:${number}\ndata: ${text}\n\n`);
  }

  push(message) {
    this.events.push(JSON.stringify({ jsonrpc: '2.0', ...message }));
    for (const res of this.readers) this.#write(res, this.events.length, this.events.at(-1));
  }

  /** Closes it on purpose; what is pushed then waits for the next reader. */
  close() {
    for (const res of this.readers) res.end();
    this.readers.clear();
  }

  cut() {
    for (const res of this.readers) res.socket?.resetAndDestroy();
    this.readers.clear();
  }

  owns(exchange) {
    return exchange.req.headers['last-event-id']?.startsWith(`${this.name}:`) ?? false;
  }
}
