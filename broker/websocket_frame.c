#include "broker/websocket_frame.h"
#include <assert.h>
#include <openssl/evp.h>
#include <strings.h>
#include "base/base64.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

/* ---- frames ------------------------------------------------------------------------------------------------------------------------- */

static bool is_control(unsigned opcode)
{
	return opcode >= WEBSOCKET_CLOSE;
}

static bool is_known(unsigned opcode)
{
	return opcode <= WEBSOCKET_BINARY || (is_control(opcode) && opcode <= WEBSOCKET_PONG);
}

static enum websocket_reading broken(const char **why, const char *clause)
{
	*why = clause;
	return WEBSOCKET_BROKEN;
}

/* The extended length of n bytes. */
static uint64_t read_number(const unsigned char *at, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | at[i];
	return value;
}

static const char *head_fault(const unsigned char *at)
{
	unsigned opcode = at[0] & 0x0fu, length = at[1] & 0x7fu;

	if (at[0] & 0x70)
		return "a frame uses an extension nobody agreed on";
	if (!is_known(opcode))
		return "a frame has an unknown opcode";
	if (at[1] & 0x80)
		return "a server's frame is masked";
	if (is_control(opcode) && (!(at[0] & 0x80) || length > WEBSOCKET_MAX_CONTROL))
		return "a control frame is too long or in pieces";
	return NULL;
}

enum websocket_reading websocket_frame_read(struct span bytes, struct websocket_frame *out, const char **why)
{
	const unsigned char *at = (const unsigned char *)bytes.at;

	if (bytes.len < 2)
		return WEBSOCKET_PARTIAL;
	const char *fault = head_fault(at);
	if (fault)
		return broken(why, fault);
	uint64_t length = at[1] & 0x7fu;
	size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
	if (bytes.len < 2 + extra)
		return WEBSOCKET_PARTIAL;
	if (extra) {
		length = read_number(at + 2, extra);
		if (length < 126 || (extra == 8 && length <= 0xffff))
			return broken(why, "a frame's length is not written in the shortest way");
	}
	if (length > WEBSOCKET_MAX_FRAME)
		return broken(why, "a frame is larger than 1 MiB");
	if (bytes.len - 2 - extra < length)
		return WEBSOCKET_PARTIAL;
	*out = (struct websocket_frame){
		.opcode = (enum websocket_opcode)(at[0] & 0x0f),
		.is_final = at[0] & 0x80,
		.payload = { bytes.at + 2 + extra, (size_t)length },
		.size = 2 + extra + (size_t)length,
	};
	return WEBSOCKET_WHOLE;
}

bool websocket_frame_write(struct buf *out, enum websocket_opcode opcode, struct span payload, const uint8_t mask[4])
{
	unsigned char head[14] = { (unsigned char)(0x80 | (unsigned)opcode) };
	size_t extra = payload.len <= 125 ? 0 : payload.len <= 0xffff ? 2 : 8;

	head[1] = (unsigned char)(0x80 | (extra == 0 ? payload.len : extra == 2 ? 126 : 127));
	for (size_t i = 0; i < extra; i++)
		head[2 + i] = (unsigned char)((uint64_t)payload.len >> (8 * (extra - 1 - i)));
	memcpy(head + 2 + extra, mask, 4);
	size_t head_size = 2 + extra + 4;
	char *at = buf_reserve(out, head_size + payload.len);
	if (!at)
		return false;
	memcpy(at, head, head_size);
	for (size_t i = 0; i < payload.len; i++)
		at[head_size + i] = (char)((unsigned char)payload.at[i] ^ mask[i % 4]);
	buf_added(out, head_size + payload.len);
	return true;
}

/* ---- handshake ------------------------------------------------------------------------------------------------------------------------ */

static void encode(const void *bytes, size_t n, char *out, size_t size)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 64);
	bool is_whole = base64_append(&b, (struct span){ bytes, n });
	assert(is_whole && b.len < size);
	(void)snprintf(out, size, "%s", b.data ? b.data : "");
}

