/* What each kind of check looks at and what it would have caught, for the report: each of these is
 * planted in the checks' own test (docs/VERDICT.md). */
#ifndef HARNESS_VERIFY_EVIDENCE_H
#define HARNESS_VERIFY_EVIDENCE_H

enum evidence_class {
	EVIDENCE_LEDGER,
	EVIDENCE_MODEL,
	EVIDENCE_ROWS,
	EVIDENCE_SUMS,
	EVIDENCE_COMPARE,
	EVIDENCE_FORENSIC,
	EVIDENCE_ISOLATION
};
const char *evidence_class_name(enum evidence_class c);
const char *evidence_checked(enum evidence_class c); /* what was held against what */
const char *evidence_catches(enum evidence_class c);

#endif
