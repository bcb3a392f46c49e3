/* websocket - a WebSocket client (RFC 6455) over a connection that libcurl makes (CURLOPT_CONNECT_ONLY): one code path for every libcurl, also
 * those without ws://. Certificates are checked; nothing of the environment counts. Nothing blocks: connecting is a transfer of the loop's
 * multi, then its descriptor is a source of the loop.
 *
 * A ping each 30 s; a peer that says nothing at all for 75 s is given up. Messages up to 1 MiB, text in UTF-8 only. */
#pragma once
#include "base/buf.h"
#include "net/loop.h"

struct websocket;
struct websocket_options {
	struct loop *loop;
	const char *url;                                  /* wss://, may be a secret: never logged */
	bool is_plain_fine;                               /* ws:// too */
	/* All from the loop; the websocket may not be freed in opened and text. */
	void (*opened)(void *arg);
	void (*text)(void *arg, struct span message);
	void (*closed)(void *arg, const char *why);       /* once, the last; a clause, static text. It may be freed here */
	void *arg;
};
/* closed comes later, also when nothing can be tried. */
struct websocket *websocket_new(const struct websocket_options *o);
/* False: it is not open, or the peer does not read. */
MUST_USE bool websocket_send(struct websocket *w, struct span text);
/* Says goodbye if it was open; closed is not called. */
void websocket_free(struct websocket *w);
