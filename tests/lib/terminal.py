"""terminal - runs a program on a pseudo-terminal of its own, so that a test can press its keys and see its screen.

    python3 terminal.py ROWS COLUMNS PROGRAM [ARGUMENT]...

What comes in on stdin goes to the terminal, what the program writes goes to stdout. At its end one more line says how it ended and
whether the terminal is as it was: {"code": .., "signal": .., "restored": ..}. On stdin a line that begins with NUL is for us: "\0kill 15"."""
import fcntl, json, os, pty, select, signal, struct, sys, termios

rows, columns, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
go, tell = os.pipe()
pid, master = pty.fork()
if pid == 0:
    os.read(go, 1)                      # the terminal is as it shall be
    os.close(go)
    os.close(tell)
    os.execvp(argv[0], argv)
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
before = termios.tcgetattr(master)
os.write(tell, b'.')
ended, open_in = None, True
while True:
    ready, _, _ = select.select([master] + ([0] if open_in else []), [], [], 0.05)
    if master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b''
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            continue
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            open_in = False
            os.kill(pid, signal.SIGKILL)
        elif data.startswith(b'\0'):
            os.kill(pid, int(data.split()[1]))
        else:
            os.write(master, data)
    if ended is None:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ended = status
            continue
    if ended is not None:
        break
try:
    after = termios.tcgetattr(master)
except termios.error:
    after = None
print('\n' + json.dumps({'code': os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else None, 'signal': os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else None,
                         'restored': after is None or after[:4] == before[:4]}), flush=True)
