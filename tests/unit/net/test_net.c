/* net: URIs, S3's XML, and what a store refuses before it connects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/net/s3_xml.h"
#include "harness/net/store.h"
#include "harness/base/uri.h"

static void the_guides_uri_works_as_it_stands(void **unused)
{
	struct err e = ERR_INIT;
	struct uri u;

	(void)unused;
	assert_int_equal(
		uri_parse(
			&u,
			"s3://redo?access-key=minio&secret-access-key=miniostorage&endpoint=http://10.0.1.10:6060&"
			"force-path-style=true",
			&e),
		0);
	assert_string_equal(u.scheme, "s3");
	assert_string_equal(u.host, "redo");
	assert_string_equal(u.path, "");
	assert_string_equal(uri_param(&u, "endpoint"), "http://10.0.1.10:6060");
	assert_string_equal(uri_param(&u, "force-path-style"), "true");
	assert_null(uri_param(&u, "region"));
	uri_release(&u);
}

static void a_uri_is_taken_apart_and_decoded(void **unused)
{
	struct err e = ERR_INIT;
	struct uri u;

	(void)unused;
	assert_int_equal(
		uri_parse(
			&u,
			"MySQL://root:p%40ss:w@rd@127.0.0.1:4000/a%20b+c?x=1%2B1+2&x=two&flag&=&y==",
			&e),
		0);
	assert_string_equal(u.scheme, "mysql");
	assert_string_equal(u.user, "root");
	assert_string_equal(u.password, "p@ss:w@rd");
	assert_string_equal(u.host, "127.0.0.1");
	assert_int_equal(u.port, 4000);
	assert_string_equal(u.path, "/a b+c");
	assert_string_equal(u.params[0].value, "1+1 2");
	assert_string_equal(uri_param(&u, "x"), "two");
	assert_string_equal(uri_param(&u, "flag"), "");
	assert_string_equal(uri_param(&u, "y"), "=");
	uri_release(&u);
	assert_int_equal(uri_parse(&u, "tidb://[::1]:4000", &e), 0);
	assert_string_equal(u.host, "::1");
	assert_int_equal(u.port, 4000);
	uri_release(&u);
	assert_int_equal(uri_parse(&u, "file:///var/x", &e), 0);
	assert_string_equal(u.host, "");
	assert_string_equal(u.path, "/var/x");
	uri_release(&u);
}

static void a_bad_uri_is_refused_without_its_secrets(void **unused)
{
	static const char *const bad[] = {
		"",
		"redo",
		"s3:/x",
		"://x",
		"1s://x",
		"s3://u:SECRET@h:99999/",
		"s3://h:/",
		"s3://h:12x",
		"s3://h?k=SECRET%4",
		"s3://h?k=SECRET%zz",
		"s3://h?k=SECRET%00",
		"s3://[::1",
		"s3://[::1]x",
		"s3://a b",
		"s3://h/SECRET#x",
		"s3://h?%=SECRET",
		"x://SECRET%2",
	};
	struct strbuf many = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct uri u;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = 0;
		assert_int_equal(uri_parse(&u, bad[i], &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_true(strlen(e.text) > 10);
		assert_null(strstr(e.text, "SECRET"));
	}
	strbuf_addstr(&many, "s3://h?");
	for (int i = 0; i < 65; i++)
		strbuf_addf(&many, "p%d=1&", i);
	assert_int_equal(uri_parse(&u, many.buf, &e), -1);
	for (int i = 0; i < 9000; i++)
		strbuf_addch(&many, 'x');
	assert_int_equal(uri_parse(&u, many.buf, &e), -1);
	strbuf_release(&many);
}

static void encoding_keeps_what_rfc_3986_keeps(void **unused)
{
	struct strbuf s = STRBUF_INIT;

	(void)unused;
	uri_encode(&s, "aZ09-._~/ +%:\xc3\xbc\0", 16, "/");
	assert_string_equal(s.buf, "aZ09-._~/%20%2B%25%3A%C3%BC%00");
	strbuf_release(&s);
}

#define PAGE(inner)                                                                                                            \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inner \
	"</ListBucketResult>"
#define OBJECT(key, size)                                                 \
	"<Contents><Key>" key "</Key><ETag>&#34;x&#34;</ETag><Size>" size \
	"</Size><Owner><ID>1</ID></Owner></Contents>"

static int page(const char *xml, struct s3_page *p, struct err *e)
{
	return s3_xml_page(xml, strlen(xml), p, e);
}

static void a_listing_is_read(void **unused)
{
	struct s3_page p;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(
		page(PAGE("<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>"
			  "<EncodingType>url</EncodingType>" OBJECT("a%2Fb+c%2B%25", "12")
				  OBJECT("z", "18446744073709551614")),
		     &p, &e),
		0);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.objects[0].key, "a/b c+%");
	assert_int_equal(p.objects[0].size_bytes, 12);
	assert_true(p.truncated);
	assert_string_equal(p.next, "a&b=");
	s3_page_release(&p);
	/* not encoded: as it stands */
	assert_int_equal(page(PAGE(OBJECT("a+%2F", "0")), &p, &e), 0);
	assert_string_equal(p.objects[0].key, "a+%2F");
	assert_false(p.truncated);
	s3_page_release(&p);
}

