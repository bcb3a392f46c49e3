/* http - see http.h. Needs libcurl >= 7.85 (PROTOCOLS_STR, curl_easy_header, PREREQFUNCTION). */
#include <strings.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "net/http.h"
#include "net/http_url.h"
#include "net/sockets.h"

#define HTTP_MAX_POOLED_HANDLES  64
#define HTTP_MAX_UNREAD_BYTES    (64 * 1024)  /* of a streamed body, before it is paused */
#define HTTP_BUFFER_BYTES        (64L * 1024) /* libcurl's receive buffer; above the mmap threshold it gets slower */
#define HTTP_LONG_BODY_BYTES     (32 * 1024)  /* from here on its upload is watched for the timeout, and a refusal costs the connection */
#define HTTP_MAX_IDLE_S          60L          /* of a pooled connection, unless the server says less */
#define HTTP_MAX_RETRY_AFTER_S   (366 * 86400LL)

struct http {
	struct loop *loop;
	CURLU *base, *url;              /* as made; where requests go */
	char *ca_file, *proxy;
	long connect_timeout_ms, max_idle_s;
	struct sockets sockets;
	CURL *pool[HTTP_MAX_POOLED_HANDLES];
	size_t pool_n;
	struct list requests, news;
	struct loop_timer teller;       /* set while news is not empty: callbacks run outside of libcurl */
};

enum err http_setup(void)
{
	/* SSL_CERT_FILE and SSL_CERT_DIR stay: they are the user's choice of authorities, for child programs too. */
	static const char *const unwanted[] = { "SSLKEYLOGFILE", "QLOGDIR", "CURL_SSL_BACKEND", "OPENSSL_CONF",
		"OPENSSL_MODULES", "OPENSSL_ENGINES" };

	for (size_t i = 0; i < ARRAY_LEN(unwanted); i++)
		(void)unsetenv(unwanted[i]);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return OK;
	log_error("http.setup", "why=\"libcurl cannot start\"");
	return ERR_IO;
}

/* ---- callbacks of libcurl: they note, http_tell acts ------------------------------------------------------------------ */

static void note_news(struct http_request *r)
{
	if (!list_is_empty(&r->news))
		return;
	if (list_is_empty(&r->http->news))
		loop_timer_set(r->http->loop, &r->http->teller, 0);
	list_append(&r->http->news, &r->news);
}

/* A pooled connection that was reset, closed or spoken on while idle: not a byte of ours may go there. */
static bool is_stale(struct http_request *r, int local_port)
{
	long connects = 0; /* 0 = a connection of the pool */

	(void)curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects);
	return connects == 0 && !sockets_is_quiet(&r->http->sockets, local_port);
}

static int on_prereq(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	struct http_request *r = arg;

	(void)remote, (void)local, (void)remote_port;
	if (r->has_left) { /* a pooled connection was dead: libcurl is about to send everything again */
		r->was_resend_stopped = r->is_once;
		return r->is_once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
	}
	r->must_start_fresh = is_stale(r, local_port);
	if (r->must_start_fresh || (r->may_leave && !r->may_leave(r)))
		return CURL_PREREQFUNC_ABORT;
	r->has_left = true;
	if (r->timeout_ms)
		loop_timer_set(r->http->loop, &r->timer, r->timeout_ms);
	note_news(r);
	return CURL_PREREQFUNC_OK;
}

