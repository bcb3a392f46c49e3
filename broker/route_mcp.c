/* route_mcp - /agents/{}/mcp, where the Go predecessor spoke MCP: what replaces it. Tells nothing of the rules. */
#include <json-c/json.h>
#include "broker/handlers.h"

static bool is_name(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text) && strlen(text) <= 64;
}

/* {"mcpServers":{"aegis":{"command":"aegis-shim","args":["--agent","NAME"]}}} */
static struct json_object *entry_for(const char *agent)
{
	struct json_object *all = json_object_new_object(), *servers = json_object_new_object();
	struct json_object *one = json_object_new_object(), *args = json_object_new_array();

	json_object_array_add(args, json_object_new_string("--agent"));
	json_object_array_add(args, json_object_new_string(agent));
	json_object_object_add(one, "command", json_object_new_string("aegis-shim"));
	json_object_object_add(one, "args", args);
	json_object_object_add(servers, "aegis", one);
	json_object_object_add(all, "mcpServers", servers);
	return all;
}

void route_mcp_gone(struct request *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error", json_object_new_string("Aegis speaks MCP on stdio now, not here: replace this server's entry in mcp.json "
		"(or your client's own file) by the one in mcp_json"));
	json_object_object_add(o, "mcp_json", entry_for(is_name(r->args[0]) ? r->args[0] : "NAME"));
	reply_json(r, 410, o);
}
