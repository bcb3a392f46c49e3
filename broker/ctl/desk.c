#include "broker/ctl/desk.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "broker/ctl/approval_view.h"
#include "broker/ctl/screen.h"
#include "broker/ctl/term.h"
#include "data/jsontext.h"

#define HEAD_LINES  2                    /* above the rows: what this is, and a heading */
#define FOOT_LINES  2                    /* below them: the message, the keys */
#define LINE_MAX_BYTES (64u * 1024)
#define CLEAR_LINE  "\x1b[K"

static void rows_free(struct approval *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		approval_release(&rows[i]);
	free(rows);
}

void desk_release(struct desk *d)
{
	rows_free(d->rows, d->n);
	buf_release(&d->details);
	*d = (struct desk){ 0 };
}

/* ---- which one is meant ---- */
static size_t index_of(const struct desk *d, const char *id)
{
	size_t i = 0;

	while (i < d->n && strcmp(d->rows[i].id, id) != 0)
		i++;
	return i;
}

const struct approval *desk_meant(const struct desk *d)
{
	size_t i = index_of(d, d->meant);

	return i < d->n ? &d->rows[i] : NULL;
}

static void mean(struct desk *d, size_t i)
{
	snprintf(d->meant, sizeof d->meant, "%s", i < d->n ? d->rows[i].id : "");
	d->is_cut = true;                        /* until its row is drawn */
}

bool desk_fill(struct desk *d, struct approval *rows, size_t n)
{
	bool had_none = d->n == 0;

	rows_free(d->rows, d->n);
	d->rows = rows;
	d->n = n;
	if (!d->meant[0] && had_none && n > 0) {
		mean(d, 0);
		return true;
	}
	if (!d->meant[0] || desk_meant(d))
		return false;
	d->meant[0] = '\0';
	d->mode = DESK_LIST;
	if (n > 0 && !d->message[0])
		desk_say(d, "it is not waiting any more; j or k chooses another");
	return true;
}

void desk_resize(struct desk *d, int height, int width)
{
	if (width != d->width)
		d->top = 0;                      /* lines end elsewhere: reading begins anew */
	d->height = height;
	d->width = width;
}

void desk_say(struct desk *d, const char *text)
{
	snprintf(d->message, sizeof d->message, "%s", text);
}

/* ---- lines ---- */
/* Columns are never counted too low: from U+1100 on a character may take two. */
static size_t fit(const char *text, size_t len, size_t columns)
{
	size_t i = 0, used = 0;

	while (i < len) {
		uint32_t code = 0;
		size_t n = utf8_decode(text + i, len - i, &code);
		used += code >= 0x1100 ? 2 : 1;
		if (used > columns)
			return i;
		i += n ? n : 1;
	}
	return i;
}

static size_t columns_of(const struct desk *d)
{
	return d->width > 8 ? (size_t)d->width : 8;
}

/* The next line of the screen from a text: up to its end, or as much as fits. Moves on behind it. */
static struct span next_line(const struct desk *d, struct span *rest)
{
	const char *end = memchr(rest->at, '\n', rest->len);
	size_t whole = end ? (size_t)(end - rest->at) : rest->len;
	size_t n = fit(rest->at, whole, columns_of(d));

	if (n == 0 && whole > 0)
		n = 1;
	struct span line = { rest->at, n };
	size_t step = n == whole && end ? n + 1 : n;
	rest->at += step;
	rest->len -= step;
	return line;
}

static size_t page(const struct desk *d)
{
	int room = d->height - HEAD_LINES - FOOT_LINES;

	return room > 1 ? (size_t)room : 1;
}

static bool put_line(struct buf *b, struct span text)
{
	return buf_append_span(b, text) && buf_append_text(b, CLEAR_LINE "\r\n");
}

static bool put_cut(const struct desk *d, struct buf *b, const char *text)
{
	return put_line(b, (struct span){ text, fit(text, strlen(text), columns_of(d)) });
}

/* ---- the list ---- */
static bool write_row(struct buf *b, const struct approval *a)
{
	return buf_printf(b, "%-10s", a->short_id) && buf_printf(b, "%-9s", a->state == APPROVAL_PENDING ? "" : "approved") &&
	       (a->is_frozen ? buf_append_text(b, "paused") : approval_write_duration(b, a->expires_in_ms)) &&
	       buf_append_text(b, "  ") && term_append(b, span_of(a->agent), TERM_ONE_LINE) && buf_append_text(b, "  ") &&
	       term_append(b, span_of(a->backend), TERM_ONE_LINE) && buf_append_text(b, "  ") &&
	       term_append(b, span_of(a->tool), TERM_ONE_LINE) && buf_append_text(b, "  ") && approval_write_arguments(b, a);
}

