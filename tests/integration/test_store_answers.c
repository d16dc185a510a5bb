/* A small S3 server of the test's own, which answers as gateways, proxies and careful stores do: a
 * success is one when what it has to bring is there. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define BIG ((size_t)17 << 20) /* more than one PUT takes */
#define RESULT "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
#define EMPTY_LIST "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
#define PART_TAG "\"d41d8cd98f00b204e9800998ecf8427e\""
/* MD5 of three times PART_TAG */
#define WHOLE_TAG "\"2bc3f09a6fbadbe687825030c6e7b9a4-3\""

struct rule {
	const char *method, *query; /* that the query holds; "" any */
	int times;                  /* it is used; 0: always */
	const char *status, *headers, *body;
};
static struct {
	int fd, port;
	pthread_t thread;
	const struct rule *rules;
	size_t n_rules;
	int used[16];
	_Atomic bool completed; /* a completion came through to the store */
	_Atomic int late_ms;    /* each answer comes so much later */
	char tag[64];           /* of the object there; "" none */
} server;

static void answer(int c, const char *status, const char *headers, const char *body, bool head)
{
	dprintf(c, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", status,
		head ? 0 : strlen(body), headers, head ? "" : body);
}

/* The request's head into line, its body read and dropped. */
static bool take_request(int c, char *head, size_t max)
{
	size_t n = 0, length, got;
	char *end = NULL, *at, drop[65536];

	while (!end && n < max - 1) {
		ssize_t k = read(c, head + n, max - 1 - n);

		if (k <= 0)
			return false;
		n += (size_t)k;
		head[n] = 0;
		end = strstr(head, "\r\n\r\n");
	}
	if (!end)
		return false;
	at = strcasestr(head, "\r\nContent-Length:");
	length = at && at < end ? strtoul(at + 17, NULL, 10) : 0;
	if (strcasestr(head, "\r\nExpect: 100-continue"))
		dprintf(c, "HTTP/1.1 100 Continue\r\n\r\n");
	for (got = n - (size_t)(end + 4 - head); got < length;) {
		ssize_t k = read(c, drop, sizeof(drop));

		if (k <= 0)
			return false;
		got += (size_t)k;
	}
	*strstr(head, "\r\n") = 0;
	return true;
}

static void serve(int c)
{
	char head[16384], tagged[128];
	const char *status = "200 OK", *headers = "", *body = "";

	if (!take_request(c, head, sizeof(head)))
		return;
	usleep((useconds_t)server.late_ms * 1000);
	for (size_t i = 0; i < server.n_rules; i++) {
		const struct rule *r = &server.rules[i];

		if (strncmp(head, r->method, strlen(r->method)) || !strstr(head, r->query) ||
		    (r->times && server.used[i] >= r->times))
			continue;
		server.used[i]++;
		/* the store did it, and the answer was cut on its way */
		if (!strcmp(r->status, "done, lost")) {
			server.completed = true;
			snprintf(server.tag, sizeof(server.tag), "%s", r->headers);
			answer(c, "200 OK", "", r->body, false);
		} else {
			answer(c, r->status, r->headers, r->body, !strncmp(head, "HEAD", 4));
		}
		return;
	}
	if (strstr(head, "uploads=")) {
		body = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
	} else if (strstr(head, "partNumber=")) {
		headers = "ETag: " PART_TAG "\r\n";
	} else if (!strncmp(head, "POST", 4)) {
		if (server.completed) {
			status = "404 Not Found";
			body = "<Error><Code>NoSuchUpload</Code></Error>";
		} else {
			body = RESULT;
		}
		server.completed = true;
	} else if (!strncmp(head, "PUT", 3)) {
		headers = "ETag: \"e\"\r\n";
	} else if (!strncmp(head, "HEAD", 4)) {
		status = *server.tag ? "200 OK" : "404 Not Found";
		snprintf(tagged, sizeof(tagged), "ETag: %s\r\n", server.tag);
		headers = *server.tag ? tagged : "";
	} else if (!strncmp(head, "DELETE", 6)) {
		status = "204 No Content";
	} else {
		body = EMPTY_LIST;
	}
	answer(c, status, headers, body, !strncmp(head, "HEAD", 4));
}

