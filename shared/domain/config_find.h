/* config_find - where the rules come from, with the place of the system's file as an argument for tests. */
#pragma once
#include "domain/config.h"

#define CONFIG_SYSTEM_PATH "/etc/aegis/aegis.yaml"

/* config_find with another system file. */
MUST_USE enum err config_find_beside(const char *system_path, const char *given, char **out, struct problem *why);
