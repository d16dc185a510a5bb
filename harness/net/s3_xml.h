/* Inside net/ only: what S3 answers in XML, bounded; a document type, deep nesting or long texts
 * are refused. */
#ifndef HARNESS_NET_S3_XML_H
#define HARNESS_NET_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

#define S3_XML_BYTES_MAX ((size_t)16 << 20)

struct s3_object {
	char *key; /* decoded */
	uint64_t size_bytes;
};
struct s3_page {
	struct s3_object *objects;
	size_t n, alloc;
	bool truncated;
	char *next; /* the continuation token; NULL if there was none */
};
/* ListBucketResult */
int s3_xml_page(const char *data, size_t n, struct s3_page *out, struct err *e);
void s3_page_release(struct s3_page *p);

struct s3_answer {
	char code[128], message[512]; /* of an <Error>; "" when the document is none */
	char upload_id[1024];
	char endpoint[256]; /* where a redirect points to */
	char root[40];      /* of a document that is whole; "" otherwise */
};
/* An error document, or any small answer. Never fails: what can't be read stays "". */
void s3_xml_answer(const char *data, size_t n, struct s3_answer *out);

#endif
