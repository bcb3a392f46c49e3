/* handlers - the functions behind the rows of routes.c. Each is said more of at its row and in its file. */
#pragma once
#include "broker/routes.h"

route_fn route_feishu;                           /* route_feishu.c */
route_fn route_mcp_gone;                         /* route_mcp.c */
