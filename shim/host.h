/* host - the MCP client's side of the pipe: bytes of stdin become lines, lines for stdout wait in a queue until the client reads
 * them. Never blocks, whatever the two descriptors are (FIFO, socket, terminal, file). Judges nothing. */
#pragma once
#include "base/buf.h"
#include "net/loop.h"

#define HOST_MAX_LINE_BYTES  (10 * 1024 * 1024)  /* SDK clients drop a connection whose line is longer (TypeScript SDK, stdio.js) */
#define HOST_MAX_QUEUE_BYTES (16 * 1024 * 1024)  /* above this neither client nor backend is read, until the client reads */

enum host_kind { HOST_FIFO, HOST_SOCKET, HOST_FILE, HOST_OTHER };

struct host_events {
	void *arg;
	void (*line)(void *arg, struct span line);   /* without its end; valid during the call */
	bool (*may_take)(void *arg);                 /* false: no line now */
	void (*oversize)(void *arg, size_t cap);     /* a line was longer than the cap and is thrown away */
	void (*ended)(void *arg);                    /* end of input; once */
	void (*gone)(void *arg);                     /* nobody will read our output any more; once */
	void (*drained)(void *arg);                  /* the queue has room again */
};

struct host_end {
	int fd, saved_flags;                         /* flags to put back at release; -1 = not changed */
	enum host_kind kind;
	struct loop_source source;
};

struct host {
	struct loop *loop;
	struct host_events events;
	struct host_end in, out;
	struct buf line;
	size_t scanned, max_line_bytes;
	bool is_discarding, is_reading, is_gone;
	struct list queue;                           /* struct chunk */
	size_t queued_bytes;
	bool was_full;
};

void host_init(struct host *h, struct loop *loop, int in_fd, int out_fd, size_t max_line_bytes, const struct host_events *e);
void host_release(struct host *h);

/* Queues one message, with a line end. text is owned by the host from here on; it must hold no line break. */
void host_send(struct host *h, char *text, size_t n);
void host_flush(struct host *h);                 /* writes what the client takes now */
void host_pump(struct host *h);                  /* hands out lines that waited for room */
void host_stop_reading(struct host *h);
bool host_has_room(const struct host *h);
bool host_is_flushed(const struct host *h);
