/* Two throwaway servers with a changefeed between them, for the tests of harness/feed: one pair a
 * test program, its feeds one after the other. A test program's own executable is the feed's
 * process too: its main() calls feed_pair_main(), as `drtest feed` reads its options from standard
 * input. Functions here fail the test themselves. */
#ifndef TESTS_INTEGRATION_FEED_PAIR_H
#define TESTS_INTEGRATION_FEED_PAIR_H

#include "harness/feed/feed.h"
#include "tests/integration/mariadb_server.h"

extern struct test_server *primary, *secondary;
extern struct sql *p, *s;    /* a connection to each */
extern char *dir, *map_path; /* the pair's own folder; the samples of the primary's position */

#define SQL(c, ...)                                    \
	do {                                           \
		struct err e_ = ERR_INIT;              \
		if (sql_exec(c, &e_, __VA_ARGS__) < 0) \
			fail_msg("%s", e_.text);       \
	} while (0)

/* What a machine with little time to spare may need between two signs of life. */
#define STILL_MS 180000

void must(int rc, const struct err *e);
uint64_t number(struct sql *c, const char *query);
uint64_t primary_seq(void);
tso_t primary_ts(void); /* the TSO of everything that is committed now */
/* both servers without database d's tables, nothing at work; the position of that */
tso_t fresh(void);

struct feed_opts options(void); /* of another feed: its own id, log and status */
char *redo_dir(void);           /* of the last options() */
char *log_path(void);
struct feed *start(const struct feed_opts *o);
struct feed_status caught_up(struct feed *f); /* waits as long as anything moves */
struct err feed_ends(struct feed *f);         /* the feed ends by itself: its error; f is freed */
void has_read(struct feed *f, uint64_t transactions); /* waits: since its start */
/* waits as long as anything moves; false: it stands still */
bool resolved_goes_to(struct feed *f, tso_t ts);
void resolved_reaches(struct feed *f, tso_t ts);
void log_says(const char *text); /* waits: the last feed's log */
void kill_feed(struct feed *f);
void stop(struct feed *f);
struct feed_status stop_told(struct feed *f); /* and what it said last */

void table_equal(const char *db, const char *table);
void all_equal(void); /* the tables of database d and their rows */

int feed_pair_setup(void **unused);
int feed_pair_teardown(void **unused);
/* From main(): runs the feed when the arguments say so (then *code is the exit code), else takes a
 * test filter. */
bool feed_pair_main(int argc, char **argv, int *code);

#endif
