#include "broker/ctl/screen.h"
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "base/utf8.h"

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l"     /* alternate screen, no cursor, no wrapping */
#define LEAVE "\x1b[?7h\x1b[?25h\x1b[?1049l"

static struct termios saved;
static volatile sig_atomic_t is_open, is_disturbed;

static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM, SIGUSR1, SIGUSR2,
	SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS, SIGTRAP };

static void put(const char *text, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(STDOUT_FILENO, text, n);
		if (wrote < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (wrote > 0) {
			text += wrote;
			n -= (size_t)wrote;
		}
	}
}

static void take_over(void)
{
	struct termios raw = saved;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	put(ENTER, sizeof(ENTER) - 1);
}

static void give_back(void)
{
	put(LEAVE, sizeof(LEAVE) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

/* Installed with SA_RESETHAND: the second time it ends the process. */
static void on_end(int number)
{
	if (is_open)
		give_back();
	is_open = 0;
	(void)raise(number);
}

static void handle(int number, void (*fn)(int), int flags)
{
	struct sigaction how = { .sa_handler = fn, .sa_flags = flags };

	(void)sigemptyset(&how.sa_mask);
	(void)sigaction(number, &how, NULL);
}

/* Stops as anybody does, with the terminal given back, and takes it again afterwards. */
static void on_stop(int number)
{
	int error = errno;
	sigset_t only;

	give_back();
	handle(number, SIG_DFL, 0);
	(void)sigemptyset(&only);
	(void)sigaddset(&only, number);
	(void)raise(number);
	(void)sigprocmask(SIG_UNBLOCK, &only, NULL);
	handle(number, on_stop, 0);
	take_over();
	is_disturbed = 1;
	errno = error;
}

static void on_resize(int number)
{
	(void)number;
	is_disturbed = 1;
}

bool screen_open(void)
{
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0)
		return false;
	is_open = 1;
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		handle(ending[i], on_end, (int)SA_RESETHAND);
	handle(SIGTSTP, on_stop, 0);
	handle(SIGWINCH, on_resize, 0);
	handle(SIGPIPE, SIG_IGN, 0);
	take_over();
	return true;
}

void screen_close(void)
{
	if (!is_open)
		return;
	is_open = 0;
	give_back();
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		handle(ending[i], SIG_DFL, 0);
	handle(SIGTSTP, SIG_DFL, 0);
}

void screen_size(int *rows, int *columns)
{
	struct winsize w;
	bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0;

	*rows = is_known ? w.ws_row : 24;
	*columns = is_known ? w.ws_col : 80;
}

void screen_write(struct span frame)
{
	put(frame.at, frame.len);
}

bool screen_was_disturbed(void)
{
	bool was = is_disturbed;

	is_disturbed = 0;
	return was;
}

/* ---- keys ---- */

/* ESC and what follows at once: an arrow, a page key, or another key that means nothing here. */
static int escape(const char *at, size_t left, size_t *n)
{
	static const struct {
		const char *text;
		int key;
	} known[] = { { "\x1b[A", KEY_UP },       { "\x1b[B", KEY_DOWN },       { "\x1bOA", KEY_UP }, { "\x1bOB", KEY_DOWN },
		{ "\x1b[5~", KEY_PAGE_UP }, { "\x1b[6~", KEY_PAGE_DOWN } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		*n = strlen(known[i].text);
		if (left >= *n && memcmp(at, known[i].text, *n) == 0)
			return known[i].key;
	}
	*n = left > 1 ? left : 1;
	return left > 1 ? KEY_NONE : KEY_ESCAPE;
}

static int one_key(const char *at, size_t left, size_t *n)
{
	uint32_t code = 0;

	if (*at == KEY_ESCAPE)
		return escape(at, left, n);
	*n = utf8_decode(at, left, &code);
	if (*n == 0) {
		*n = 1;
		return KEY_NONE;
	}
	return code == '\n' ? KEY_ENTER : code == '\b' ? KEY_ERASE : (int)code;
}

size_t screen_keys(int keys[SCREEN_MAX_KEYS])
{
	char bytes[SCREEN_MAX_KEYS];
	size_t count = 0, n = 1;

	ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
		keys[0] = KEY_END_OF_INPUT;
		return 1;
	}
	for (size_t i = 0; got > 0 && i < (size_t)got; i += n) {
		int key = one_key(bytes + i, (size_t)got - i, &n);
		if (key != KEY_NONE)
			keys[count++] = key;
	}
	return count;
}
