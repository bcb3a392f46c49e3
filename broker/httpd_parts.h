/* httpd_parts - what the files of httpd share. Two threads meet here: libmicrohttpd's, on which callbacks of its own run, and the loop's.
 * Whatever both touch is under httpd.lock, which is never held while calling out of httpd. */
#pragma once
#include <microhttpd.h>
#include <pthread.h>
#include "broker/httpd.h"
#include "broker/httpd_guard.h"

/* A connection, from accept to close. */
struct line {
	struct httpd *h;
	int fd;
	char address[64];
	int64_t due_us;                  /* clock_mono_us: cut off then; 0 = never */
	struct httpd_stream *stream;
	struct list node;                /* httpd.lines */
};

enum stage { STAGE_NEW, STAGE_READING, STAGE_WAITING, STAGE_ANSWERED };

/* A request on its way: made and freed by libmicrohttpd's thread; while it is WAITING it is the loop's. */
struct exchange {
	struct httpd *h;
	struct MHD_Connection *connection;
	struct line *line;
	struct inquiry *inquiry;         /* until it was handed over */
	struct MHD_Response *response;
	unsigned status;
	enum stage stage;
	bool has_plain_target, is_told;  /* is_told: the handler has it */
	struct framing framing;
	size_t big_bytes;                /* of httpd.big_bytes */
	struct list node;                /* httpd.waiting */
};

/* What the handler has of it: outlives the exchange when the server ends first. */
struct inquiry {
	struct httpd_request request;
	struct exchange *exchange;       /* NULL: the server has ended */
	struct buf body;
	char *path, *method;
};

struct httpd_stream {
	struct httpd *h;
	struct httpd_stream_options o;
	struct MHD_Connection *connection;       /* NULL: libmicrohttpd is done with it */
	struct line *line;
	struct buf bytes;                        /* not taken by libmicrohttpd yet */
	int64_t stuck_since_us;                  /* bytes wait since then; 0 = none do */
	bool is_asleep, is_ending, is_cut;       /* is_asleep: its connection is suspended */
	bool is_disowned;                        /* httpd_stream_close was called */
	struct list node;                        /* httpd.streams */
};

struct httpd {
	struct httpd_options o;
	struct MHD_Daemon *daemon;
	struct loop_source source;
	struct loop_timer timer;         /* while there are lines */
	int bell[2];
	pthread_mutex_t lock;            /* all below, lines, streams, and stage of what waits */
	struct list waiting, lines, streams;
	size_t big_bytes;                /* of HTTPD_BIG_BODIES, in use */
	size_t streams_n, told_n;
	bool is_closing;
};

/* Any thread. The loop looks what there is to do. */
void httpd_ring(struct httpd *h);
/* httpd_answer with a response that is taken over; NULL: the connection is closed. */
void httpd_answer_with(struct httpd_request *r, unsigned status, struct MHD_Response *response);

/* ---- httpd_line.c: libmicrohttpd's thread ---- */
enum MHD_Result line_may_come(void *arg, const struct sockaddr *from, socklen_t size);
void line_note(void *arg, struct MHD_Connection *connection, void **line, enum MHD_ConnectionNotificationCode what);
enum line_limit { LIMIT_NONE, LIMIT_READ, LIMIT_WRITE };
void line_limit(struct line *l, enum line_limit limit);  /* from now; l may be NULL */
void line_limit_locked(struct line *l, enum line_limit limit);
void line_write_address(const struct sockaddr *at, socklen_t size, char *out, size_t out_size);
/* ---- the loop's ---- */
void line_sweep(struct httpd *h);                        /* cuts off who is too slow, sees who went away */
void line_watch(struct httpd *h);                        /* lets line_sweep come while there are lines */

/* ---- httpd_stream.c: the loop's thread ---- */
void stream_tell(struct httpd *h);                       /* closed, to whom it concerns */
void stream_end_all(struct httpd *h);                    /* is_closing was set */
void stream_cut(struct httpd_stream *s);                 /* under the lock */
