#include "harness/net/s3_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"

#define DEPTH_MAX 8
/* a key has 1,024 bytes, three times that when percent-encoded */
#define TEXT_MAX 8192
#define OBJECTS_MAX 10000 /* S3 sends at most 1,000 a page */

struct parse {
	XML_Parser parser;
	unsigned depth;
	char name[DEPTH_MAX + 1][32]; /* of the open elements; [1] is the root's */
	struct strbuf text;           /* of the innermost */
	const char *wrong;
	/* a page */
	struct s3_page *page;
	bool url_encoded;
	struct s3_object object;
	/* an answer */
	struct s3_answer *answer;
};

static void stop(struct parse *p, const char *wrong)
{
	if (!p->wrong)
		p->wrong = wrong;
	XML_StopParser(p->parser, XML_FALSE);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
		       const XML_Char *pubid, int internal)
{
	(void)name, (void)sysid, (void)pubid, (void)internal;
	stop(arg, "it has a document type");
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **atts)
{
	struct parse *p = arg;

	(void)atts;
	if (p->depth == DEPTH_MAX) {
		stop(p, "it is nested too deeply");
		return;
	}
	p->depth++;
	snprintf(p->name[p->depth], sizeof(p->name[0]), "%s", name);
	strbuf_reset(&p->text);
	if (p->page && p->depth == 2 && !strcmp(name, "Contents")) {
		free(p->object.key);
		p->object = (struct s3_object){ .size_bytes = UINT64_MAX };
	}
}

static void on_text(void *arg, const XML_Char *s, int len)
{
	struct parse *p = arg;

	if (p->text.len + (size_t)len > TEXT_MAX) {
		stop(p, "an element is too long");
		return;
	}
	strbuf_add(&p->text, s, (size_t)len);
}

static bool size_of(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end && *out != UINT64_MAX;
}

static void object_end(struct parse *p)
{
	struct s3_page *page = p->page;

	if (!p->object.key || !*p->object.key || p->object.size_bytes == UINT64_MAX) {
		stop(p, "an object is without key or size");
		return;
	}
	if (page->n == OBJECTS_MAX) {
		stop(p, "it lists too many objects");
		return;
	}
	XGROW(page->objects, page->n, page->alloc, 64);
	page->objects[page->n++] = p->object;
	p->object = (struct s3_object){ 0 };
}

static void page_element(struct parse *p, const char *name)
{
	const char *text = p->text.buf;

	if (p->depth == 3 && !strcmp(p->name[2], "Contents")) {
		if (!strcmp(name, "Key")) {
			free(p->object.key);
			p->object.key = xstrdup(text);
		} else if (!strcmp(name, "Size") && !size_of(text, &p->object.size_bytes)) {
			stop(p, "a size is not a number");
		}
	} else if (p->depth == 2) {
		if (!strcmp(name, "Contents")) {
			object_end(p);
		} else if (!strcmp(name, "IsTruncated")) {
			p->page->truncated = !strcmp(text, "true");
		} else if (!strcmp(name, "NextContinuationToken") && *text) {
			free(p->page->next);
			p->page->next = xstrdup(text);
		} else if (!strcmp(name, "EncodingType")) {
			p->url_encoded = !strcmp(text, "url");
		}
	}
}

static void answer_element(struct parse *p, const char *name)
{
	struct s3_answer *a = p->answer;

	if (p->depth != 2)
		return;
	if (!strcmp(p->name[1], "Error")) {
		if (!strcmp(name, "Code"))
			snprintf(a->code, sizeof(a->code), "%s", p->text.buf);
		else if (!strcmp(name, "Message"))
			snprintf(a->message, sizeof(a->message), "%s", p->text.buf);
		else if (!strcmp(name, "Endpoint"))
			snprintf(a->endpoint, sizeof(a->endpoint), "%s", p->text.buf);
	} else if (!strcmp(name, "UploadId") && p->text.len < sizeof(a->upload_id)) {
		memcpy(a->upload_id, p->text.buf, p->text.len + 1);
	}
}

static void on_end(void *arg, const XML_Char *name)
{
	struct parse *p = arg;

	if (p->page)
		page_element(p, name);
	else
		answer_element(p, name);
	strbuf_reset(&p->text);
	p->depth--;
}

/* 0, or -1 with p->wrong. */
static int run(struct parse *p, const char *data, size_t n)
{
	p->text = (struct strbuf)STRBUF_INIT;
	p->parser = XML_ParserCreate("UTF-8");
	if (!p->parser)
		abort(); /* no memory */
	XML_SetUserData(p->parser, p);
	XML_SetElementHandler(p->parser, on_start, on_end);
	XML_SetCharacterDataHandler(p->parser, on_text);
	XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
	if (n > S3_XML_BYTES_MAX)
		p->wrong = "it is too long";
	else if (XML_Parse(p->parser, data, (int)n, 1) != XML_STATUS_OK && !p->wrong)
		p->wrong = XML_ErrorString(XML_GetErrorCode(p->parser));
	XML_ParserFree(p->parser);
	strbuf_release(&p->text);
	free(p->object.key);
	return p->wrong ? -1 : 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* encoding-type=url: '+' is a space, as in a form. In place. */
static int decode_key(char *key)
{
	char *to = key;

	for (const char *p = key; *p; p++) {
		if (*p == '%') {
			int hi = hex_digit(p[1]), lo = hi < 0 ? -1 : hex_digit(p[2]);

			if (hi < 0 || lo < 0 || !(hi | lo))
				return -1;
			*to++ = (char)(hi << 4 | lo);
			p += 2;
		} else {
			*to++ = *p == '+' ? ' ' : *p;
		}
	}
	*to = 0;
	return 0;
}

int s3_xml_page(const char *data, size_t n, struct s3_page *out, struct err *e)
{
	struct parse p = { .page = out };

	*out = (struct s3_page){ 0 };
	if (run(&p, data, n) == 0) {
		if (strcmp(p.name[1], "ListBucketResult") != 0)
			p.wrong = "it is not a ListBucketResult";
		else if (out->truncated && !out->next)
			p.wrong = "it is truncated and has no continuation token";
		for (size_t i = 0; p.url_encoded && !p.wrong && i < out->n; i++)
			if (decode_key(out->objects[i].key) < 0)
				p.wrong = "a key is not percent-encoded as it claims";
	}
	if (!p.wrong)
		return 0;
	s3_page_release(out);
	return err_set(e, ERR_BAD_DATA, 0, "cannot parse the store's listing: %s", p.wrong);
}

void s3_page_release(struct s3_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->objects[i].key);
	free(p->objects);
	free(p->next);
	*p = (struct s3_page){ 0 };
}

void s3_xml_answer(const char *data, size_t n, struct s3_answer *out)
{
	struct parse p = { .answer = out };

	*out = (struct s3_answer){ 0 };
	if (run(&p, data, n) == 0)
		snprintf(out->root, sizeof(out->root), "%s", p.name[1]);
}
