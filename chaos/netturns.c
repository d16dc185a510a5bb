/* In each flush one connection goes ahead, the others wait with what they would write: when its
 * COMMIT is answered while they wait, a part of a flush is in the database for sure, and the rest
 * of it is not. What is looked at is MySQL's protocol, as a client speaks it that waits for each
 * answer: a packet begins what is read. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "chaos/netproxy_impl.h"
#include "harness/base/clock.h"

#define COM_QUERY 3
#define COM_STMT_EXECUTE 0x17
#define HEAD 5        /* of a packet: its length, its number, the command */
#define LOOKED_AT 100 /* bytes of a statement */
#define MORE_RESULTS 0x0008
/* then the turn is another's, for whom there is something to do; it waits for its own answer longer
 */
#define IDLE_NS 500000000
#define ASKS_NS (20 * (int64_t)IDLE_NS)

static bool begins_a_command(const char *data, size_t n)
{
	return n > HEAD && data[3] == 0;
}

bool turns_is_commit(const char *data, size_t n)
{
	return n >= HEAD + 6 && begins_a_command(data, n) && data[4] == COM_QUERY &&
	       (unsigned char)data[0] == 7 && !data[1] && !data[2] &&
	       !strncasecmp(data + HEAD, "commit", 6);
}

/* A statement that changes rows, after BEGIN; too. */
static bool is_write(const char *data, size_t n)
{
	static const char *const words[] = { "INSERT ", "REPLACE ", "UPDATE ", "DELETE " };
	size_t end = n < HEAD + LOOKED_AT ? n : HEAD + LOOKED_AT;

	if (!begins_a_command(data, n) || data[4] != COM_QUERY)
		return begins_a_command(data, n) && data[4] == COM_STMT_EXECUTE;
	for (size_t at = HEAD; at < end; at++)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (end - at >= strlen(words[i]) &&
			    !strncasecmp(data + at, words[i], strlen(words[i])))
				return true;
	return false;
}

/* Of a text of several statements too: "BEGIN; …; COMMIT;". */
static bool ends_with_commit(const char *data, size_t n)
{
	while (n && (data[n - 1] == ';' || data[n - 1] == ' '))
		n--;
	return n >= 6 && !strncasecmp(data + n - 6, "commit", 6);
}

/* The number that MySQL writes in one to nine bytes: the place behind it. */
static size_t skip_number(const unsigned char *d, size_t at)
{
	return at + (d[at] < 0xfb ? 1 : d[at] == 0xfc ? 3 : d[at] == 0xfd ? 4 : 9);
}

/* The answer to the last statement of a text: an error, or OK without more to come. */
static bool is_last_answer(const char *data, size_t n)
{
	const unsigned char *d = (const unsigned char *)data;
	size_t at = 0, length;

	for (; at + HEAD <= n; at += 4 + length) {
		length = d[at] | (size_t)d[at + 1] << 8 | (size_t)d[at + 2] << 16;
		if (!length || at + 4 + length > n)
			return false;
		if (d[at + 4] == 0xff)
			return true;
		if (d[at + 4] == 0 && length >= 7) {
			size_t status = skip_number(d, skip_number(d, at + 5));

			if (status + 2 <= n && !((d[status] | d[status + 1] << 8) & MORE_RESULTS))
				return true;
		}
	}
	return false;
}

static void count(uint64_t *n, int by)
{
	__atomic_fetch_add(n, (uint64_t)by, __ATOMIC_RELAXED);
}

static void done_alone(struct netproxy *p)
{
	p->alone_commits = false;
	count(&p->stats.alone, 1);
}

static void take_turn(struct conn *c, int64_t now)
{
	struct netproxy *p = c->p;

	p->alone = c;
	p->alone_ns = now;
	p->alone_asks = true;
	p->alone_plain = false;
	if (c->waits) {
		c->waits = false;
		count(&p->stats.waiting, -1);
	}
	p->alone_commits = c->commits && p->stats.waiting;
}

void turns_take(struct conn *c, enum netproxy_dir dir, const char *data, size_t n, int64_t now)
{
	struct netproxy *p = c->p;

	if (dir == NETPROXY_DOWN) {
		if (p->alone != c)
			return;
		p->alone_ns = now;
		p->alone_asks = false;
		if (p->alone_commits && (p->alone_plain || is_last_answer(data, n)))
			done_alone(p);
	} else if (p->alone == c) {
		p->alone_ns = now;
		p->alone_asks = true;
		if (p->stats.waiting && ends_with_commit(data, n)) {
			p->alone_commits = true;
			p->alone_plain = turns_is_commit(data, n);
		}
	} else if (c->waits) {
		c->commits = ends_with_commit(data, n);
	} else if (is_write(data, n)) {
		c->commits = ends_with_commit(data, n);
		if (p->alone) {
			c->waits = true;
			count(&p->stats.waiting, 1);
		} else {
			take_turn(c, now);
		}
	}
}

bool turns_wait(struct conn *c, struct lane *l, int64_t now)
{
	struct netproxy *p = c->p;

	if (!c->waits || l->dir != NETPROXY_UP)
		return false;
	if (!p->alone || now - p->alone_ns >= (p->alone_asks ? ASKS_NS : IDLE_NS)) {
		if (p->alone && p->alone_commits &&
		    !p->alone_asks) /* answered, in no form known here */
			done_alone(p);
		take_turn(c, now);
		return false;
	}
	l->wake_ns = now + IDLE_NS / 2;
	return true;
}

void turns_forget(struct conn *c)
{
	struct netproxy *p = c->p;

	if (c->waits)
		count(&p->stats.waiting, -1);
	c->waits = false;
	if (p->alone == c)
		p->alone = NULL;
}