static bool draw_row(struct desk *d, struct buf *frame, const struct approval *a)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	bool is_meant = strcmp(a->id, d->meant) == 0;
	size_t room = columns_of(d) - 2;

	buf_init(&line, APPROVAL_VIEW_MAX_BYTES);
	if (!write_row(&line, a))
		return false;
	bool is_cut = fit(line.data, line.len, room) < line.len;
	size_t n = is_cut ? fit(line.data, line.len, room - 3) : line.len;
	if (is_meant)
		d->is_cut = is_cut;
	return buf_append_text(frame, is_meant ? "\x1b[7m> " : "  ") && buf_append(frame, line.data, n) &&
	       buf_append_text(frame, is_cut ? "..." : "") && buf_append_text(frame, CLEAR_LINE "\x1b[0m\r\n");
}

static bool draw_list(struct desk *d, struct buf *frame)
{
	size_t at = index_of(d, d->meant), first = at < d->n && at >= page(d) ? at - page(d) + 1 : 0;
	bool is_whole = put_cut(d, frame, d->n ? "  approval           left  agent  backend  tool  arguments" : "  nobody waits for an approval");

	for (size_t i = first; is_whole && i < d->n && i - first < page(d); i++)
		is_whole = draw_row(d, frame, &d->rows[i]);
	return is_whole;
}

/* ---- details ---- */
static void open_details(struct desk *d)
{
	const struct approval *a = desk_meant(d);

	if (!a)
		return;
	buf_release(&d->details);
	buf_init(&d->details, APPROVAL_VIEW_MAX_BYTES);
	if (!approval_write_details(&d->details, a)) {
		desk_say(d, "it is too large to be shown");
		return;
	}
	d->mode = DESK_DETAILS;
	d->top = 0;
}

static bool draw_details(struct desk *d, struct buf *frame)
{
	struct span rest = buf_span(&d->details);
	size_t end = d->top + page(d), shown = 0;
	bool is_whole = true;
	char where[80];

	for (d->lines = 0; is_whole && rest.len > 0; d->lines++) {
		struct span line = next_line(d, &rest);
		if (d->lines < d->top || d->lines >= end)
			continue;
		shown = d->lines + 1;
		is_whole = put_line(frame, line);
	}
	if (shown == d->lines)
		memcpy(d->read_whole, d->meant, sizeof d->read_whole);
	snprintf(where, sizeof where, "lines %zu to %zu of %zu%s", d->top + 1, shown, d->lines, shown < d->lines ? ", space goes on" : "");
	return is_whole && put_cut(d, frame, where);
}

/* ---- the picture ---- */
static const char *help_of(enum desk_mode mode)
{
	switch (mode) {
	case DESK_LIST:    return "j/k move   v details   a approve   r refuse   q quit";
	case DESK_DETAILS: return "j/k space scroll   a approve   r refuse   q back";
	case DESK_REASON:  return "Enter refuses   Esc goes back";
	}
	return "";
}

static bool draw_message(struct desk *d, struct buf *frame)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, LINE_MAX_BYTES);
	if (d->mode != DESK_REASON)
		return put_cut(d, frame, d->message);
	if (!buf_printf(&line, "why refuse? (optional) %s_", d->reason))
		return false;
	size_t from = 0;
	while (fit(line.data + from, line.len - from, columns_of(d)) < line.len - from)
		from++;                          /* its end is where one writes */
	while (((unsigned char)line.data[from] & 0xc0) == 0x80)
		from++;
	return put_line(frame, (struct span){ line.data + from, line.len - from });
}

bool desk_draw(struct desk *d, struct buf *frame)
{
	char title[80];

	snprintf(title, sizeof title, "aegis approvals: %zu", d->n);
	d->is_cut = true;                        /* unless its row is drawn whole */
	bool is_whole = buf_append_text(frame, "\x1b[H\x1b[1m") && put_cut(d, frame, title) && buf_append_text(frame, "\x1b[0m");
	if (d->mode == DESK_LIST || (d->mode == DESK_REASON && d->before == DESK_LIST))
		is_whole = is_whole && draw_list(d, frame);
	else
		is_whole = is_whole && draw_details(d, frame);
	is_whole = is_whole && buf_printf(frame, "\x1b[J\x1b[%d;1H", d->height > 1 ? d->height - 1 : 1) && draw_message(d, frame);
	const char *help = help_of(d->mode);
	return is_whole && buf_append(frame, help, fit(help, strlen(help), columns_of(d))) && buf_append_text(frame, CLEAR_LINE);
}

