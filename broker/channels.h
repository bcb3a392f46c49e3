/* channels - the kinds of channels there are (channels.c is the table). */
#pragma once
#include "broker/outbox.h"

extern const struct channel_kind channel_feishu;

