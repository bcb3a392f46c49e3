#include "broker/websocket.h"
#include <assert.h>
#include <poll.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "broker/websocket_frame.h"
#include "data/secret.h"

#define CONNECT_MS    10000
#define HANDSHAKE_MS  10000
#define PING_EVERY_MS 30000
#define SILENCE_MS    75000
#define READ_BYTES    16384
#define READS_A_TURN  16                          /* then others have a turn */
#define MAX_OUT       (2 * WEBSOCKET_MAX_FRAME)
#define MAX_IN        (WEBSOCKET_MAX_FRAME + 16 + READ_BYTES)

enum stage { CONNECTING, UPGRADING, OPEN, OVER };

struct websocket {
	struct websocket_options o;
	CURL *easy;
	CURLU *url;                               /* libcurl reads it while it connects */
	enum stage stage;
	struct loop_source source;
	struct loop_timer timer;                  /* CONNECTING: to fail at once; UPGRADING: its end; OPEN: the next ping */
	struct loop_timer ender;                  /* OVER: tells closed; OPEN: more to read */
	char *host, *target;                      /* of the request; target may hold a ticket */
	char key[WEBSOCKET_KEY_SIZE];
	struct buf in, out, message;
	bool is_message_open;
	int64_t heard_us;
	const char *why;
};

/* ---- its end -------------------------------------------------------------------------------------------------------------------------- */

static void end(struct websocket *w, const char *why)
{
	if (w->stage == OVER)
		return;
	w->stage = OVER;
	w->why = why;
	loop_remove(&w->source);
	loop_timer_clear(&w->timer);
	loop_timer_set(w->o.loop, &w->ender, 0);
}

static void flush(struct websocket *w)
{
	while (w->out.len > 0 && w->stage != OVER) {
		size_t n = 0;
		CURLcode code = curl_easy_send(w->easy, w->out.data, w->out.len, &n);
		if (code != CURLE_OK && code != CURLE_AGAIN)
			end(w, "the connection broke while sending");
		if (code != CURLE_OK || n == 0)
			return;
		buf_consume(&w->out, n);
	}
}

/* False: the peer does not read, so that no more can be kept for it. */
static bool say(struct websocket *w, enum websocket_opcode opcode, struct span payload)
{
	uint8_t mask[4];

	random_bytes(mask, sizeof mask);
	if (!websocket_frame_write(&w->out, opcode, payload, mask))
		return false;
	flush(w);
	return w->stage != OVER;
}

static void say_goodbye(struct websocket *w, unsigned code)
{
	const char status[2] = { (char)(code >> 8), (char)(code & 0xff) };

	if (w->stage == OPEN && w->out.len == 0) /* in the middle of a frame nothing can be put */
		(void)say(w, WEBSOCKET_CLOSE, (struct span){ status, sizeof status });
}

/* RFC 6455 7.4.1 */
enum { NORMAL = 1000, PROTOCOL_ERROR = 1002, NOT_UTF8 = 1007, TOO_BIG = 1009 };

static void refuse(struct websocket *w, unsigned code, const char *why)
{
	say_goodbye(w, code);
	end(w, why);
}

/* ---- what comes ------------------------------------------------------------------------------------------------------------------------ */

static bool is_utf8(struct span s)
{
	uint32_t code;

	for (size_t i = 0, n; i < s.len; i += n)
		if ((n = utf8_decode(s.at + i, s.len - i, &code)) == 0)
			return false;
	return true;
}

static void take_message(struct websocket *w)
{
	w->is_message_open = false;
	if (is_utf8(buf_span(&w->message)))
		w->o.text(w->o.arg, buf_span(&w->message));
	else
		refuse(w, NOT_UTF8, "a message is not UTF-8");
	buf_clear(&w->message);
}

static void take_data(struct websocket *w, const struct websocket_frame *f)
{
	bool is_continuation = f->opcode == WEBSOCKET_CONTINUATION;

	if (f->opcode == WEBSOCKET_BINARY)
		refuse(w, PROTOCOL_ERROR, "a message is not text");
	else if (is_continuation != w->is_message_open)
		refuse(w, PROTOCOL_ERROR, "a message begins inside another, or goes on without a beginning");
	else if (!buf_append_span(&w->message, f->payload))
		refuse(w, TOO_BIG, "a message is larger than 1 MiB");
	else if (f->is_final)
		take_message(w);
	else
		w->is_message_open = true;
}

