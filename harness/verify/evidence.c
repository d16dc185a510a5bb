#include "harness/verify/evidence.h"

static const struct {
	const char *name, *checked, *catches;
} classes[] = {
	[EVIDENCE_LEDGER] = { "ledger",
			      "each transaction that was sent, by its row in drtest_ledger, against the record of its outcome and commit position",
			      "a missing or dropped transaction, one after the replay point, a failed one that is there, resolvedTs ahead of what is durable, a changefeed "
			      "that began late, a new primary that lacks the last second" },
	[EVIDENCE_MODEL] = { "model",
			     "each row of the load's tables against the state that seed, ledger and commit order give",
			     "a dropped, swapped, stale, late or early row change, a torn transaction, a lost update, a vanished or resurrected row, a byte of a value, "
			     "values exchanged between rows, a chunk that a backup lacks, checkpointTs ahead of the sink" },
	[EVIDENCE_ROWS] = { "rows",
			    "who wrote each row, by the tag in its digits, against the ledger",
			    "a row of a failed or unknown writer, one written after the replay point, a part of a transaction that is not there whole, a corrupt value" },
	[EVIDENCE_SUMS] = { "sums",
			    "row counts and 64 bits of checksum of each table against those of the backup's own snapshot",
			    "a chunk that is missing or stale, a changed value, a row too many or too few" },
	[EVIDENCE_COMPARE] = { "compare",
			       "structure and rows of all tables of two clusters, by count and 64 bits of checksum a range, down to the row",
			       "any value, NULL, case, fraction, sign, charset, row, column, index or table that differs, a DDL skipped, early or twice" },
	[EVIDENCE_FORENSIC] = { "forensic",
				"all rows of the dead primary's disk, taken back to the replay point, against the secondary",
				"whatever the replay left otherwise than the primary had it, in any table, also where no load's model reaches" },
	[EVIDENCE_ISOLATION] = { "isolation",
				 "what transactions read and wrote, and the lists or balances that are there",
				 "G0, G1a, G1b, G1c, a lost update, an order that readers contradict, a sum that no moment had" },
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
