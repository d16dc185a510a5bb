/* --webhook URI and --webhook-secret URI: delivers the verdict as a webhook. */
#ifndef CLI_LIVE_NOTIFY_H
#define CLI_LIVE_NOTIFY_H

#include "harness/net/webhook.h"

struct notify {
	const char *url, *secret; /* as given; url NULL: nobody is told */
	struct webhook hook;
};
/* For a command's table of options; AT(member) has to be there. */
#define NOTIFY_OPTIONS(member)                                                                    \
	{ "webhook", OPTION_TEXT, "URL",                                                          \
	  "send the verdict as JSON to this address, with retries: https://…, @FILE or env:NAME", \
	  AT(member.url) },                                                                       \
	{                                                                                         \
		"webhook-secret", OPTION_TEXT, "@FILE",                                           \
			"sign it (Standard Webhooks) with this secret: @FILE or env:NAME",        \
			AT(member.secret)                                                         \
	}
/* Reads both, before anything is done. false: wrong, and the line is printed. */
bool notify_open(struct notify *n, const char *command);
/* Tells of a run. A message that nobody took is told on stderr, with the way to send it again, and
 * changes no exit code. false: that happened. run_dir NULL: the run of `scenario` did not begin. */
bool notify_verdict(const struct notify *n, const char *run_dir, const char *scenario, int code);
void notify_close(struct notify *n);

#endif
