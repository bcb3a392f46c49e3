/* era - the two eras of MCP: the older revisions with a handshake and a session, and the stateless ones from 2026-07-28 on, in which every
 * request carries its own envelope in params._meta (MCP 2026-07-28, basic/versioning). Pure. */
#pragma once
#include "data/jsonrpc.h"

enum era { ERA_UNKNOWN, ERA_LEGACY, ERA_MODERN };

#define ERA_MODERN_REVISION  "2026-07-28"
#define ERA_META             "io.modelcontextprotocol/"
#define ERA_META_VERSION     ERA_META "protocolVersion"
#define ERA_META_CLIENT      ERA_META "clientInfo"
#define ERA_META_CAN         ERA_META "clientCapabilities"
#define ERA_META_LOG_LEVEL   ERA_META "logLevel"
#define ERA_META_SERVER      ERA_META "serverInfo"
#define ERA_META_SUBSCRIPTION ERA_META "subscriptionId"

#define ERA_HEADER_MISMATCH  (-32020)
#define ERA_UNSUPPORTED      (-32022)

/* The revision a request or notification names in its own envelope, as it stands there: a string of a modern revision; else JSON_NONE.
 * Revisions are dates, so a later one is one that sorts behind. */
struct json_value era_claim(const struct jsonrpc *m);

/* What the answer to server/discover, or to an initialize without envelope, says of the backend. MODERN: it serves ERA_MODERN_REVISION.
 * LEGACY: it is no modern answer, or names other revisions only. */
enum era era_of_discover(const struct jsonrpc *answer);

/* An answer to initialize that a server of the modern era may have given: worth asking server/discover. */
bool era_may_be_modern(const struct jsonrpc *opened);
