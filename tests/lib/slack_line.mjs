// slack_line - the server's half of a WebSocket (RFC 6455), strict about what a client must do.
import assert from 'node:assert/strict';

export class SlackLine {
  constructor(socket, { text, closed }) {
    Object.assign(this, { socket, onText: text, isReady: false, acks: [], pongs: 0, pings: 0, closeCode: null });
    this.in = Buffer.alloc(0);
    socket.on('data', (bytes) => this.read(bytes));
    socket.on('error', () => {});
    socket.once('close', () => closed());
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  read(bytes) {
    this.in = Buffer.concat([this.in, bytes]);
    for (;;) {
      const frame = this.frame();
      if (!frame) return;
      this.take(frame);
    }
  }

  frame() {
    if (this.in.length < 6) return null;
    const [first, second] = this.in;
    assert.equal(first & 0x70, 0, 'no extension was agreed on');
    assert.ok(second & 0x80, 'a client masks its frames');
    let [length, at] = [second & 0x7f, 2];
    if (length === 126) [length, at] = [this.in.readUInt16BE(2), 4];
    else if (length === 127) [length, at] = [Number(this.in.readBigUInt64BE(2)), 10];
    if (this.in.length < at + 4 + length) return null;
    const mask = this.in.subarray(at, at + 4);
    const payload = Buffer.from(this.in.subarray(at + 4, at + 4 + length)).map((b, i) => b ^ mask[i % 4]);
    this.in = this.in.subarray(at + 4 + length);
    return { opcode: first & 0x0f, isFinal: Boolean(first & 0x80), payload };
  }

  take({ opcode, isFinal, payload }) {
    assert.ok(isFinal, 'our client sends whole messages');
    if (opcode === 1) this.onText(payload.toString('utf8'));
    else if (opcode === 8) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.socket.end();
    } else if (opcode === 9) {
      this.pings++;
      this.write(10, payload);
    } else if (opcode === 10) this.pongs++;
    else assert.fail(`opcode ${opcode}`);
  }

  write(opcode, payload, isFinal = true) {
    const length = payload.length;
    const head = length < 126 ? Buffer.from([0, length]) : length < 65536 ? Buffer.from([0, 126, length >> 8, length & 255]) : Buffer.alloc(10);
    if (length >= 65536) {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(length), 2);
    }
    head[0] = (isFinal ? 0x80 : 0) | opcode;
    if (!this.socket.destroyed) this.socket.write(Buffer.concat([head, payload]));
  }

  /** pieces: into so many frames, with a ping between them. */
  send(message, pieces = 1) {
    const bytes = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    const size = Math.ceil(bytes.length / pieces);
    for (let i = 0; i < pieces; i++) {
      this.write(i === 0 ? 1 : 0, bytes.subarray(i * size, (i + 1) * size), i === pieces - 1);
      if (i < pieces - 1) this.ping();
    }
  }

  ping() {
    this.write(9, Buffer.from('are you there'));
  }

  /** "warning" (go elsewhere soon), "refresh_requested", "link_disabled". */
  disconnect(reason) {
    this.send({ type: 'disconnect', reason, debug_info: { host: 'applink-1' } });
  }

  /** Without a word. */
  cut() {
    this.socket.resetAndDestroy();
  }
}