static void *run_server(void *arg)
{
	int c;

	(void)arg;
	while ((c = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve(c);
		close(c);
	}
	return NULL;
}

static void rules(const struct rule *r, size_t n)
{
	server.rules = r;
	server.n_rules = n;
	server.completed = false;
	server.tag[0] = 0;
	memset(server.used, 0, sizeof(server.used));
}

static struct store *bucket(const char *more)
{
	char *uri = xstrfmt(
		"s3://bkt/x?endpoint=http://127.0.0.1:%d&access-key=a&secret-access-key=b%s",
		server.port, more);
	struct err e = ERR_INIT;
	struct store *s = store_open(uri, &(struct store_opts){ .patience_ms = 1500 }, &e);

	if (!s)
		fail_msg("%s", e.text);
	free(uri);
	return s;
}

static void a_completion_counts_only_with_its_document(void **unused)
{
	static const struct {
		struct rule rule;
		bool ok;
	} cases[] = {
		{ { "POST", "uploadId=", 0, "200 OK", "", "" }, false },
		{ { "POST", "uploadId=", 0, "200 OK", "", "<CompleteMultipartUploadRe" }, false },
		{ { "POST", "uploadId=", 0, "200 OK", "", "<html><body>gateway</body></html>" },
		  false },
		{ { "POST", "uploadId=", 0, "200 OK", "",
		    "<Error><Code>AccessDenied</Code></Error>" },
		  false },
		{ { "POST", "uploadId=", 0, "200 OK", "",
		    "<Error><Code>InternalError</Code></Error>" },
		  false },
		{ { "POST", "uploadId=", 2, "200 OK", "", "" }, true },
		{ { "POST", "uploadId=", 1, "200 OK", "", "<html>" }, true },
		{ { "POST", "uploadId=", 1, "200 OK", "",
		    "<Error><Code>InternalError</Code></Error>" },
		  true },
		/* then: NoSuchUpload, and the object is ours */
		{ { "POST", "uploadId=", 1, "done, lost", WHOLE_TAG, "" }, true },
		/* then: NoSuchUpload, and it is not */
		{ { "POST", "uploadId=", 1, "done, lost", "\"an-older-object\"", "" }, false },
		{ { "POST", "uploads=", 0, "200 OK", "", "" }, false },
		{ { "PUT", "partNumber=2", 0, "200 OK", "", "<html>" }, false },
		{ { "PUT", "partNumber=2", 1, "200 OK", "", "<html>" }, true },
	};
	char *big = xcalloc(BIG, 1);
	struct store *s = bucket("");

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		int rc;

		rules(&cases[i].rule, 1);
		rc = store_put(s, "big", big, BIG, &e);
		if ((rc == 0) != cases[i].ok)
			fail_msg("case %zu, \"%s\": %s", i, cases[i].rule.body,
				 rc ? e.text : "taken for stored");
	}
	free(big);
	store_free(s);
}

static void a_put_and_a_list_count_only_with_what_they_bring(void **unused)
{
	static const struct {
		struct rule rule;
		bool put_ok, list_ok;
		const char *says;
	} cases[] = {
		{ { "PUT", "", 0, "200 OK", "", "<html><title>Login</title>please log in</html>" },
		  false,
		  true,
		  "please log in" },
		{ { "PUT", "", 1, "200 OK", "", "" }, true, true, NULL },
		{ { "GET", "list-type", 0, "200 OK", "", "" }, true, false, "ListBucketResult" },
		{ { "GET", "list-type", 0, "200 OK", "",
		    "<ListBucketResult><Contents><Key>x/a</K" },
		  true,
		  false,
		  "ListBucketResult" },
		{ { "GET", "list-type", 0, "200 OK", "", "<html>gateway</html>" },
		  true,
		  false,
		  "gateway" },
		{ { "GET", "list-type", 1, "200 OK", "", "<ListBucketResult>" }, true, true, NULL },
		{ { "GET", "list-type", 0, "503 Slow", "",
		    "<html><body><h1>Service down for\n the night</h1></body></html>" },
		  true,
		  false,
		  "Service down for the night" },
	};
	struct store *s = bucket("");

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		struct store_list l = { 0 };
		int put, list;

		rules(&cases[i].rule, 1);
		put = store_put(s, "small", "x", 1, &e);
		list = store_list(s, "", &l, put < 0 ? NULL : &e);
		if ((put == 0) != cases[i].put_ok || (list == 0) != cases[i].list_ok ||
		    (cases[i].says && !strstr(e.text, cases[i].says)))
			fail_msg("case %zu: put %d, list %d: %s", i, put, list, e.text);
		store_list_release(&l);
	}
	store_free(s);
}