static void a_broken_listing_is_refused(void **unused)
{
	static const char *const bad[] = {
		"",
		"no xml",
		"<ListBucketResult>",
		"<Other/>",
		PAGE("<Contents><Key>a</Key></Contents>"),
		PAGE("<Contents><Size>1</Size></Contents>"),
		PAGE(OBJECT("a", "-1")),
		PAGE(OBJECT("a", "1x")),
		PAGE(OBJECT("a", "99999999999999999999999")),
		PAGE("<IsTruncated>true</IsTruncated>"),
		PAGE("<EncodingType>url</EncodingType>" OBJECT("%0", "1")),
		PAGE("<EncodingType>url</EncodingType>" OBJECT("%00", "1")),
		PAGE("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>"),
		"<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult>&a;</ListBucketResult>",
		PAGE("<Contents><Contents><Key>a</Key><Size>1</Size></Contents></Contents>"),
	};
	struct s3_page p;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(page(bad[i], &p, &e), -1);
		assert_int_equal(e.kind, ERR_BAD_DATA);
		assert_int_equal(p.n, 0);
	}
}

static void an_answer_gives_its_code_and_message(void **unused)
{
	static const char err[] =
		"<Error><Code>NoSuchBucket</Code><Message>gone &lt;away&gt;</Message></Error>";
	static const char id[] =
		"<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>abc.==</UploadId></InitiateMultipartUploadResult>";
	struct s3_answer a;

	(void)unused;
	s3_xml_answer(err, sizeof(err) - 1, &a);
	assert_string_equal(a.code, "NoSuchBucket");
	assert_string_equal(a.message, "gone <away>");
	s3_xml_answer(id, sizeof(id) - 1, &a);
	assert_string_equal(a.code, "");
	assert_string_equal(a.upload_id, "abc.==");
	s3_xml_answer("<html>502 bad gateway", 21, &a);
	assert_string_equal(a.code, "");
}

static void a_store_that_cannot_work_is_refused_when_opened(void **unused)
{
	static const struct {
		const char *uri, *says;
		enum err_kind kind;
	} bad[] = {
		{ "gcs://bucket/p", "not supported", ERR_UNSUPPORTED },
		{ "azblob://c", "not supported", ERR_UNSUPPORTED },
		{ "http://h", "not supported", ERR_USAGE },
		{ "s3://?access-key=a&secret-access-key=hush-hush", "bucket", ERR_USAGE },
		{ "s3://bucket?access-key=a", "secret-access-key", ERR_USAGE },
		{ "s3://bucket?access-key=a&secret-access-key=hush-hush&endpoint=10.0.0.1:9000",
		  "endpoint", ERR_USAGE },
		{ "s3://bucket?access-key=a&secret-access-key=hush-hush&endpoint=http://h/path",
		  "endpoint", ERR_USAGE },
		{ "s3://bucket?access-key=a&secret-access-key=hush-hush&role-arn=x", "role-arn",
		  ERR_UNSUPPORTED },
		{ "s3://bucket?access-key=a&secret-access-key=hush-hush&region=a/b", "region",
		  ERR_USAGE },
		{ "file://relative/dir", "absolute", ERR_USAGE },
		{ "file:", "scheme", ERR_USAGE },
	};

	(void)unused;
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		assert_null(store_open(bad[i].uri, NULL, &e));
		assert_int_equal(e.kind, bad[i].kind);
		assert_non_null(strstr(e.text, bad[i].says));
		assert_null(strstr(e.text, "hush-hush"));
	}
}

static void a_stores_name_hides_its_keys(void **unused)
{
	struct err e = ERR_INIT;
	struct store *s =
		store_open("s3://redo/drill/1?access-key=AKIA&"
			   "secret-access-key=SECRET&session-token=SECRET&endpoint=http://h:6060/",
			   NULL, &e);

	(void)unused;
	assert_non_null(s);
	assert_string_equal(store_kind(s), "s3");
	assert_string_equal(
		store_uri_redacted(s),
		"s3://redo/drill/1?access-key=***&secret-access-key=***&session-token=***&endpoint=http://h:6060/");
	store_free(s);
	s = store_open("local:///var/tmp/x", NULL, &e);
	assert_non_null(s);
	assert_string_equal(store_kind(s), "file");
	assert_string_equal(store_uri_redacted(s), "local:///var/tmp/x");
	store_free(s);
}

static void a_missing_minio_says_how_to_get_it(void **unused)
{
	char *path = xstrdup(getenv("PATH"));
	struct err e = ERR_INIT;

	(void)unused;
	setenv("DRTEST_MINIO", "/no/such/minio", 1);
	assert_null(minio_find(&e));
	assert_int_equal(e.kind, ERR_ENV);
	assert_non_null(strstr(e.text, "/no/such/minio"));
	unsetenv("DRTEST_MINIO");
	setenv("PATH", "/no/such/dir", 1);
	setenv("XDG_CACHE_HOME", "/no/such/cache", 1);
	assert_null(minio_find(&e));
	assert_non_null(strstr(e.text, "make deps"));
	assert_non_null(strstr(e.text, "GOBIN=/no/such/cache/drtest/bin go install"));
	setenv("PATH", path, 1);
	unsetenv("XDG_CACHE_HOME");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guides_uri_works_as_it_stands),
		cmocka_unit_test(a_uri_is_taken_apart_and_decoded),
		cmocka_unit_test(a_bad_uri_is_refused_without_its_secrets),
		cmocka_unit_test(encoding_keeps_what_rfc_3986_keeps),
		cmocka_unit_test(a_listing_is_read),
		cmocka_unit_test(a_broken_listing_is_refused),
		cmocka_unit_test(an_answer_gives_its_code_and_message),
		cmocka_unit_test(a_store_that_cannot_work_is_refused_when_opened),
		cmocka_unit_test(a_stores_name_hides_its_keys),
		cmocka_unit_test(a_missing_minio_says_how_to_get_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
