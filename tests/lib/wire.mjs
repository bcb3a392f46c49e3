// wire - JSON-RPC messages over an SDK transport, as they are: any id, any member, nothing added.
import { settled, until } from './until.mjs';

const keyOf = (id) => JSON.stringify(id);

export class Wire {
  constructor(transport) {
    this.transport = transport;
    this.messages = [];                // all of them, in order of arrival
    this.errors = [];
    transport.onmessage = (message) => this.messages.push(message);
    transport.onerror = (error) => this.errors.push(String(error));
  }

  async open({ version = '2025-11-25', capabilities = {}, id = 'init' } = {}) {
    await this.transport.start();
    const answer = await this.ask({ id, method: 'initialize', params: { protocolVersion: version, capabilities, clientInfo: { name: 'wire', version: '1' } } });
    this.transport.setProtocolVersion?.(answer.result.protocolVersion);
    await this.send({ method: 'notifications/initialized' });
    return answer;
  }

  send(message) {
    return this.transport.send({ jsonrpc: '2.0', ...message });
  }

  answersTo(id) {
    return this.messages.filter((m) => m.method === undefined && m.id !== undefined && keyOf(m.id) === keyOf(id));
  }

  answerTo(id) {
    return until(() => this.answersTo(id)[0], { what: `answer to ${keyOf(id)}` });
  }

  async ask(message) {
    await settled(this.send(message), 'sending');
    return this.answerTo(message.id);
  }

  call(id, name, args = {}, more = {}) {
    return this.ask({ id, method: 'tools/call', params: { name, arguments: args, ...more } });
  }

  close() {
    return this.transport.close();
  }
}
