/* config_form - the forms a text of aegis.yaml may have to take (config_text.h). */
#include <ctype.h>
#include <strings.h>
#include <curl/curl.h>
#include "domain/config_text.h"
#include "domain/pattern.h"

#define NAME_MAX_LENGTH 64
#define LETTERS         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS          "0123456789"

static bool has_controls(const char *text, const char *but)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' || *text == 0x7F) && !strchr(but, *text))
			return true;
	return false;
}

static bool consists_of(const char *text, const char *bytes)
{
	return *text && text[strspn(text, bytes)] == '\0';
}

static bool is_name(const char *text, struct problem *why)
{
	if (strlen(text) > NAME_MAX_LENGTH)
		problem_set(why, "a name has at most %d characters", NAME_MAX_LENGTH);
	else if (!isalnum((unsigned char)text[0]) || !consists_of(text, LETTERS DIGITS "_-"))
		problem_set(why, "%s is no name: letters, digits, _ and - only, a letter or digit first", shown_of(text).text);
	else if (strstr(text, "__"))
		problem_set(why, "a name must not hold __ (it parts backend and tool)");
	else
		return true;
	return false;
}

static bool is_uid(const char *text, struct problem *why)
{
	size_t n = strncmp(text, "uid:", 4) == 0 ? strlen(text + 4) : 0;

	if (n > 0 && n <= 10 && consists_of(text + 4, DIGITS) && strtoll(text + 4, NULL, 10) < UINT32_MAX)
		return true;
	problem_set(why, "expected uid: and a user id, such as uid:1000");
	return false;
}

static bool is_glob(const char *text, struct problem *why)
{
	size_t column = 0;

	if (!*text)
		problem_set(why, "a pattern must not be empty");
	else if (!pattern_is_valid(text, &column))
		problem_set(why, "%s: the [ at character %zu is never closed; a literal [ is written [[]",
			shown_of(text).text, column + 1);
	else
		return true;
	return false;
}

static bool is_path(const char *text, struct problem *why)
{
	if (text[0] != '~')
		return true;
	problem_set(why, "write the whole path: ~ is not expanded");
	return false;
}

static bool url_has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && *text;

	curl_free(text);
	return has;
}

static bool url_parses(CURLU *u, const char *text, unsigned flags)
{
	return !strpbrk(text, " \\") && curl_url_set(u, CURLUPART_URL, text, flags) == CURLUE_OK && url_has_part(u, CURLUPART_HOST);
}

static void curl_url_cleanupp(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* The very parser that will take the URL apart when it is used. Nothing of the URL is repeated: it may hold a token. */
static bool is_url(const char *text, struct problem *why)
{
	CLEANUP(curl_url_cleanupp) CURLU *u = curl_url();

	if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
		problem_set(why, "expected a URL that begins with http:// or https://");
	else if (!url_parses(u, text, 0))
		problem_set(why, "this is no valid URL with a host");
	else if (url_has_part(u, CURLUPART_USER) || url_has_part(u, CURLUPART_PASSWORD))
		problem_set(why, "user and password do not belong into the URL: write headers: { Authorization: { file: PATH } }");
	else
		return true;
	return false;
}

static bool is_proxy(const char *text, struct problem *why)
{
	CLEANUP(curl_url_cleanupp) CURLU *u = curl_url();

	if (!strstr(text, "://") || !url_parses(u, text, CURLU_NON_SUPPORT_SCHEME))
		problem_set(why, "expected the URL of a proxy, such as http://proxy.example.com:3128");
	else if (url_has_part(u, CURLUPART_USER) || url_has_part(u, CURLUPART_PASSWORD))
		problem_set(why, "user and password in the URL of a proxy are not supported");
	else
		return true;
	return false;
}

bool config_text_is_loopback_url(const char *url)
{
	CLEANUP(curl_url_cleanupp) CURLU *u = curl_url();
	char *host = NULL;

	if (!url_parses(u, url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	bool is_number = consists_of(host, DIGITS ".");
	bool is_local = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	                (is_number && strncmp(host, "127.", 4) == 0);
	curl_free(host);
	return is_local;
}

static bool is_address(const char *text, struct problem *why)
{
	const char *colon = strrchr(text, ':');
	size_t host = colon ? (size_t)(colon - text) : 0;
	bool is_bracketed = host > 2 && text[0] == '[' && text[host - 1] == ']';
	bool has_port = colon && consists_of(colon + 1, DIGITS) && strlen(colon + 1) <= 5 && strtol(colon + 1, NULL, 10) <= 65535;

	if (has_port && !strchr(text, ' ') && !strchr(text, '/') && (is_bracketed || memchr(text, ':', host) == NULL))
		return true;
	problem_set(why, "expected host:port, such as 127.0.0.1:18070, [::1]:18070 or :18070");
	return false;
}

static bool is_header(const char *text, struct problem *why)
{
	static const char *const ours[] = { "Content-Type", "Content-Length", "Transfer-Encoding", "Accept", "Host",
		"Connection", "Mcp-Session-Id", "MCP-Protocol-Version" };

	if (!consists_of(text, LETTERS DIGITS "!#$%&'*+-.^_`|~")) { /* token, RFC 9110 section 5.6.2 */
		problem_set(why, "%s is no name of a header", shown_of(text).text);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcasecmp(text, ours[i]) == 0) {
			problem_set(why, "Aegis sets %s itself", ours[i]);
			return false;
		}
	return true;
}

static bool is_variable(const char *text, struct problem *why)
{
	if (consists_of(text, LETTERS DIGITS "_") && !isdigit((unsigned char)text[0]))
		return true;
	problem_set(why, "%s is no name of an environment variable", shown_of(text).text);
	return false;
}

static bool is_repository(const char *text, struct problem *why)
{
	const char *slash = strchr(text, '/');

	if (slash && slash > text && slash[1] && consists_of(slash + 1, LETTERS DIGITS "_.-") &&
		strspn(text, LETTERS DIGITS "_.-") == (size_t)(slash - text))
		return true;
	problem_set(why, "expected owner/name");
	return false;
}

static bool is_credential(const char *text, struct problem *why)
{
	if (consists_of(text, LETTERS DIGITS "_.-") && text[0] != '.')
		return true;
	problem_set(why, "expected the name of a file in $CREDENTIALS_DIRECTORY");
	return false;
}

bool config_text_has_form(enum config_form form, const char *text, struct problem *why)
{
	if (has_controls(text, form == FORM_TEXT ? "\n\t" : "")) {
		problem_set(why, "control characters are not allowed here");
		return false;
	}
	switch (form) {
	case FORM_LINE:
	case FORM_TEXT: return true;
	case FORM_NAME:
	case FORM_BACKEND:
	case FORM_AGENT:
	case FORM_PERSON:
	case FORM_ROOM: return is_name(text, why);
	case FORM_UID: return is_uid(text, why);
	case FORM_GLOB: return is_glob(text, why);
	case FORM_PATH: return is_path(text, why);
	case FORM_URL: return is_url(text, why);
	case FORM_PROXY: return is_proxy(text, why);
	case FORM_ADDRESS: return is_address(text, why);
	case FORM_HEADER: return is_header(text, why);
	case FORM_VARIABLE: return is_variable(text, why);
	case FORM_REPOSITORY: return is_repository(text, why);
	case FORM_CREDENTIAL: return is_credential(text, why);
	}
	return false;
}
