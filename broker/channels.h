/* channels - the kinds of channels there are (channels.c is the table). */
#pragma once
#include "broker/outbox.h"

extern const struct channel_kind channel_feishu;         /* channel_feishu.c */
extern const struct channel_kind channel_generic;        /* channel_generic.c */
extern const struct channel_kind channel_notify;         /* channel_notify.c */
extern const struct channel_kind channel_desktop;        /* channel_desktop.c */
