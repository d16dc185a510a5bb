#include "harness/verify/evidence.h"

static const struct {
	const char *name, *checked, *catches;
} classes[] = {
	[EVIDENCE_LEDGER] = { "ledger",
			      "each transaction that was sent: its row in drtest_ledger against "
			      "the record of its outcome and commit position",
			      "a missing or dropped transaction, one after the replay point, a "
			      "failed one that is present, resolvedTs ahead of what is durable, "
			      "a changefeed that started late, a new primary without the last "
			      "second" },
	[EVIDENCE_MODEL] = { "model",
			     "each row of the load's tables against the state that seed, ledger "
			     "and commit order determine",
			     "a dropped, swapped, stale, late or early row change, a torn "
			     "transaction, a lost update, a vanished or resurrected row, a byte "
			     "of a value, values exchanged between rows, a chunk missing from a "
			     "backup, checkpointTs ahead of the sink" },
	[EVIDENCE_ROWS] = { "rows",
			    "the writer of each row, from the tag in its digits, against the "
			    "ledger",
			    "a row of a failed or unknown writer, one written after the replay "
			    "point, a part of an incomplete transaction, a corrupt value" },
	[EVIDENCE_SUMS] = { "sums",
			    "row counts and 64 bits of checksum of each table against those of the backup's own snapshot",
			    "a chunk that is missing or stale, a changed value, a row too many or too few" },
	[EVIDENCE_COMPARE] = { "compare",
			       "structure and rows of all tables of two clusters, by count and 64 bits of checksum a range, down to the row",
			       "any value, NULL, case, fraction, sign, charset, row, column, index or table that differs, a DDL skipped, early or twice" },
	[EVIDENCE_FORENSIC] = { "forensic",
				"all rows of the dead primary's disk, taken back to the replay point, against the secondary",
				"any difference between the replayed data and the primary's, in "
				"any table, also without a model" },
	[EVIDENCE_ISOLATION] = { "isolation",
				 "what transactions read and wrote, and the lists or balances that are there",
				 "G0, G1a, G1b, G1c, a lost update, an order that readers "
				 "contradict, a total that never existed" },
};

const char *evidence_class_name(enum evidence_class c)
{
	return classes[c].name;
}
const char *evidence_checked(enum evidence_class c)
{
	return classes[c].checked;
}
const char *evidence_catches(enum evidence_class c)
{
	return classes[c].catches;
}
