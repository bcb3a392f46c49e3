#include "shim/merge_names.h"
#include "base/id.h"
#include "data/secret.h"

#define SEPARATOR  "__"
#define SCHEME     "aegis:"
#define UI         "ui://"               /* MCP apps (extension io.modelcontextprotocol/ui): whatever else begins a URI is no page */
#define UI_SCHEME  UI "aegis."
#define HASH_BYTES 4
#define TAIL_BYTES (1 + 2 * HASH_BYTES)  /* _ and the hash in hex */
#define HEAD_BYTES 8                     /* with less of the name left, cutting it helps nobody */
#define UTF8_SLACK 3                     /* a cut may end before its last byte, so that it ends between two characters */

/* ---- names ------------------------------------------------------------------------------------------------------------------- */
static bool is_inside_character(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

static bool write_cut(struct span name, size_t head, struct buf *out)
{
	struct hash h;
	uint8_t digest[32];
	char hex[2 * HASH_BYTES + 1];

	while (head > 0 && is_inside_character(name.at[head]))
		head--;
	hash_init(&h);
	hash_add(&h, name.at, name.len);
	hash_done(&h, digest);
	hex_encode(hex, digest, HASH_BYTES);
	return buf_append(out, name.at, head) && buf_append_char(out, '_') && buf_append_text(out, hex);
}

bool merge_name_write(const char *backend, struct span name, struct buf *out)
{
	size_t before = strlen(backend) + strlen(SEPARATOR);

	if (!buf_append_text(out, backend) || !buf_append_text(out, SEPARATOR))
		return false;
	if (before + name.len <= MERGE_NAME_BYTES || before + HEAD_BYTES + TAIL_BYTES > MERGE_NAME_BYTES)
		return buf_append_span(out, name);
	return write_cut(name, MERGE_NAME_BYTES - before - TAIL_BYTES, out);
}

bool merge_name_split(struct span shown, const char *backend, struct span *name)
{
	size_t n = strlen(backend), before = n + strlen(SEPARATOR);

	if (shown.len <= before || memcmp(shown.at, backend, n) != 0 || memcmp(shown.at + n, SEPARATOR, strlen(SEPARATOR)) != 0)
		return false;
	*name = (struct span){ shown.at + before, shown.len - before };
	return true;
}

bool merge_name_may_be_cut(struct span shown, struct span name)
{
	if (shown.len > MERGE_NAME_BYTES || shown.len < MERGE_NAME_BYTES - UTF8_SLACK || name.len <= TAIL_BYTES)
		return false;
	for (size_t i = name.len - TAIL_BYTES + 1; i < name.len; i++)
		if (!strchr("0123456789abcdef", name.at[i]))
			return false;
	return name.at[name.len - TAIL_BYTES] == '_';
}

/* a and a_: a's tool _x and a_'s tool x are both a___x. */
bool merge_names_clash(const char *backend, const char *other)
{
	size_t n = strlen(backend);

	return strncmp(backend, other, n) == 0 && (other[n] == '\0' || (other[n] == '_' && other[n + 1] == '\0'));
}

/* ---- URIs --------------------------------------------------------------------------------------------------------------------- */
static bool begins_with(struct span s, const char *text)
{
	size_t n = strlen(text);
	return s.len >= n && memcmp(s.at, text, n) == 0;
}

bool merge_uri_write(const char *backend, struct span uri, struct buf *out)
{
	return buf_append_text(out, begins_with(uri, UI) ? UI_SCHEME : SCHEME) && buf_append_text(out, backend) && buf_append_char(out, '/') &&
	       buf_append_span(out, uri);
}

bool merge_uri_split(struct span shown, struct span *backend, struct span *uri)
{
	bool is_ui = begins_with(shown, UI_SCHEME);
	size_t n = is_ui ? strlen(UI_SCHEME) : strlen(SCHEME);
	const char *slash;

	if (!(is_ui || begins_with(shown, SCHEME)) || !(slash = memchr(shown.at + n, '/', shown.len - n)))
		return false;
	*backend = (struct span){ shown.at + n, (size_t)(slash - shown.at) - n };
	*uri = (struct span){ slash + 1, shown.len - (size_t)(slash + 1 - shown.at) };
	return is_ui == begins_with(*uri, UI);
}
