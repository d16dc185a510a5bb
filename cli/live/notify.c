#include "cli/live/notify.h"

#include <stdio.h>

#include "cli/version.h"
#include "reports/live/message.h"

#define TRIES 6
#define FIRST_WAIT_MS 1000 /* then 2, 4, 8 and 16 s */

bool notify_open(struct notify *n, const char *command)
{
	struct err e = ERR_INIT;

	if (!n->url && n->secret) {
		fprintf(stderr, "drtest %s: --webhook-secret needs --webhook\n", command);
		return false;
	}
	if (!n->url || webhook_open(&n->hook, n->url, n->secret, &e) == 0)
		return true;
	fprintf(stderr, "drtest %s: --webhook: %s\n", command, e.text);
	n->url = NULL;
	return false;
}

bool notify_verdict(const struct notify *n, const char *run_dir, const char *scenario, int code)
{
	struct strbuf id = STRBUF_INIT, message = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = 0;

	if (!n->url)
		return true;
	if (run_dir)
		rc = report_message(run_dir, &id, &message, &e);
	else
		report_message_unbegun(scenario, drtest_version, code, clock_wall_ms(), &id,
				       &message);
	if (rc == 0)
		rc = webhook_send(&n->hook, id.buf, message.buf, TRIES, FIRST_WAIT_MS, &e);
	if (rc < 0 && run_dir)
		fprintf(stderr,
			"drtest: the webhook was not delivered: %s (drtest report %s --webhook … "
			"sends it again)\n",
			e.text, run_dir);
	else if (rc < 0)
		fprintf(stderr,
			"drtest: the webhook was not delivered (the run did not start): "
			"%s\n",
			e.text);
	strbuf_release(&id);
	strbuf_release(&message);
	return rc == 0;
}

void notify_close(struct notify *n)
{
	webhook_release(&n->hook);
}