static void take_frame(struct websocket *w, const struct websocket_frame *f)
{
	switch (f->opcode) {
	case WEBSOCKET_PING:
		if (!say(w, WEBSOCKET_PONG, f->payload))
			end(w, "it pings and does not read");
		break;
	case WEBSOCKET_PONG:
		break;
	case WEBSOCKET_CLOSE:
		refuse(w, NORMAL, "the server closed it");
		break;
	default:
		take_data(w, f);
	}
}

/* Frames may stand behind the answer in the same read. */
static void take_answer(struct websocket *w)
{
	const char *why = "";
	size_t size = 0;
	enum websocket_reading reading = websocket_answer_read(buf_span(&w->in), w->key, &size, &why);

	if (reading == WEBSOCKET_BROKEN)
		end(w, why);
	if (reading != WEBSOCKET_WHOLE)
		return;
	buf_consume(&w->in, size);
	w->stage = OPEN;
	loop_timer_set(w->o.loop, &w->timer, PING_EVERY_MS);
	w->o.opened(w->o.arg);
}

/* Several may stand there; what was taken is dropped at once, in the end. */
static void take_frames(struct websocket *w)
{
	size_t taken = 0;

	while (w->stage == OPEN) {
		struct span left = { w->in.data + taken, w->in.len - taken };
		struct websocket_frame f;
		const char *why = "";
		enum websocket_reading reading = websocket_frame_read(left, &f, &why);
		if (reading == WEBSOCKET_BROKEN)
			refuse(w, PROTOCOL_ERROR, why);
		if (reading != WEBSOCKET_WHOLE)
			break;
		take_frame(w, &f);
		taken += f.size;
	}
	buf_consume(&w->in, taken);
}

static void take(struct websocket *w)
{
	if (w->stage == UPGRADING)
		take_answer(w);
	if (w->stage == OPEN && w->in.len > 0)
		take_frames(w);
}

/* False: there is no more for now, or it is over. */
static bool read_some(struct websocket *w)
{
	char *at = buf_reserve(&w->in, READ_BYTES);
	size_t n = 0;

	assert(at); /* the rest of a frame that is taken is never longer than MAX_IN leaves room for */
	CURLcode code = curl_easy_recv(w->easy, at, READ_BYTES, &n);
	if (code == CURLE_AGAIN)
		return false;
	if (code != CURLE_OK || n == 0) {
		end(w, code == CURLE_OK ? "the connection was closed" : "the connection broke");
		return false;
	}
	buf_added(&w->in, n);
	w->heard_us = clock_mono_us();
	take(w);
	return w->stage != OVER;
}

/* TLS may hold bytes that poll does not see: until there are none, it is not left to poll. */
static void drain(struct websocket *w)
{
	int n = 0;

	while (n < READS_A_TURN && read_some(w))
		n++;
	if (n == READS_A_TURN)
		loop_timer_set(w->o.loop, &w->ender, 0);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------------------------- */

static short want(struct loop_source *s)
{
	const struct websocket *w = container_of(s, struct websocket, source);

	return (short)(POLLIN | (w->out.len > 0 ? POLLOUT : 0));
}

static void on_ready(struct loop_source *s, short events)
{
	struct websocket *w = container_of(s, struct websocket, source);

	if (events & POLLOUT)
		flush(w);
	if (w->stage != OVER && events & POLLIN)
		drain(w);
}

static void on_ender(struct loop_timer *t)
{
	struct websocket *w = container_of(t, struct websocket, ender);

	if (w->stage == OVER)
		w->o.closed(w->o.arg, w->why);
	else
		drain(w);
}

static void on_timer(struct loop_timer *t)
{
	struct websocket *w = container_of(t, struct websocket, timer);

	if (w->stage != OPEN) {
		end(w, "the upgrade to WebSocket took too long");
		return;
	}
	if (clock_mono_us() - w->heard_us > SILENCE_MS * INT64_C(1000)) {
		end(w, "it fell silent");
		return;
	}
	loop_timer_set(w->o.loop, &w->timer, PING_EVERY_MS);
	if (!say(w, WEBSOCKET_PING, SPAN("")))
		end(w, "it does not read");
}

/* ---- connecting -------------------------------------------------------------------------------------------------------------------------- */

static bool write_upgrade(struct websocket *w)
{
	uint8_t random[16];

	random_bytes(random, sizeof random);
	websocket_key(random, w->key);
	return buf_printf(&w->out,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
		"Sec-WebSocket-Version: 13\r\nUser-Agent: aegis/" AEGIS_VERSION "\r\n\r\n",
		w->target, w->host, w->key);
}

static void on_connected(void *arg, CURL *easy, CURLcode result)
{
	struct websocket *w = arg;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (result == CURLE_OK)
		(void)curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD || !write_upgrade(w)) {
		log_debug("websocket.connect", "why=%s", curl_easy_strerror(result));
		end(w, result == CURLE_PEER_FAILED_VERIFICATION ? "the server's TLS certificate is not trusted" : "no connection could be made");
		return;
	}
	w->stage = UPGRADING;
	w->source = (struct loop_source){ .fd = fd, .want = want, .ready = on_ready };
	loop_add(w->o.loop, &w->source);
	loop_timer_set(w->o.loop, &w->timer, HANDSHAKE_MS);
	flush(w);
}

