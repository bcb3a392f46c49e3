// lines - splits a stream into lines without copying long ones over and over.
export class LineReader {
  constructor(onLine) {
    this.onLine = onLine;
    this.parts = [];
  }

  feed(chunk) {
    let from = 0;
    for (let at; (at = chunk.indexOf(0x0a, from)) >= 0; from = at + 1) {
      this.parts.push(chunk.subarray(from, at));
      const line = this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts);
      this.parts = [];
      this.onLine(line);
    }
    if (from < chunk.length) this.parts.push(chunk.subarray(from));
  }

  get rest() {
    return Buffer.concat(this.parts);
  }
}