void websocket_key(const uint8_t random[16], char out[WEBSOCKET_KEY_SIZE])
{
	encode(random, 16, out, WEBSOCKET_KEY_SIZE);
}

void websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_SIZE])
{
	char text[WEBSOCKET_KEY_SIZE + sizeof GUID];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	(void)snprintf(text, sizeof text, "%s" GUID, key);
	int is_made = EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);
	encode(digest, is_made ? n : 0, out, WEBSOCKET_ACCEPT_SIZE); /* a libcrypto without SHA-1: nothing fits then */
}

/* What an answer said, as far as it counts (RFC 6455 4.1). */
struct answer {
	unsigned upgrades, connections, accepts;
	bool is_upgrade, is_connection, is_accept, has_more;
};

static struct span trimmed(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool is_word(struct span s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

static bool has_token(struct span list, const char *word)
{
	while (list.len > 0) {
		const char *comma = memchr(list.at, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.at) : list.len;
		if (is_word(trimmed((struct span){ list.at, n }), word))
			return true;
		list.at += comma ? n + 1 : n;
		list.len -= comma ? n + 1 : n;
	}
	return false;
}

static void note(struct answer *a, struct span name, struct span value, const char *accept)
{
	if (is_word(name, "Upgrade")) {
		a->upgrades++;
		a->is_upgrade = is_word(value, "websocket");
	} else if (is_word(name, "Connection")) {
		a->connections++;
		a->is_connection |= has_token(value, "Upgrade");
	} else if (is_word(name, "Sec-WebSocket-Accept")) {
		a->accepts++;
		a->is_accept = span_is(value, accept);
	} else if (is_word(name, "Sec-WebSocket-Extensions") || is_word(name, "Sec-WebSocket-Protocol")) {
		a->has_more = true; /* we asked for none */
	}
}

/* Each line of head, which ends with an empty one. False: one is no header. */
static bool note_lines(struct span head, const char *accept, struct answer *a)
{
	while (head.at && head.len > 2) {
		const char *end = memmem(head.at, head.len, "\r\n", 2);
		struct span line = { head.at, (size_t)(end - head.at) };
		const char *colon = memchr(line.at, ':', line.len);
		if (!colon || colon == line.at)
			return false;
		size_t n = (size_t)(colon - line.at);
		note(a, (struct span){ line.at, n }, trimmed((struct span){ colon + 1, line.len - n - 1 }), accept);
		head.at += line.len + 2;
		head.len -= line.len + 2;
	}
	return true;
}

enum websocket_reading websocket_answer_read(struct span bytes, const char *key, size_t *size, const char **why)
{
	static const char wanted[] = "HTTP/1.1 101";
	const char *end = bytes.at ? memmem(bytes.at, bytes.len, "\r\n\r\n", 4) : NULL;
	char accept[WEBSOCKET_ACCEPT_SIZE];
	struct answer a = { 0 };

	if (!end)
		return bytes.len > WEBSOCKET_MAX_HEAD ? broken(why, "its answer to the upgrade has no end") : WEBSOCKET_PARTIAL;
	if (bytes.len < sizeof wanted || memcmp(bytes.at, wanted, sizeof wanted - 1) != 0 ||
	    (bytes.at[sizeof wanted - 1] != ' ' && bytes.at[sizeof wanted - 1] != '\r'))
		return broken(why, "it does not take the upgrade to WebSocket");
	*size = (size_t)(end - bytes.at) + 4;
	size_t first = (size_t)((const char *)memmem(bytes.at, *size, "\r\n", 2) - bytes.at) + 2;
	websocket_accept(key, accept);
	if (!note_lines((struct span){ bytes.at + first, *size - first }, accept, &a))
		return broken(why, "its answer to the upgrade is not HTTP");
	if (a.upgrades != 1 || !a.is_upgrade || !a.is_connection || a.accepts != 1 || !a.is_accept || a.has_more)
		return broken(why, "its answer to the upgrade is not WebSocket's");
	return WEBSOCKET_WHOLE;
}