#define DENIED "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
static void a_key_that_may_not_create_uses_the_bucket_that_is_there(void **unused)
{
	static const struct rule there[] = { { "PUT /bkt HTTP", "", 0, "403 Forbidden", "",
					       DENIED },
					     { "HEAD", "/bkt HTTP", 0, "200 OK", "", "" } },
				 absent[] = { { "PUT /bkt HTTP", "", 0, "403 Forbidden", "",
						DENIED },
					      { "HEAD", "/bkt HTTP", 0, "404 Not Found", "", "" } },
				 listed[] = { { "PUT /bkt HTTP", "", 0, "403 Forbidden", "",
						DENIED },
					      { "HEAD", "/bkt HTTP", 0, "403 Forbidden", "", "" } };
	struct store *s = bucket("");
	struct err e = ERR_INIT;

	(void)unused;
	rules(there, 2);
	if (store_create_bucket(s, &e) < 0)
		fail_msg("%s", e.text);
	rules(listed, 2); /* no HEAD either, but it may be listed */
	if (store_create_bucket(s, &e) < 0)
		fail_msg("%s", e.text);
	rules(absent, 2);
	assert_int_equal(store_create_bucket(s, &e), -1);
	assert_non_null(strstr(e.text, "AccessDenied"));
	store_free(s);
}

static void an_error_tells_what_to_do(void **unused)
{
	static const struct {
		struct rule rule;
		const char *more, *says;
	} cases[] = {
		{ { "GET", "", 0, "307 Temporary Redirect",
		    "Location: https://bkt.s3.eu-west-1.example.com/?list-type=2\r\n", "" },
		  "",
		  "but at https://bkt.s3.eu-west-1.example.com/" },
		{ { "GET", "", 0, "301 Moved", "",
		    "<Error><Code>PermanentRedirect</Code><Endpoint>s3.eu.example.com</Endpoint></Error>" },
		  "",
		  "s3.eu.example.com" },
		{ { "GET", "", 0, "403 Forbidden", "",
		    "<Error><Code>SignatureDoesNotMatch</Code></Error>" },
		  "+c",
		  "%2B" },
		{ { "GET", "", 0, "403 Forbidden", "",
		    "<Error><Code>SignatureDoesNotMatch</Code></Error>" },
		  "",
		  "does not belong to this access-key" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *s = bucket(cases[i].more);
		struct store_list l = { 0 };
		struct err e = ERR_INIT;

		rules(&cases[i].rule, 1);
		assert_int_equal(store_list(s, "", &l, &e), -1);
		if (!strstr(e.text, cases[i].says))
			fail_msg("case %zu: %s", i, e.text);
		store_free(s);
	}
}

static void a_parameter_means_what_it_says_or_is_refused(void **unused)
{
	static const struct {
		const char *more, *says; /* NULL: taken */
	} cases[] = {
		{ "&force-path-style=True", NULL },
		{ "&force-path-style=1", NULL },
		{ "&storage-class=STANDARD", NULL },
		{ "&provider=aws&region=eu", NULL },
		{ "&flush-interval=5s&protocol=canal-json", NULL },
		{ "&force-path-style=maybe", "true or false" },
		{ "&foo=bar", "unknown parameter 'foo'" },
		{ "&storage-class=GLACIER", "storage-class" },
		{ "&sse=AES256", "sse" },
	};
	struct err e = ERR_INIT;
	struct store *s;

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *uri = xstrfmt(
			"s3://bkt/x?endpoint=http://127.0.0.1:1&access-key=a&secret-access-key=b%s",
			cases[i].more);

		s = store_open(uri, NULL, &e);
		if ((s != NULL) != !cases[i].says || (!s && !strstr(e.text, cases[i].says)))
			fail_msg("%s: %s", cases[i].more, s ? "taken" : e.text);
		store_free(s);
		free(uri);
	}
	s = store_open(
		"s3://bkt?endpoint=http://127.0.0.1:1&access-key=a&secret-access-key=b&force-path-style=False",
		&(struct store_opts){ .patience_ms = 1 }, &e);
	assert_non_null(s); /* "bkt.127.0.0.1" is no host: so it was asked for */
	assert_int_equal(store_create_bucket(s, &e), -1);
	assert_non_null(strstr(e.text, "bkt.127.0.0.1"));
	store_free(s);
}

/* How often it is tried again is one thing, how long an answer may take another: a store that needs
 * its time is not one that does not answer. */
static void a_single_attempt_waits_for_its_answer(void **unused)
{
	static const struct rule busy = { "GET", "", 0, "503 Slow Down", "", "" };
	char *uri =
		xstrfmt("s3://bkt/x?endpoint=http://127.0.0.1:%d&access-key=a&secret-access-key=b",
			server.port);
	struct err e = ERR_INIT;
	struct store *s = store_open(uri, &(struct store_opts){ .patience_ms = 1 }, &e);
	struct store_list l = { 0 };

	(void)unused;
	rules(NULL, 0);
	server.late_ms = 400;
	if (store_list(s, "", &l, &e) < 0)
		fail_msg("%s", e.text);
	server.late_ms = 0;
	store_list_release(&l);
	rules(&busy, 1);
	assert_int_equal(store_list(s, "", &l, &e), -1);
	assert_non_null(strstr(e.text, "failed after 1 attempt in "));
	assert_int_equal(server.used[0], 1);
	store_free(s);
	free(uri);
}

