/* Commands of MySQL's protocol whose answer is one packet, OK or an error: BEGIN, COMMIT, a DML
 * statement. A load sends little else, and the client library spends more on each than the server's
 * reply takes to read: it asks the kernel for an answer that can't be there yet, switches stacks
 * twice, and copies values four times. For connections in plain text; nothing here does I/O. */
#ifndef WORKLOADS_WIRE_H
#define WORKLOADS_WIRE_H

#include "workloads/script.h"

#define WIRE_ANSWER_MAX (1u << 20) /* bytes of an answer; an error has at most some hundred */

/* Each makes *out the packet. */
void wire_query(struct strbuf *out, const char *text, size_t n);
void wire_execute(struct strbuf *out, unsigned long stmt_id, const struct con_call *call);

struct wire_answer {
	int code; /* of the error; 0: OK */
	char text[512];
	uint64_t affected;
	uint64_t gtid; /* the sequence number of the last_gtid that it tells; 0: it tells none */
};
/* 1: it is whole; 0: more bytes belong to it; -1: it is neither OK nor an error, or not the answer
 * of one command. tracks: the session told the server that it understands CLIENT_SESSION_TRACKING.
 */
int wire_answer(const unsigned char *bytes, size_t n, bool tracks, struct wire_answer *a);
/* "0-1-42": 42; 0: there is none. */
uint64_t wire_gtid(const char *text, size_t n);

#endif
