#include "broker/channels.h"
#include "broker/channel_feishu.h"
#include "broker/channel_slack.h"

const struct channel_kind *const channel_kinds[] = {
	&channel_slack,
	&channel_feishu,
	&channel_generic,
	&channel_notify,
	&channel_desktop,
	NULL,
};
