/* config_form - the forms a text of aegis.yaml may have to take (config_text.h). */
#include <ctype.h>
#include <strings.h>
#include "data/url.h"
#include "domain/config_text.h"
#include "domain/pattern.h"

#define NAME_MAX_LENGTH    64
#define PATTERN_MAX_LENGTH 500 /* as a key in quotes it must stay below the 1024 that YAML allows */
#define LETTERS            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS             "0123456789"
#define HEADER_BYTES       LETTERS DIGITS "!#$%&'*+-.^_`|~" /* token, RFC 9110 section 5.6.2 */

/* Controls (also those of ISO 8859), separators of lines, and what is no character: nobody means them, and not every reader
 * of YAML or JSON gives them back as they were. */
static bool has_controls(const char *text, const char *but)
{
	const unsigned char *c = (const unsigned char *)text;

	for (; *c; c++) {
		if ((*c < ' ' || *c == 0x7F) && !strchr(but, *c))
			return true;
		if (*c == 0xC2 && c[1] < 0xA0)
			return true;
		if (*c == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9))
			return true;
		if (*c == 0xEF && c[1] == 0xBF && c[2] >= 0xBE)
			return true;
	}
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
		problem_set(why,
			"%s is no name: letters, digits, _ and - only, a letter or digit first",
			shown_of(text).text);
	else if (strstr(text, "__"))
		problem_set(why, "a name must not hold __ (it parts backend and tool)");
	else
		return true;
	return false;
}

static bool is_uid(const char *text, struct problem *why)
{
	size_t n = strncmp(text, "uid:", 4) == 0 ? strlen(text + 4) : 0;

	if (n > 0 && n <= 10 && consists_of(text + 4, DIGITS) &&
		strtoll(text + 4, NULL, 10) < UINT32_MAX)
		return true;
	problem_set(why, "expected uid: and a user id, such as uid:1000");
	return false;
}

static bool is_glob(const char *text, struct problem *why)
{
	size_t column = 0;

	if (!*text)
		problem_set(why, "a pattern must not be empty");
	else if (strlen(text) > PATTERN_MAX_LENGTH)
		problem_set(why, "a pattern has at most %d bytes", PATTERN_MAX_LENGTH);
	else if (!pattern_is_valid(text, &column))
		problem_set(why,
			"%s: the [ at character %zu is never closed; a literal [ is written [[]",
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

/* Nothing of a URL is repeated: it may hold a token. */
static bool is_url(const char *text, struct problem *why)
{
	struct url_facts url = url_look(text);

	if (url.has_credentials)
		problem_set(why,
			"user and password do not belong into a URL; a backend has headers: { Authorization: { file: PATH } }");
	else if (!url.is_http)
		problem_set(why,
			"expected a URL such as https://host/path or http://127.0.0.1:9100/mcp");
	else
		return true;
	return false;
}

static bool is_proxy(const char *text, struct problem *why)
{
	struct url_facts url = url_look(text);

	if (url.has_credentials)
		problem_set(why, "user and password in the URL of a proxy are not supported");
	else if (!url.is_valid)
		problem_set(
			why, "expected the URL of a proxy, such as http://proxy.example.com:3128");
	else
		return true;
	return false;
}

static bool is_address(const char *text, struct problem *why)
{
	const char *colon = strrchr(text, ':');
	size_t host = colon ? (size_t)(colon - text) : 0;
	bool is_bracketed = host > 2 && text[0] == '[' && text[host - 1] == ']';
	bool has_port = colon && consists_of(colon + 1, DIGITS) && strlen(colon + 1) <= 5 &&
			strtol(colon + 1, NULL, 10) <= 65535;

	if (has_port && !strchr(text, ' ') && !strchr(text, '/') &&
		(is_bracketed || memchr(text, ':', host) == NULL))
		return true;
	problem_set(why, "expected host:port, such as 127.0.0.1:18070, [::1]:18070 or :18070");
	return false;
}

static bool is_header(const char *text, struct problem *why)
{
	static const char *const ours[] = { "Content-Type", "Content-Length", "Transfer-Encoding",
		"Accept", "Host", "Connection", "Mcp-Session-Id", "MCP-Protocol-Version" };

	if (!consists_of(text, HEADER_BYTES)) {
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