static const struct { CURLoption option; long value; } fixed_options[] = {
	{ CURLOPT_CONNECT_ONLY, 1 },
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_SSL_ENABLE_ALPN, 0 },            /* WebSocket over HTTP/2 is another protocol */
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_TCP_NODELAY, 1 },
	{ CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS },
#if LIBCURL_VERSION_NUM >= 0x075700
	{ CURLOPT_QUICK_EXIT, 1 },
#endif
};

static bool configure(struct websocket *w)
{
	bool is_set = true;

	for (size_t i = 0; i < ARRAY_LEN(fixed_options); i++)
		is_set &= curl_easy_setopt(w->easy, fixed_options[i].option, fixed_options[i].value) == CURLE_OK;
	return is_set && curl_easy_setopt(w->easy, CURLOPT_CURLU, w->url) == CURLE_OK &&
	       curl_easy_setopt(w->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(w->easy, CURLOPT_PROXY, "") == CURLE_OK && curl_easy_setopt(w->easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
}

static char *part_of(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* ws becomes http, wss https: to libcurl it is an HTTP server that it connects to. */
static bool read_scheme(CURLU *url, bool is_plain_fine)
{
	char *scheme = part_of(url, CURLUPART_SCHEME);
	bool is_secure = scheme && strcmp(scheme, "wss") == 0, is_plain = scheme && strcmp(scheme, "ws") == 0;

	curl_free(scheme);
	if (!is_secure && !(is_plain && is_plain_fine))
		return false;
	return curl_url_set(url, CURLUPART_SCHEME, is_secure ? "https" : "http", 0) == CURLUE_OK;
}

static void read_request(struct websocket *w, CURLU *url)
{
	char *host = part_of(url, CURLUPART_HOST), *port = part_of(url, CURLUPART_PORT);
	char *path = part_of(url, CURLUPART_PATH), *query = part_of(url, CURLUPART_QUERY);

	w->host = xasprintf("%s%s%s", host ? host : "", port ? ":" : "", port ? port : "");
	w->target = xasprintf("%s%s%s", path ? path : "/", query ? "?" : "", query ? query : "");
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(query);
}

static bool aim(struct websocket *w)
{
	if (curl_url_set(w->url, CURLUPART_URL, w->o.url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
	    !read_scheme(w->url, w->o.is_plain_fine))
		return false;
	read_request(w, w->url);
	return configure(w) && loop_connect_add(w->o.loop, w->easy, on_connected, w) == OK;
}

struct websocket *websocket_new(const struct websocket_options *o)
{
	struct websocket *w = xcalloc(1, sizeof *w);

	w->o = *o;
	w->source.fd = -1;
	w->heard_us = clock_mono_us();
	buf_init(&w->in, MAX_IN);
	buf_init(&w->out, MAX_OUT);
	buf_init(&w->message, WEBSOCKET_MAX_FRAME);
	loop_timer_init(&w->timer, on_timer);
	loop_timer_init(&w->ender, on_ender);
	w->easy = curl_easy_init();
	w->url = curl_url();
	if (!w->url || !w->easy || !aim(w))
		end(w, "its address cannot be used");
	w->o.url = NULL;
	return w;
}

bool websocket_send(struct websocket *w, struct span text)
{
	return w->stage == OPEN && text.len <= WEBSOCKET_MAX_FRAME && say(w, WEBSOCKET_TEXT, text);
}

void websocket_free(struct websocket *w)
{
	if (!w)
		return;
	say_goodbye(w, NORMAL);
	loop_remove(&w->source);
	loop_timer_clear(&w->timer);
	loop_timer_clear(&w->ender);
	if (w->easy)
		loop_transfer_drop(w->o.loop, w->easy);
	curl_easy_cleanup(w->easy);
	curl_url_cleanup(w->url);
	free(w->host);
	secret_free(w->target);
	buf_release(&w->in);
	buf_release(&w->out);
	buf_release(&w->message);
	free(w);
}
