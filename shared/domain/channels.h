/* channels - where people are told of an approval, as the rules say. Pure. */
#pragma once
#include "domain/config.h"

#define CHANNELS_MAX 4

/* Do the rules say where this one (slack | feishu | generic | notify) sends to? */
bool channel_is_configured(const struct config_approval *a, const char *channel);

/* Names of those that are told, each once, static text: approval.channels in its order, else all that are configured; where none is and the
 * mode is cooperative: "desktop". Returns how many. */
size_t channels_of(const struct config *c, const char *out[CHANNELS_MAX]);
