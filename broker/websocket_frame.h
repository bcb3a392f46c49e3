/* websocket_frame - the bytes of RFC 6455 as a client sees them: handshake, frames. Pure: masks and keys come in. */
#pragma once
#include <stdint.h>
#include "base/buf.h"

#define WEBSOCKET_MAX_FRAME   ((size_t)1024 * 1024)      /* of a payload, and of a whole message */
#define WEBSOCKET_MAX_CONTROL 125                        /* RFC 6455 5.5 */
#define WEBSOCKET_MAX_HEAD    (16 * 1024)                /* of the answer to the upgrade */
#define WEBSOCKET_KEY_SIZE    25
#define WEBSOCKET_ACCEPT_SIZE 29

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0, WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2, WEBSOCKET_CLOSE = 8, WEBSOCKET_PING = 9, WEBSOCKET_PONG = 10,
};
struct websocket_frame {
	enum websocket_opcode opcode;
	bool is_final;
	struct span payload;             /* borrowed of the bytes read */
	size_t size;                     /* of the frame, head included */
};
enum websocket_reading { WEBSOCKET_WHOLE, WEBSOCKET_PARTIAL, WEBSOCKET_BROKEN };

/* The frame at the start of bytes, as a server must send it: unmasked, no extension, shortest length. BROKEN: *why is a clause. */
enum websocket_reading websocket_frame_read(struct span bytes, struct websocket_frame *out, const char **why);
/* One whole frame from a client. False: out's cap. */
MUST_USE bool websocket_frame_write(struct buf *out, enum websocket_opcode opcode, struct span payload, const uint8_t mask[4]);

void websocket_key(const uint8_t random[16], char out[WEBSOCKET_KEY_SIZE]);
void websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_SIZE]);
/* The answer to our upgrade, at the start of bytes. PARTIAL: more is needed. WHOLE: *size bytes were it. BROKEN: *why. */
enum websocket_reading websocket_answer_read(struct span bytes, const char *key, size_t *size, const char **why);
