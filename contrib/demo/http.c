/* http - libmicrohttpd on 127.0.0.1, one thread a connection, with the framing checks that version 0.9.75 lacks: exactly one
 * Host, at most one Content-Length, never beside Transfer-Encoding, which may only be "chunked". */
#include "contrib/demo/demo.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <strings.h>
#include "base/xalloc.h"

struct http {
	struct demo *demo;
	struct MHD_Daemon *daemon;
};

struct upload {                     /* one request between its first callback and its answer */
	struct buf body;
};

/* ---- what a request must look like ------------------------------------------------------------ */
struct framing {
	int hosts, lengths, codings;
	bool is_bad, is_foreign;
};

/* A browser page of another origin must not drive us (MCP, Streamable HTTP, "Security Warning"). */
static bool origin_is_local(const char *origin)
{
	static const char *const local[] = { "http://127.0.0.1", "http://localhost", "http://[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		size_t n = strlen(local[i]);
		if (strncmp(origin, local[i], n) == 0 && (origin[n] == '\0' || origin[n] == ':'))
			return true;
	}
	return false;
}

static enum MHD_Result look_at_header(
	void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct framing *f = arg;

	(void)kind;
	value = value ? value : "";
	f->hosts += strcasecmp(key, "Host") == 0;
	f->lengths += strcasecmp(key, "Content-Length") == 0;
	if (strcasecmp(key, "Transfer-Encoding") == 0) {
		f->codings++;
		f->is_bad |= strcasecmp(value, "chunked") != 0;
	}
	if (strcasecmp(key, "Origin") == 0)
		f->is_foreign |= !origin_is_local(value);
	f->is_bad |= strpbrk(key, " \t") != NULL;
	return MHD_YES;
}

/* 0, or the status to refuse with. */
static unsigned check_framing(struct MHD_Connection *c)
{
	struct framing f = { 0 };

	MHD_get_connection_values(c, MHD_HEADER_KIND, look_at_header, &f);
	if (f.is_bad || f.hosts != 1 || f.lengths > 1 || f.codings > 1 || f.lengths + f.codings > 1)
		return MHD_HTTP_BAD_REQUEST;
	return f.is_foreign ? MHD_HTTP_FORBIDDEN : 0;
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	size_t n = sizeof json - 1;

	return type && strncasecmp(type, json, n) == 0 && strchr(" \t;", type[n]); /* or the end */
}

/* ---- answering -------------------------------------------------------------------------------- */
static enum MHD_Result send_response(
	struct MHD_Connection *c, unsigned status, struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	enum MHD_Result queued = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return queued;
}

/* Takes the text. */
static struct MHD_Response *text_response(struct buf *text, const char *type)
{
	size_t n = text->len;
	char *bytes = n ? buf_take(text) : NULL;
	struct MHD_Response *r = MHD_create_response_from_buffer(
		n, bytes, n ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

	if (r && n)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return r;
}

static enum MHD_Result send_status(struct MHD_Connection *c, unsigned status, const char *allow)
{
	struct buf none = { 0 };
	struct MHD_Response *r = text_response(&none, NULL);

	if (r && allow)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
	if (r && status == MHD_HTTP_BAD_REQUEST) /* where the next request begins is not certain */
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return send_response(c, status, r);
}

static struct MHD_Response *stream_response(struct slow *slow)
{
	struct MHD_Response *r = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 4096, slow_read, slow, slow_free);

	if (!r)
		slow_free(slow);
	else
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
	return r;
}

static enum MHD_Result answer_post(struct http *h, struct MHD_Connection *c, struct upload *u)
{
	struct mcp_request request = { buf_span(&u->body), header(c, "Mcp-Session-Id"),
		header(c, "MCP-Protocol-Version") };
	struct mcp_answer answer;

	if (!is_json(header(c, MHD_HTTP_HEADER_CONTENT_TYPE)))
		return send_status(c, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, NULL);
	mcp_answer(h->demo, &request, &answer);
	struct MHD_Response *r = answer.slow ? stream_response(answer.slow)
	                                     : text_response(&answer.body, "application/json");
	buf_release(&answer.body);
	if (r && answer.session[0])
		MHD_add_response_header(r, "Mcp-Session-Id", answer.session);
	return send_response(c, answer.status, r);
}

static enum MHD_Result answer_stats(struct http *h, struct MHD_Connection *c)
{
	struct buf text CLEANUP(buf_release);

	buf_init(&text, 4096);
	pthread_mutex_lock(&h->demo->lock);
	bool is_whole = tools_write_stats(h->demo, &text);
	pthread_mutex_unlock(&h->demo->lock);
	return is_whole ? send_response(c, MHD_HTTP_OK, text_response(&text, "application/json"))
	                : send_status(c, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
}

static enum MHD_Result answer(struct http *h, struct MHD_Connection *c, const char *path,
	const char *method, struct upload *u)
{
	bool is_mcp = strcmp(path, "/mcp") == 0, is_stats = strcmp(path, "/stats") == 0;

	if (is_mcp && strcmp(method, "POST") == 0)
		return answer_post(h, c, u);
	if (is_mcp && strcmp(method, "DELETE") == 0)
		return send_status(c, mcp_delete(h->demo, header(c, "Mcp-Session-Id")), NULL);
	if (is_stats && strcmp(method, "GET") == 0)
		return answer_stats(h, c);
	if (is_mcp || is_stats)
		return send_status(c, MHD_HTTP_METHOD_NOT_ALLOWED, is_mcp ? "POST, DELETE" : "GET");
	return send_status(c, MHD_HTTP_NOT_FOUND, NULL);
}

/* ---- libmicrohttpd's callbacks ---------------------------------------------------------------- */
static enum MHD_Result begin(struct MHD_Connection *c, void **state)
{
	unsigned refusal = check_framing(c);
	const char *length = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (!refusal && length && strtoull(length, NULL, 10) > DEMO_MAX_BODY)
		refusal = MHD_HTTP_CONTENT_TOO_LARGE;
	if (refusal)
		return send_status(c, refusal, NULL);
	struct upload *u = xcalloc(1, sizeof *u);
	buf_init(&u->body, DEMO_MAX_BODY);
	*state = u;
	return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path,
	const char *method, const char *version, const char *bytes, size_t *n, void **state)
{
	struct upload *u = *state;

	(void)version;
	if (!u)
		return begin(c, state);
	if (*n == 0)
		return answer(arg, c, path, method, u);
	bool is_taken = buf_append(&u->body, bytes, *n);
	*n = 0;
	return is_taken ? MHD_YES : MHD_NO; /* an endless chunked body ends with the connection */
}

static void on_done(
	void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
	struct upload *u = *state;

	(void)arg;
	(void)c;
	(void)how;
	if (u)
		buf_release(&u->body);
	free(u);
	*state = NULL;
}

/* Paths are compared as sent: "%00" must not cut one short. */
static size_t keep_escapes(void *arg, struct MHD_Connection *c, char *text)
{
	(void)arg;
	(void)c;
	return strlen(text);
}

struct http *http_start(struct demo *d, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http *h = xcalloc(1, sizeof *h);

	h->demo = d;
	h->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, port,
		NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
		NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 * 1024), MHD_OPTION_END);
	if (h->daemon)
		return h;
	int why = errno;
	free(h);
	errno = why;
	return NULL;
}

uint16_t http_port(struct http *h)
{
	return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void http_stop(struct http *h)
{
	MHD_stop_daemon(h->daemon);
	free(h);
}
