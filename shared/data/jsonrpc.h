/* jsonrpc - JSON-RPC 2.0 as MCP uses it: what kind of message a line is, and the few messages we say ourselves.
 * Spans point into the line, which must outlive the message. */
#pragma once
#include "data/jsonscan.h"

#define JSONRPC_MAX_ID_BYTES 128
#define JSONRPC_METHOD_SIZE  129

enum jsonrpc_kind { JSONRPC_INVALID, JSONRPC_REQUEST, JSONRPC_NOTIFICATION, JSONRPC_RESULT, JSONRPC_ERROR, JSONRPC_BATCH };

struct jsonrpc {
	enum jsonrpc_kind kind;
	struct json_value root;            /* the array, for a batch */
	struct json_value id;              /* string, integer or (errors only) null as sent; JSON_NONE = absent */
	char method[JSONRPC_METHOD_SIZE];  /* unescaped; "" in responses */
	struct json_value params;          /* object, array or JSON_NONE */
	struct json_value meta, arguments; /* of params; JSON_NONE = absent */
	struct json_value result, error;
	bool is_error_result;              /* the result says "isError": true (tools/call) */
	bool is_input_required;            /* the result says "resultType": "input_required" */
	int code;                          /* JSONRPC_INVALID: -32700 or -32600, and why below */
	char why[120];                     /* a clause for the answer: "duplicate key at byte 17" */
};

/* Scans and classifies. Refuses (JSONRPC_INVALID) whatever jsonscan refuses, keys at this level or in params that differ from a
 * protocol key only by case, "jsonrpc" other than "2.0", ids of other types (fraction, exponent, > 128 bytes), result beside error.
 * For JSONRPC_INVALID id is set when it could still be read without doubt, so that the answer can name it. */
void jsonrpc_read(struct span line, struct jsonrpc *out);
/* The same for one member of a batch, whose bytes were scanned already. */
void jsonrpc_classify(struct json_value root, struct jsonrpc *out);

/* What a message would be of which only the beginning is there: RESULT, ERROR, or REQUEST for whatever has a method. INVALID: it cannot
 * be told. *id: if it stands before that, else JSON_NONE. No more is checked, so this serves only to say more about what is refused anyway. */
enum jsonrpc_kind jsonrpc_guess(struct span beginning, struct json_value *id);

/* Key for a table of ids: the canonical bytes, so that "1" and 1 differ and "\u0031" equals "1". False when it is no id. */
MUST_USE bool jsonrpc_id_key(struct json_value id, struct buf *key);

/* Whole messages, without line end. data and result are JSON bytes; an absent id is written as null. False: cap passed. */
MUST_USE bool jsonrpc_write_error(struct buf *b, struct json_value id, int code, struct span message, struct span data);
MUST_USE bool jsonrpc_write_result(struct buf *b, struct json_value id, struct span result);
/* params may be empty. A request when id is a value, else a notification. */
MUST_USE bool jsonrpc_write_call(struct buf *b, struct json_value id, const char *method, struct span params);