/* ---- keys ---- */
static enum desk_wish approve(struct desk *d)
{
	const struct approval *a = desk_meant(d);

	if (!a) {
		desk_say(d, "choose one first: j or k");
	} else if (a->state != APPROVAL_PENDING) {
		desk_say(d, "it is approved already");
	} else if (strcmp(d->read_whole, a->id) == 0 || (d->mode == DESK_LIST && !d->is_cut)) {
		d->mode = DESK_LIST;
		d->reason[0] = '\0';
		return DESK_APPROVE;
	} else {
		desk_say(d, d->mode == DESK_LIST ? "it is cut here: press v and read to the end first"
		                                 : "read to the end first: space goes on");
	}
	return DESK_STAY;
}

static void ask_reason(struct desk *d)
{
	if (!desk_meant(d)) {
		desk_say(d, "choose one first: j or k");
		return;
	}
	d->before = d->mode;
	d->mode = DESK_REASON;
	d->reason_len = 0;
	d->reason[0] = '\0';
}

static void move(struct desk *d, bool is_down)
{
	size_t at = index_of(d, d->meant);

	if (at == d->n)
		mean(d, is_down ? 0 : d->n - 1);
	else if (is_down && at + 1 < d->n)
		mean(d, at + 1);
	else if (!is_down && at > 0)
		mean(d, at - 1);
}

static enum desk_wish key_in_list(struct desk *d, int key)
{
	switch (key) {
	case 'j': case KEY_DOWN: case KEY_PAGE_DOWN: move(d, true); break;
	case 'k': case KEY_UP: case KEY_PAGE_UP: move(d, false); break;
	case 'v': case KEY_ENTER: open_details(d); break;
	case 'a': return approve(d);
	case 'r': ask_reason(d); break;
	case 'q': case KEY_END_OF_INPUT: return DESK_QUIT;
	default: break;
	}
	return DESK_STAY;
}

/* Never past a line that was not on the screen. */
static void scroll(struct desk *d, bool is_down, size_t by)
{
	size_t last = d->lines > page(d) ? d->lines - page(d) : 0;

	if (is_down)
		d->top = d->top + by < last ? d->top + by : last;
	else
		d->top = d->top > by ? d->top - by : 0;
}

static enum desk_wish key_in_details(struct desk *d, int key)
{
	switch (key) {
	case 'j': case KEY_DOWN: case KEY_ENTER: scroll(d, true, 1); break;
	case 'k': case KEY_UP: scroll(d, false, 1); break;
	case ' ': case KEY_PAGE_DOWN: scroll(d, true, page(d)); break;
	case 'b': case KEY_PAGE_UP: scroll(d, false, page(d)); break;
	case 'a': return approve(d);
	case 'r': ask_reason(d); break;
	case 'q': case 'v': case KEY_ESCAPE: d->mode = DESK_LIST; break;
	case KEY_END_OF_INPUT: return DESK_QUIT;
	default: break;
	}
	return DESK_STAY;
}

static void type(struct desk *d, uint32_t code)
{
	char bytes[4];
	size_t n = jsontext_encode(code, bytes);

	if (utf8_is_hidden(code) || d->reason_len + n > DESK_REASON_BYTES)
		return;
	memcpy(d->reason + d->reason_len, bytes, n);
	d->reason_len += n;
	d->reason[d->reason_len] = '\0';
}

static void erase(struct desk *d)
{
	while (d->reason_len > 0 && ((unsigned char)d->reason[--d->reason_len] & 0xc0) == 0x80)
		continue;
	d->reason[d->reason_len] = '\0';
}

static enum desk_wish key_in_reason(struct desk *d, int key)
{
	switch (key) {
	case KEY_ENTER: d->mode = DESK_LIST; return DESK_REJECT;
	case KEY_ESCAPE: d->mode = d->before; break;
	case KEY_ERASE: erase(d); break;
	case KEY_END_OF_INPUT: return DESK_QUIT;
	default:
		if (key < KEY_UP)
			type(d, (uint32_t)key);
		break;
	}
	return DESK_STAY;
}

enum desk_wish desk_key(struct desk *d, int key)
{
	d->message[0] = '\0';
	switch (d->mode) {
	case DESK_LIST:    return key_in_list(d, key);
	case DESK_DETAILS: return key_in_details(d, key);
	case DESK_REASON:  return key_in_reason(d, key);
	}
	return DESK_STAY;
}
