#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "workloads/outcome.h"

static void what_servers_answer_is_told_apart(void **state)
{
	static const struct {
		int code;
		const char *text;
		enum failure is;
	} t[] = {
		{ 2013, "Lost connection to MySQL server during query", FAILURE_LOST },
		{ 1927, "Connection was killed", FAILURE_LOST },
		{ 1213, "Deadlock found", FAILURE_CONFLICT },
		{ 9007, "Write conflict", FAILURE_CONFLICT },
		{ 1205, "Lock wait timeout", FAILURE_CONFLICT },
		{ 1836, "Running in read-only mode", FAILURE_REFUSED },
		{ 1290,
		  "The MariaDB server is running with the --read-only option so it cannot execute this statement",
		  FAILURE_REFUSED },
		{ 1290,
		  "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
		  FAILURE_REFUSED },
		{ 1290,
		  "The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement",
		  FAILURE_OTHER },
		{ 1105,
		  "tikv aborts txn: Error(Txn(Error(Mvcc(Error(PessimisticLockNotFound { start_ts: TimeStamp(1), key: [116], reason: LockTsMismatch })))))",
		  FAILURE_AWAY },
		{ 1105, "unknown column type", FAILURE_OTHER },
		{ 8229, "TTL manager has timed out, pessimistic locks may expire", FAILURE_AWAY },
		{ 8141, "assertion failed: key: 74, assertion: Exist", FAILURE_OTHER },
		{ 9001, "PD server timeout: ", FAILURE_AWAY },
		{ 9005, "Region is unavailable", FAILURE_AWAY },
		{ 8022, "Error: KV error safe to retry", FAILURE_AWAY },
		{ 8027, "Information schema is out of date", FAILURE_AWAY },
		{ 9000, "", FAILURE_OTHER },
		{ 9006, "GC life time is shorter than transaction duration", FAILURE_OTHER },
		{ 1146, "Table 'x' doesn't exist", FAILURE_OTHER },
		{ 1062, "Duplicate entry", FAILURE_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		if (failure_of(t[i].code, t[i].text) != t[i].is)
			fail_msg("%d %s: %d, not %d", t[i].code, t[i].text,
				 failure_of(t[i].code, t[i].text), t[i].is);
}

static void an_outcome_is_as_sure_as_the_server_was(void **state)
{
	struct txn_state in = { .in_txn = true, .wrote = true }, commit = in,
			 committed = { .wrote = true, .committed = true },
			 alone = { .wrote = true }, reader = { 0 },
			 half = { .wrote = true, .in_txn = true, .autocommitted = true };

	(void)state;
	commit.at_commit = true;
	for (enum failure f = FAILURE_LOST; f <= FAILURE_OTHER; f++) {
		enum txn_outcome unless_sure =
			f == FAILURE_CONFLICT || f == FAILURE_REFUSED ? TXN_FAILED : TXN_UNKNOWN;

		assert_int_equal(outcome_of_failure(&in, f), TXN_FAILED);
		assert_int_equal(outcome_of_failure(&commit, f), unless_sure);
		assert_int_equal(outcome_of_failure(&alone, f), unless_sure);
		assert_int_equal(outcome_of_failure(&reader, f), TXN_FAILED);
		assert_int_equal(outcome_of_failure(&committed, f), TXN_ACKED);
		assert_int_equal(outcome_of_failure(&half, f), TXN_UNKNOWN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_servers_answer_is_told_apart),
		cmocka_unit_test(an_outcome_is_as_sure_as_the_server_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
