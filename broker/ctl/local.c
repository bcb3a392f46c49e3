#include "broker/ctl/local.h"
#include <curl/curl.h>
#include <errno.h>
#include <sys/stat.h>
#include "base/xalloc.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "store/presence.h"

#define CONNECT_MS   2000L
#define MAX_SENTENCE 4096

struct asking {
	CURL *easy;
	struct curl_slist *headers;
	const struct local_request *request;
	struct local_answer *answer;
	bool is_too_large, has_enough;
};

static void asking_release(struct asking *a)
{
	curl_easy_cleanup(a->easy);
	curl_slist_free_all(a->headers);
}

void local_answer_release(struct local_answer *a)
{
	buf_release(&a->body);
	*a = (struct local_answer){ 0 };
}

static void note_head(struct asking *a)
{
	const char *type = NULL;
	long status = 0;

	(void)curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(a->easy, CURLINFO_CONTENT_TYPE, &type);
	a->answer->status = (int)status;
	snprintf(a->answer->type, sizeof a->answer->type, "%s", type ? type : "");
}

static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
	struct asking *a = arg;
	struct span got = { bytes, size * n };

	note_head(a);
	if (a->request->take)
		a->has_enough = !a->request->take(a->request->arg, got);
	else
		a->is_too_large = !buf_append_span(&a->answer->body, got);
	return a->is_too_large || a->has_enough ? CURL_WRITEFUNC_ERROR : got.len;
}

static bool add_header(struct asking *a, const char *line)
{
	struct curl_slist *longer = curl_slist_append(a->headers, line);

	if (longer)
		a->headers = longer;
	return longer != NULL;
}

static bool has_body(const struct local_request *r)
{
	return r->body.at || strcmp(r->method, "POST") == 0;
}

static bool set_headers(struct asking *a)
{
	const struct local_request *r = a->request;
	bool fits = add_header(a, "Expect:") && (!has_body(r) || add_header(a, "Content-Type: application/json"));

	for (const char *const *h = r->headers; fits && h && *h; h++)
		fits = add_header(a, *h);
	return fits && curl_easy_setopt(a->easy, CURLOPT_HTTPHEADER, a->headers) == CURLE_OK;
}

static bool set_body(struct asking *a)
{
	const struct local_request *r = a->request;

	if (strcmp(r->method, "HEAD") == 0)
		return curl_easy_setopt(a->easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	return !has_body(r) || (curl_easy_setopt(a->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len) == CURLE_OK &&
	                        curl_easy_setopt(a->easy, CURLOPT_POSTFIELDS, r->body.at ? r->body.at : "") == CURLE_OK);
}

static bool set_options(struct asking *a, const char *socket)
{
	const struct local_request *r = a->request;
	CLEANUP(free_charp) char *url = xasprintf("http://localhost%s", r->path);
	long limit_ms = r->limit_ms < 0 ? 0 : r->limit_ms ? (long)r->limit_ms : LOCAL_LIMIT_MS;
	CURL *c = a->easy;

	return c && curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK && curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, limit_ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEDATA, a) == CURLE_OK &&
	       set_body(a) && curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK && set_headers(a);
}

static enum err judge(const struct asking *a, CURLcode result, const char *socket, struct problem *why)
{
	long number = 0;

	(void)curl_easy_getinfo(a->easy, CURLINFO_OS_ERRNO, &number);
	if (result == CURLE_OK || a->has_enough)
		return OK;
	if (a->is_too_large) {
		problem_set(why, "the broker's answer is larger than %u MiB", LOCAL_MAX_ANSWER >> 20);
		return ERR_TOO_LARGE;
	}
	if (result == CURLE_COULDNT_CONNECT && (number == EACCES || number == EPERM)) {
		problem_set(why, "%s: you may not speak to the broker", socket);
		return ERR_PERMISSION;
	}
	if (result == CURLE_COULDNT_CONNECT) {
		problem_set(why, "no broker listens at %s", socket);
		return ERR_NOT_FOUND;
	}
	if (result == CURLE_OPERATION_TIMEDOUT) {
		problem_set(why, "the broker at %s does not answer; is it stopped?", socket);
		return ERR_UNSUPPORTED;
	}
	problem_set(why, "the broker at %s gave no whole answer: %s", socket, curl_easy_strerror(result));
	return ERR_IO;
}

static enum err find_socket(const struct place *p, char **out, struct problem *why)
{
	struct stat st;

	if (stat(p->state_dir, &st) != 0 && errno == ENOENT) {
		problem_set(why, "no broker runs: there is no state folder %s", p->state_dir);
		return ERR_NOT_FOUND;
	}
	enum err e = presence_admin_socket(p->config, p->state_dir, out);
	if (e != OK)
		problem_set(why, "where the broker of %s listens cannot be told: %s", p->state_dir, err_text(e));
	return e;
}

enum err local_ask(const struct place *p, const struct local_request *r, struct local_answer *out, struct problem *why)
{
	struct asking a CLEANUP(asking_release) = { .request = r, .answer = out };
	CLEANUP(free_charp) char *socket = NULL;

	*out = (struct local_answer){ 0 };
	buf_init(&out->body, LOCAL_MAX_ANSWER);
	enum err e = find_socket(p, &socket, why);
	if (e != OK)
		return e;
	a.easy = curl_easy_init();
	if (r->path[0] != '/' || !set_options(&a, socket)) {
		problem_set(why, "'%s' cannot be asked for", r->path);
		return ERR_INVALID;
	}
	CURLcode result = curl_easy_perform(a.easy);
	note_head(&a);
	return judge(&a, result, socket, why);
}

char *local_error(const struct local_answer *a)
{
	struct json_value root;

	if (jsonscan_check(buf_span(&a->body), &root, NULL) == JSONSCAN_OK) {
		CLEANUP(free_charp) char *said = json_text(json_get(root, "error"), MAX_SENTENCE);
		if (said)
			return term_text(said);
	}
	return xasprintf("the broker answered with status %d", a->status);
}