/* Who refuses a long body may not have read all of it, and closes the connection a moment later: the next request must not meet that. */
static void let_go_if_refused(struct http_request *r, long status)
{
	if (status >= 400 && r->content.len >= HTTP_LONG_BODY_BYTES)
		(void)curl_easy_setopt(r->easy, CURLOPT_FORBID_REUSE, 1L);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	long status = 0;

	r->header_bytes += size * n;
	if (r->header_bytes > HTTP_MAX_HEADER_BYTES) {
		r->is_too_large = true;
		return 0;
	}
	bool is_last = size * n <= 2 && (line[0] == '\r' || line[0] == '\n');
	if (is_last && !r->has_head) {
		(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
		r->has_head = status >= 200;
		let_go_if_refused(r, status);
		note_news(r);
	}
	return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	struct buf *b = r->collected ? r->collected : &r->in;

	if (b == &r->in && r->in.len > 0 && r->in.len + size * n > HTTP_MAX_UNREAD_BYTES) {
		r->is_choked = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (b == r->collected && r->may_collect && !r->may_collect(r)) {
		r->is_held = r->is_choked = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (!buf_append(b, bytes, size * n)) {
		r->is_too_large = true;
		return 0;
	}
	if (b == &r->in)
		note_news(r);
	return size * n;
}

static int on_progress(void *arg, curl_off_t to_load, curl_off_t loaded, curl_off_t to_upload, curl_off_t uploaded)
{
	struct http_request *r = arg;

	(void)to_load, (void)loaded, (void)to_upload;
	if (uploaded == r->uploaded || !r->has_left || !r->timeout_ms)
		return 0;
	r->uploaded = uploaded;
	loop_timer_set(r->http->loop, &r->timer, r->timeout_ms);
	return 0;
}

/* ---- handles ---------------------------------------------------------------------------------------------------------- */

static const struct { CURLoption option; long value; } fixed_options[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_HTTP09_ALLOWED, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_UNRESTRICTED_AUTH, 0 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
	{ CURLOPT_TCP_NODELAY, 1 },
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_TCP_KEEPIDLE, 60 },
	{ CURLOPT_TCP_KEEPINTVL, 30 },
	{ CURLOPT_BUFFERSIZE, HTTP_BUFFER_BYTES },
#if LIBCURL_VERSION_NUM >= 0x075700
	{ CURLOPT_QUICK_EXIT, 1 },      /* else dropping a transfer waits for its name resolution */
#endif
};

#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool handle_configure(struct http *h, CURL *easy)
{
	bool is_set = true;

	for (size_t i = 0; i < ARRAY_LEN(fixed_options); i++)
		is_set &= SET(easy, fixed_options[i].option, fixed_options[i].value);
	is_set &= SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	is_set &= SET(easy, CURLOPT_ACCEPT_ENCODING, NULL);
	is_set &= SET(easy, CURLOPT_USERAGENT, "aegis/" AEGIS_VERSION);
	is_set &= SET(easy, CURLOPT_CURLU, h->url);
	is_set &= SET(easy, CURLOPT_CONNECTTIMEOUT_MS, h->connect_timeout_ms);
	is_set &= SET(easy, CURLOPT_PROXY, h->proxy);                 /* "": none, whatever the environment says */
	is_set &= SET(easy, CURLOPT_NOPROXY, h->proxy[0] ? "" : "*");
	if (h->ca_file[0])
		is_set &= SET(easy, CURLOPT_CAINFO, h->ca_file) && SET(easy, CURLOPT_CAPATH, NULL);
	is_set &= SET(easy, CURLOPT_OPENSOCKETFUNCTION, sockets_open);
	is_set &= SET(easy, CURLOPT_OPENSOCKETDATA, &h->sockets);
	is_set &= SET(easy, CURLOPT_PREREQFUNCTION, on_prereq);
	is_set &= SET(easy, CURLOPT_HEADERFUNCTION, on_header);
	is_set &= SET(easy, CURLOPT_WRITEFUNCTION, on_body);
	is_set &= SET(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	return is_set;
}

static CURL *handle_take(struct http *h)
{
	if (h->pool_n > 0)
		return h->pool[--h->pool_n];
	CURL *easy = curl_easy_init();
	if (easy && handle_configure(h, easy))
		return easy;
	log_error("http.handle", "why=\"this libcurl lacks an option Aegis needs\"");
	curl_easy_cleanup(easy);
	return NULL;
}

static void handle_give_back(struct http *h, CURL *easy)
{
	if (easy && h->pool_n < ARRAY_LEN(h->pool))
		h->pool[h->pool_n++] = easy;
	else
		curl_easy_cleanup(easy);
}

static bool handle_aim(struct http_request *r)
{
	CURL *easy = r->easy;
	bool has_body = r->content.at != NULL;
	bool is_set = SET(easy, CURLOPT_PREREQDATA, r) && SET(easy, CURLOPT_HEADERDATA, r) && SET(easy, CURLOPT_WRITEDATA, r) &&
	              SET(easy, CURLOPT_XFERINFODATA, r) && SET(easy, CURLOPT_MAXAGE_CONN, r->http->max_idle_s) &&
	              SET(easy, CURLOPT_FRESH_CONNECT, r->is_apart ? 1L : 0L) && SET(easy, CURLOPT_FORBID_REUSE, 0L) &&
	              SET(easy, CURLOPT_HTTPHEADER, http_headers_list(r->headers)) &&
	              SET(easy, CURLOPT_NOPROGRESS, r->content.len >= HTTP_LONG_BODY_BYTES ? 0L : 1L);

	if (has_body)
		is_set = is_set && SET(easy, CURLOPT_POST, 1L) && SET(easy, CURLOPT_POSTFIELDS, r->content.at) &&
		         SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->content.len);
	else
		is_set = is_set && SET(easy, CURLOPT_POSTFIELDS, NULL) && SET(easy, CURLOPT_HTTPGET, 1L);
	return is_set && SET(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

/* ---- a destination ---------------------------------------------------------------------------------------------------- */

static void tell_all(struct loop_timer *t);

static bool url_is_http(CURLU *url)
{
	char *scheme = NULL;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return false;
	bool is_http = strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0;
	curl_free(scheme);
	return is_http;
}

enum err http_new(const struct http_options *o, struct http **out, struct problem *why)
{
	CURLU *url = curl_url();
	CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, o->url, 0) : CURLUE_OUT_OF_MEMORY;

	if (code != CURLUE_OK || !url_is_http(url)) {
		problem_set(why, "the url cannot be used: %s", code ? curl_url_strerror(code) : "neither http nor https");
		curl_url_cleanup(url);
		return ERR_INVALID;
	}
	struct http *h = xcalloc(1, sizeof(*h));
	h->loop = o->loop;
	h->base = url;
	h->url = curl_url_dup(url);
	if (!h->url)
		abort();
	h->ca_file = xstrdup(o->ca_file);
	h->proxy = xstrdup(o->proxy);
	h->connect_timeout_ms = (long)o->connect_timeout_ms;
	h->max_idle_s = HTTP_MAX_IDLE_S;
	list_init(&h->requests);
	list_init(&h->news);
	loop_timer_init(&h->teller, tell_all);
	*out = h;
	return OK;
}

enum err http_move(struct http *h, const char *reference)
{
	char *to = http_url_within(h->base, reference);
	/* In place: handles of libcurl, also those of requests under way, point to h->url. */
	bool is_set = to && curl_url_set(h->url, CURLUPART_URL, to, 0) == CURLUE_OK;

	curl_free(to);
	return is_set ? OK : ERR_INVALID;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	list_for_each(r, &h->requests, struct http_request, node)
		http_cancel(r);
	loop_timer_clear(&h->teller);
	for (size_t i = 0; i < h->pool_n; i++)
		curl_easy_cleanup(h->pool[i]);
	curl_url_cleanup(h->base);
	curl_url_cleanup(h->url);
	sockets_release(&h->sockets);
	free(h->ca_file);
	free(h->proxy);
	free(h);
}

/* ---- the life of a request -------------------------------------------------------------------------------------------- */

static const char *cause_before(CURLcode result)
{
	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST: return "the host name cannot be resolved";
	case CURLE_COULDNT_RESOLVE_PROXY: return "the proxy's host name cannot be resolved";
	case CURLE_COULDNT_CONNECT: return "no connection could be made";
	case CURLE_OPERATION_TIMEDOUT: return "connecting took too long";
	case CURLE_SSL_CACERT_BADFILE: return "the ca_file cannot be read";
	case CURLE_PEER_FAILED_VERIFICATION: return "the server's TLS certificate is not trusted";
	case CURLE_ABORTED_BY_CALLBACK: return "it was held back at the last moment";
	default: return curl_easy_strerror(result);
	}
}

static const char *cause_after(const struct http_request *r)
{
	if (r->is_too_large)
		return "the answer is too large";
	if (r->was_resend_stopped)
		return "the kept-alive connection was closed, and nothing is sent twice";
	switch (r->result) {
	case CURLE_GOT_NOTHING: return "the connection was closed without an answer";
	case CURLE_OPERATION_TIMEDOUT: return "no answer came in time";
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR: return "the connection broke before the end of the answer";
	case CURLE_SEND_ERROR: return "the connection broke while sending";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY: return "the answer is not HTTP";
	default: return curl_easy_strerror(r->result);
	}
}

static struct http_end end_of(const struct http_request *r, bool was_stopped)
{
	if (!r->has_left)
		return (struct http_end){ .outcome = HTTP_NOT_SENT, .has_timed_out = r->result == CURLE_OPERATION_TIMEDOUT,
			.cause = cause_before(r->result) };
	if (r->result == CURLE_OK && !r->is_too_large && !was_stopped)
		return (struct http_end){ .outcome = HTTP_COMPLETE, .cause = "" };
	return (struct http_end){ .outcome = HTTP_CUT, .has_timed_out = r->result == CURLE_OPERATION_TIMEDOUT,
		.is_too_large = r->is_too_large, .was_stopped = was_stopped, .cause = was_stopped ? "" : cause_after(r) };
}

static void request_release(struct http_request *r)
{
	if (!r->is_over)
		loop_transfer_drop(r->http->loop, r->easy);
	loop_timer_clear(&r->timer);
	list_remove(&r->news);
	list_remove(&r->node);
	buf_release(&r->in);
}

/* done may free r or start it anew: only the locals count after it. */
static void request_end(struct http_request *r, bool was_stopped)
{
	struct http *h = r->http;
	struct http_headers *headers = r->headers;
	CURL *easy = r->easy;
	struct http_end end = end_of(r, was_stopped);

	request_release(r);
	r->done(r, &end);
	http_headers_drop(headers);
	handle_give_back(h, easy);
}

void http_cancel(struct http_request *r)
{
	request_release(r);
	http_headers_drop(r->headers);
	handle_give_back(r->http, r->easy);
}

/* A server that says for how long it keeps idle connections ("Keep-Alive: timeout=5") closes them then: we let go before that. */
static void learn_idle_limit(struct http_request *r)
{
	struct span value = http_header(r, "Keep-Alive");
	const char *at = value.at ? strstr(value.at, "timeout=") : NULL;

	if (!at)
		return;
	long s = strtol(at + sizeof("timeout=") - 1, NULL, 10) - 2;
	r->http->max_idle_s = s < 1 ? 1 : s > HTTP_MAX_IDLE_S ? HTTP_MAX_IDLE_S : s;
}

static void tell_head(struct http_request *r)
{
	r->has_told_head = true;
	learn_idle_limit(r);
	r->collected = r->head(r);
	if (!r->collected || r->in.len == 0)
		return;
	if (!buf_append_span(r->collected, buf_span(&r->in))) {
		r->is_too_large = true;
		if (!r->is_over)
			loop_transfer_drop(r->http->loop, r->easy);
		r->is_over = true;
	}
	buf_clear(&r->in);
}

/* Tells the owner all that is new. r may be gone afterwards. */
static void http_tell(struct http_request *r)
{
	enum http_flow flow = HTTP_GO_ON;

	if (r->is_held)
		return;
	if (r->has_left && !r->has_told_left) {
		r->has_told_left = true;
		if (r->left)
			r->left(r);
	}
	if (r->has_head && !r->has_told_head)
		tell_head(r);
	if (r->in.len > 0)
		flow = r->body(r, buf_span(&r->in));
	buf_clear(&r->in);
	r->is_held = flow == HTTP_HOLD;
	if (flow == HTTP_STOP || (r->is_over && !r->is_held)) {
		request_end(r, flow == HTTP_STOP);
	} else if (r->is_choked && !r->is_held) {
		r->is_choked = false;
		(void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
	}
}

static void tell_all(struct loop_timer *t)
{
	struct http *h = container_of(t, struct http, teller);
	struct list round = h->news;

	if (list_is_empty(&h->news))
		return;
	round.next->prev = round.prev->next = &round;
	list_init(&h->news);
	while (!list_is_empty(&round)) {
		struct http_request *r = list_first(&round, struct http_request, news);
		list_remove(&r->news);
		http_tell(r);
	}
}

static void end_transfer(struct http_request *r, CURLcode result)
{
	r->is_over = true;
	r->result = result;
	loop_timer_clear(&r->timer);
}

static void on_transfer_done(void *arg, CURL *easy, CURLcode result)
{
	struct http_request *r = arg;

	if (r->must_start_fresh) {
		r->must_start_fresh = false;
		if (SET(easy, CURLOPT_FRESH_CONNECT, 1L) && loop_transfer_add(r->http->loop, easy, on_transfer_done, r) == OK)
			return;
	}
	end_transfer(r, result);
	http_tell(r);
}

static void on_limit(struct loop_timer *t)
{
	struct http_request *r = container_of(t, struct http_request, timer);

	loop_transfer_drop(r->http->loop, r->easy);
	end_transfer(r, CURLE_OPERATION_TIMEDOUT);
	r->is_held = false;
	http_tell(r);
}

static void request_init(struct http *h, struct http_request *r)
{
	r->http = h;
	(void)http_headers_hold(r->headers);
	r->easy = handle_take(h);
	r->collected = NULL;
	r->header_bytes = 0;
	r->uploaded = 0;
	r->result = CURLE_OK;
	r->has_left = r->has_told_left = r->has_head = r->has_told_head = false;
	r->is_over = r->is_held = r->is_choked = r->is_too_large = false;
	r->must_start_fresh = r->was_resend_stopped = false;
	buf_init(&r->in, 2 * HTTP_MAX_UNREAD_BYTES);
	loop_timer_init(&r->timer, on_limit);
	list_init(&r->news);
	list_append(&h->requests, &r->node);
}

void http_start(struct http *h, struct http_request *r)
{
	request_init(h, r);
	if (r->easy && handle_aim(r) && loop_transfer_add(h->loop, r->easy, on_transfer_done, r) == OK)
		return;
	end_transfer(r, CURLE_FAILED_INIT);
	note_news(r);
}

void http_resume(struct http_request *r)
{
	if (!r->is_held)
		return;
	r->is_held = false;
	note_news(r);
}

void http_limit(struct http_request *r, int64_t in_ms)
{
	loop_timer_set(r->http->loop, &r->timer, in_ms);
}

/* ---- the answer's head ------------------------------------------------------------------------------------------------ */

int http_status(const struct http_request *r)
{
	long status = 0;

	if (r->has_head)
		(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

struct span http_header(const struct http_request *r, const char *name)
{
	struct curl_header *found = NULL;

	if (!r->has_head || curl_easy_header(r->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return (struct span){ 0 };
	return span_of(found->value);
}

bool http_media_type_is(const struct http_request *r, const char *type)
{
	struct span value = http_header(r, "Content-Type");
	size_t n = 0;

	while (n < value.len && value.at[n] != ';' && value.at[n] != ' ' && value.at[n] != '\t')
		n++;
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): an absent header has n = 0, no type is empty */
	return n == strlen(type) && strncasecmp(value.at, type, n) == 0;
}

int64_t http_retry_after_ms(const struct http_request *r)
{
	struct span value = http_header(r, "Retry-After");
	curl_off_t seconds = 0;

	if (!value.at)
		return -1;
	(void)curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0) /* also what libcurl says of one it cannot read */
		return span_is(value, "0") ? 0 : -1;
	return (seconds > HTTP_MAX_RETRY_AFTER_S ? HTTP_MAX_RETRY_AFTER_S : seconds) * 1000;
}