static void list_says(int port, const char *more, const char *says)
{
	char *uri =
		xstrfmt("s3://bkt?endpoint=https://127.0.0.1:%d&access-key=a&secret-access-key=b%s",
			port, more);
	struct store *s;
	struct store_list l = { 0 };
	struct err e = ERR_INIT;

	s = store_open(uri, &(struct store_opts){ .patience_ms = 3000 }, &e);
	assert_non_null(s);
	assert_int_equal(store_list(s, "", &l, &e), -1);
	if (!strstr(e.text, says))
		fail_msg("%s, %s: %s", more, says, e.text);
	store_free(s);
	free(uri);
}

/* openssl's own server answers every request with a page: to get as far as that, its certificate
 * was trusted. */
static void a_store_may_have_a_ca_of_its_own(void **unused)
{
	char dir[] = "/var/tmp/drtest-it-ca.XXXXXX", *ca, *key, *at, *param;
	struct err e = ERR_INIT;
	int port = port_take(0, &e), fd, tries = 0;
	struct proc *p;

	(void)unused;
	if (!mkdtemp(dir))
		fail();
	ca = xstrfmt("%s/ca.pem", dir);
	key = xstrfmt("%s/key.pem", dir);
	at = xstrfmt("127.0.0.1:%d", port);
	param = xstrfmt("&ca=%s", ca);
	{
		char *make[] = { (char *)"openssl",
				 (char *)"req",
				 (char *)"-x509",
				 (char *)"-newkey",
				 (char *)"rsa:2048",
				 (char *)"-nodes",
				 (char *)"-days",
				 (char *)"30",
				 (char *)"-subj",
				 (char *)"/CN=store",
				 (char *)"-addext",
				 (char *)"subjectAltName=IP:127.0.0.1",
				 (char *)"-keyout",
				 key,
				 (char *)"-out",
				 ca,
				 NULL };
		char *serve_it[] = { (char *)"openssl",
				     (char *)"s_server",
				     (char *)"-quiet",
				     (char *)"-www",
				     (char *)"-accept",
				     at,
				     (char *)"-cert",
				     ca,
				     (char *)"-key",
				     key,
				     NULL };
		struct proc_opts o = { .name = "openssl", .argv = serve_it };
		struct strbuf out = STRBUF_INIT;

		if (proc_run(make, NULL, &out, 1 << 16, deadline_in_ms(60000), &e) < 0 ||
		    !(p = proc_start(&o, &e)))
			fail_msg("%s", e.text);
		strbuf_release(&out);
	}
	do { /* until it listens */
		struct sockaddr_in to = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					  .sin_port = htons((uint16_t)port) };

		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
			break;
		close(fd);
		fd = -1;
		pause_ms(50, deadline_in_ms(1000));
	} while (++tries < 600);
	assert_true(fd >= 0);
	close(fd);
	unsetenv("AWS_CA_BUNDLE");
	unsetenv("SSL_CERT_FILE");
	unsetenv("CURL_CA_BUNDLE");
	list_says(port, "", "certificate");
	list_says(port, param, "without ListBucketResult");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "AWS_CA_BUNDLE" : "SSL_CERT_FILE";

		setenv(name, ca, 1);
		list_says(port, "", "without ListBucketResult");
		unsetenv(name);
	}
	list_says(port, "&ca=/no/such/file", "CA cert");
	proc_free(p);
	port_release(port);
	fs_remove_tree(dir, NULL);
	free(ca);
	free(key);
	free(at);
	free(param);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_completion_counts_only_with_its_document),
		cmocka_unit_test(a_put_and_a_list_count_only_with_what_they_bring),
		cmocka_unit_test(a_key_that_may_not_create_uses_the_bucket_that_is_there),
		cmocka_unit_test(an_error_tells_what_to_do),
		cmocka_unit_test(a_single_attempt_waits_for_its_answer),
		cmocka_unit_test(a_parameter_means_what_it_says_or_is_refused),
		cmocka_unit_test(a_store_may_have_a_ca_of_its_own),
	};
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int rc;

	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(server.fd, 64) || getsockname(server.fd, (struct sockaddr *)&at, &n))
		return 1;
	server.port = ntohs(at.sin_port);
	pthread_create(&server.thread, NULL, run_server, NULL);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
	return rc;
}
