#include "broker/channels.h"

const struct channel_kind *const channel_kinds[] = {
	&channel_feishu,
	NULL,
};
