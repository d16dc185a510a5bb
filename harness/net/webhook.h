/* A message to a URL, signed according to Standard Webhooks, with retries. The URL may be a secret
 * (those of chat services are), so errors contain only its scheme and host. */
#ifndef HARNESS_NET_WEBHOOK_H
#define HARNESS_NET_WEBHOOK_H

#include <stdint.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

#define WEBHOOK_KEY_BYTES_MIN 16

struct webhook {
	struct strbuf url, key; /* key: empty: not signed */
	char called[160];       /* "https://hooks.example" */
};
/* url, secret: as uri_option() takes them ("@FILE", "env:NAME"); a secret that stands in the
 * command line is refused. secret: NULL: none. "whsec_" before base64 is taken off, and the rest
 * decoded. ERR_USAGE. */
int webhook_open(struct webhook *w, const char *url, const char *secret, struct err *e);
void webhook_release(struct webhook *w); /* {0} is fine */
/* POSTs json. Answers 408, 429, 5xx, and none at all: it is sent again, after first_wait_ms, twice
 * that, and so on, `tries` times in all. The same id says to the receiver that it is the same
 * message. 0: somebody took it (2xx). */
int webhook_send(const struct webhook *w, const char *id, const char *json, unsigned tries,
		 int64_t first_wait_ms, struct err *e);

#endif
