// pipes - real FIFOs for a child's stdin and stdout. Node's own 'pipe' is a socket pair; most MCP clients use FIFOs.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

/** Our end and the child's of one FIFO. The child's is blocking, as a shell or another client would give it. */
function openFifo(file, childReads) {
  const both = openSync(file, O_RDWR);          // keeps the other opens from waiting for each other
  const child = openSync(file, childReads ? O_RDONLY : O_WRONLY);
  const ours = openSync(file, (childReads ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
  closeSync(both);
  return { child, ours };
}

/** {childStdin, childStdout}: descriptors to pass on and to close then; {stdin, stdout}: our streams. */
export function makePipes(dir) {
  const at = mkdtempSync(path.join(dir, 'p-'));
  const [inPath, outPath] = [path.join(at, 'in'), path.join(at, 'out')];
  execFileSync('mkfifo', [inPath, outPath]);
  const input = openFifo(inPath, true);
  const output = openFifo(outPath, false);
  rmSync(at, { recursive: true });
  return {
    childStdin: input.child,
    childStdout: output.child,
    stdin: new net.Socket({ fd: input.ours, readable: false, writable: true }),
    stdout: new net.Socket({ fd: output.ours, readable: true, writable: false }),
    closeChildEnds() {
      closeSync(input.child);
      closeSync(output.child);
    },
  };
}
