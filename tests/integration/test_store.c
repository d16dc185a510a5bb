/* Needs MinIO ($DRTEST_MINIO, PATH or the cache); the file store's half runs without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"

#define SECRET "mini+o/sto%rage"
#define SECRET_ENCODED "mini%2Bo%2Fsto%25rage"
#define BIG ((size_t)40 << 20)

static char dir[64];
static struct minio *minio;

static char *s3_uri(const char *bucket, const char *access, const char *secret, int port)
{
	return xstrfmt(
		"s3://%s?access-key=%s&secret-access-key=%s&endpoint=http://127.0.0.1:%d&force-path-style=true",
		bucket, access, secret, port);
}

static struct store *open_uri(char *uri, int64_t patience_ms)
{
	struct store_opts o = { patience_ms };
	struct err e = ERR_INIT;
	struct store *s = store_open(uri, &o, &e);

	free(uri);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static struct store *open_kind(const char *kind, const char *bucket)
{
	if (!strcmp(kind, "file"))
		return open_uri(xstrfmt("file://%s/%s", dir, bucket), 0);
	return open_uri(s3_uri(bucket, "minio", SECRET_ENCODED, minio_port(minio)), 0);
}

#define OK(call)                                           \
	do {                                               \
		if ((call) < 0)                            \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static void many_objects(const char *kind)
{
	struct store *s = open_kind(kind, "many"),
		     *inner = open_kind(kind, "many/deep/er%20prefix/");
	struct store_list l;
	struct err e = ERR_INIT;
	char key[64];
	bool there;

	OK(store_bucket_exists(s, &there, &e));
	assert_false(there);
	OK(store_create_bucket(s, &e));
	OK(store_create_bucket(s, &e)); /* ours already */
	OK(store_bucket_exists(s, &there, &e));
	assert_true(there);
	OK(store_list(s, "", &l, &e));
	assert_int_equal(l.n, 0);
	store_list_release(&l);
	for (int i = 0; i < 2500; i++) { /* S3 lists 1,000 at a time */
		snprintf(key, sizeof(key), "%s/%05d", i % 2 ? "odd" : "even", i);
		OK(store_put(s, key, key, (size_t)(i % 10), &e));
	}
	OK(store_put(inner, "odd", "x", 1, &e));
	OK(store_list(s, "", &l, &e));
	assert_int_equal(l.n, 2501);
	assert_string_equal(l.objects[0].key, "deep/er prefix/odd");
	assert_string_equal(l.objects[1].key, "even/00000");
	assert_string_equal(l.objects[2500].key, "odd/02499");
	assert_int_equal(l.objects[2500].size_bytes, 9);
	for (size_t i = 1; i < l.n; i++)
		assert_true(strcmp(l.objects[i - 1].key, l.objects[i].key) < 0);
	store_list_release(&l);
	OK(store_list(s, "odd/000", &l, &e)); /* a prefix of the text, not a directory */
	assert_int_equal(l.n, 50);
	store_list_release(&l);
	OK(store_list(inner, "", &l, &e)); /* keys are relative to the store's prefix */
	assert_int_equal(l.n, 1);
	assert_string_equal(l.objects[0].key, "odd");
	store_list_release(&l);
	store_free(s);
	store_free(inner);
}

static void odd_keys(const char *kind)
{
	static const char *const keys[] = {
		"127.0.0.1:8300_default_drill_meta_1.meta",
		"a b+c",
		"100%",
		"%3A",
		"%2F%00",
		"grün/日本/🙂",
		"q?x=1&y=2#z",
		"~tilde*'()!;,$@=",
		"\"<&>\"",
		"back\\slash",
		"trailing space ",
		"...",
		"a/..b/.c",
	};
	enum { N = sizeof(keys) / sizeof(keys[0]) };
	struct store *s = open_kind(kind, "odd-keys/a b:c%2525+d");
	struct strbuf got = STRBUF_INIT;
	struct store_list l;
	struct err e = ERR_INIT;
	size_t found = 0;

	OK(store_create_bucket(s, &e));
	for (size_t i = 0; i < N; i++)
		OK(store_put(s, keys[i], keys[i], strlen(keys[i]), &e));
	OK(store_list(s, "", &l, &e));
	assert_int_equal(l.n, N);
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < l.n; k++)
			found += !strcmp(l.objects[k].key, keys[i]);
		strbuf_reset(&got);
		OK(store_get(s, keys[i], 100, &got, &e));
		assert_string_equal(got.buf, keys[i]);
	}
	assert_int_equal(found, N);
	store_list_release(&l);
	OK(store_list(s, "%", &l, &e));
	assert_int_equal(l.n, 2);
	store_list_release(&l);
	for (size_t i = 0; i < N; i++)
		OK(store_delete(s, keys[i], &e));
	OK(store_list(s, "", &l, &e));
	assert_int_equal(l.n, 0);
	store_list_release(&l);
	assert_int_equal(store_put(s, "../up", "x", 1, &e), -1);
	assert_int_equal(store_put(s, "/abs", "x", 1, &e), -1);
	assert_int_equal(store_put(s, "", "x", 1, &e), -1);
	assert_int_equal(store_get(s, "a/../../b", 10, &got, &e), -1);
	strbuf_release(&got);
	store_free(s);
}

static int count(void *arg, const void *data, size_t n, struct err *e)
{
	(void)data, (void)e;
	*(size_t *)arg += n;
	return 0;
}

static int enough(void *arg, const void *data, size_t n, struct err *e)
{
	(void)data;
	*(size_t *)arg += n;
	return err_set(e, ERR_BAD_DATA, 7, "enough");
}

static void sizes(const char *kind)
{
	struct store *s = open_kind(kind, "sizes");
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *big = xmalloc(BIG);
	uint64_t x = 1;
	size_t n = 0;

	for (size_t i = 0; i < BIG; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(big + i, &x, 8);
	}
	OK(store_create_bucket(s, &e));
	OK(store_put(s, "zero", NULL, 0, &e));
	OK(store_get(s, "zero", 0, &got, &e));
	assert_int_equal(got.len, 0);
	OK(store_put(s, "big", big, BIG - 5, &e));
	strbuf_addstr(&got, "before");
	OK(store_get(s, "big", BIG, &got, &e));
	assert_int_equal(got.len, BIG - 5 + 6);
	assert_memory_equal(got.buf + 6, big, BIG - 5);
	OK(store_get_stream(s, "big", count, &n, &e));
	assert_int_equal(n, BIG - 5);
	n = 0;
	assert_int_equal(store_get_stream(s, "big", enough, &n, &e), -1);
	assert_string_equal(e.text, "enough");
	assert_true(n < BIG - 5);
	strbuf_setlen(&got, 6);
	assert_int_equal(store_get(s, "big", 1000, &got, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_string_equal(got.buf, "before");
	OK(store_put(s, "big", "small", 5, &e)); /* replaced whole */
	OK(store_get(s, "big", 5, &got, &e));
	assert_string_equal(got.buf, "beforesmall");
	assert_int_equal(store_get(s, "absent", 5, &got, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	OK(store_delete(s, "absent", &e));
	OK(store_delete(s, "no/such/absent", &e));
	free(big);
	strbuf_release(&got);
	store_free(s);
}

struct share {
	struct store *s;
	int id, failed;
};

static void *use_shared(void *arg)
{
	struct share *h = arg;

	for (int i = 0; i < 50; i++) {
		char *key = xstrfmt("t%d/%d", h->id, i);
		struct strbuf got = STRBUF_INIT;

		if (store_put(h->s, key, key, strlen(key), NULL) < 0 ||
		    store_get(h->s, key, 100, &got, NULL) < 0 || strcmp(got.buf, key))
			h->failed++;
		strbuf_release(&got);
		free(key);
	}
	return NULL;
}

static void threads(const char *kind)
{
	struct store *s = open_kind(kind, "shared");
	struct share h[8];
	pthread_t t[8];
	struct err e = ERR_INIT;

	OK(store_create_bucket(s, &e));
	for (int i = 0; i < 8; i++) {
		h[i] = (struct share){ s, i, 0 };
		pthread_create(&t[i], NULL, use_shared, &h[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(h[i].failed, 0);
	}
	store_free(s);
}

static void need_minio(void)
{
	if (!minio)
		skip();
}

#define BOTH(test)                                       \
	static void test##_in_a_directory(void **unused) \
	{                                                \
		(void)unused;                            \
		test("file");                            \
	}                                                \
	static void test##_in_s3(void **unused)          \
	{                                                \
		(void)unused;                            \
		need_minio();                            \
		test("s3");                              \
	}
BOTH(many_objects)
BOTH(odd_keys)
BOTH(sizes)
BOTH(threads)

static void what_is_wrong_with_the_credentials_is_told(void **unused)
{
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct store *s;
	bool there;

	(void)unused;
	need_minio();
	s = open_uri(s3_uri("sizes", "minio", "not-the-secret", minio_port(minio)), 0);
	assert_int_equal(store_put(s, "x", "y", 1, &e), -1);
	assert_int_equal(e.kind, ERR_ENV);
	assert_int_equal(e.code, 403);
	assert_non_null(strstr(e.text, "SignatureDoesNotMatch"));
	assert_null(strstr(e.text, "not-the-secret"));
	assert_null(strstr(store_uri_redacted(s), "not-the-secret"));
	assert_int_equal(store_bucket_exists(s, &there, &e), -1);
	assert_non_null(strstr(e.text, "SignatureDoesNotMatch"));
	store_free(s);
	s = open_uri(s3_uri("sizes", "stranger", "not-the-secret", minio_port(minio)), 0);
	assert_int_equal(store_get(s, "big", 10, &got, &e), -1);
	assert_non_null(strstr(e.text, "does not know this access-key"));
	store_free(s);
}

static void an_absent_bucket_is_told_from_an_absent_object(void **unused)
{
	struct store *s, *t;
	struct strbuf got = STRBUF_INIT;
	struct store_list l;
	struct err e = ERR_INIT;

	(void)unused;
	need_minio();
	s = open_kind("s3", "no-such-bucket");
	t = open_kind("s3", "sizes");
	assert_int_equal(store_get(s, "k", 10, &got, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "bucket 'no-such-bucket' does not exist"));
	assert_int_equal(store_put(s, "k", "v", 1, &e), -1);
	assert_non_null(strstr(e.text, "bucket 'no-such-bucket' does not exist"));
	assert_int_equal(store_list(s, "", &l, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(store_get(t, "absent", 10, &got, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "the object does not exist"));
	store_free(s);
	store_free(t);
}

static struct minio *start_minio(int port)
{
	char *data = xstrfmt("%s/minio-data", dir), *log = xstrfmt("%s/minio.log", dir);
	struct minio_opts o = {
		.data_dir = data, .log_path = log, .user = "minio", .password = SECRET, .port = port
	};
	struct err e = ERR_INIT;
	struct minio *m = minio_start(&o, deadline_in_ms(30000), &e);

	if (!m)
		print_message("%s\n", e.text);
	free(data);
	free(log);
	return m;
}

static void *put_meanwhile(void *arg)
{
	struct share *h = arg;

	h->failed = store_put(h->s, "during", "the outage", 10, NULL);
	return NULL;
}

static void a_put_outlasts_a_restart_of_the_store(void **unused)
{
	struct share h = { .id = 1 };
	struct strbuf got = STRBUF_INIT;
	struct proc *victim;
	struct err e = ERR_INIT;
	pthread_t t;
	int port;

	(void)unused;
	need_minio();
	port = minio_port(minio);
	h.s = open_uri(s3_uri("sizes", "minio", SECRET_ENCODED, port), 20000);
	OK(store_put(h.s, "before", "x", 1, &e)); /* leaves a connection that the kill breaks */
	victim = minio_proc(minio);
	OK(proc_kill_all(&victim, 1, NULL, &e));
	pthread_create(&t, NULL, put_meanwhile, &h);
	poll(NULL, 0, 300);
	minio_free(minio);
	minio = start_minio(port);
	assert_non_null(minio);
	assert_int_equal(minio_port(minio), port);
	pthread_join(t, NULL);
	assert_int_equal(h.failed, 0);
	OK(store_get(h.s, "during", 100, &got, &e));
	assert_string_equal(got.buf, "the outage");
	strbuf_release(&got);
	store_free(h.s);
}

/* Sent is not stopped: some of its threads may still answer. */
static void stop(struct proc *p)
{
	struct err e = ERR_INIT;
	siginfo_t si;

	proc_signal(p, SIGSTOP, &e);
	assert_int_equal(waitid(P_PID, (id_t)proc_pid(p), &si, WSTOPPED | WNOWAIT), 0);
}

static void patience_ends(void **unused)
{
	struct err e = ERR_INIT;
	struct store *s;
	int64_t t, took;
	int port = port_take(0, &e);

	(void)unused;
	s = open_uri(s3_uri("sizes", "minio", SECRET_ENCODED, port), 400);
	t = clock_mono_ns();
	assert_int_equal(store_put(s, "k", "v", 1, &e), -1); /* nobody listens */
	took = (clock_mono_ns() - t) / 1000000;
	assert_true(took >= 300);
	assert_int_equal(e.kind, ERR_IO);
	assert_non_null(strstr(e.text, "failed after"));
	store_free(s);
	port_release(port);
	if (!minio)
		return;
	s = open_uri(s3_uri("sizes", "minio", SECRET_ENCODED, minio_port(minio)), 500);
	stop(minio_proc(minio)); /* connects, never answers */
	t = clock_mono_ns();
	assert_int_equal(store_put(s, "k", "v", 1, &e), -1);
	took = (clock_mono_ns() - t) / 1000000;
	proc_signal(minio_proc(minio), SIGCONT, &e);
	assert_true(took >= 400);
	store_free(s);
}

/* A server that plays a script: one answer for each connection, cut where the script says. */
struct script {
	const char *answer[4];
	int listener, served;
	char asked[4][2048];
};

static void *serve(void *arg)
{
	struct script *s = arg;

	for (int i = 0; i < 4 && s->answer[i]; i++) {
		int fd = accept(s->listener, NULL, NULL);
		size_t got = 0;

		if (fd < 0)
			break;
		while (got < sizeof(s->asked[0]) - 1 && !strstr(s->asked[i], "\r\n\r\n")) {
			ssize_t n = read(fd, s->asked[i] + got, sizeof(s->asked[0]) - 1 - got);

			if (n <= 0)
				break;
			got += (size_t)n;
		}
		(void)!write(fd, s->answer[i], strlen(s->answer[i]));
		s->served++;
		close(fd);
	}
	return NULL;
}

static int serve_start(struct script *s, pthread_t *t)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	getsockname(s->listener, (struct sockaddr *)&a, &len);
	pthread_create(t, NULL, serve, s);
	return ntohs(a.sin_port);
}

static void serve_stop(struct script *s, pthread_t t)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(t, NULL);
	close(s->listener);
}

static int append(void *arg, const void *data, size_t n, struct err *e)
{
	(void)e;
	strbuf_add(arg, data, n);
	return 0;
}

static void a_cut_download_resumes_where_it_stopped(void **unused)
{
	struct script v = {
		.answer = { "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 10\r\n\r\n01234",
			    "HTTP/1.1 503 Slow\r\nContent-Length: 0\r\n\r\n",
			    "HTTP/1.1 206 Partial\r\nETag: \"e1\"\r\nContent-Range: bytes 5-9/10\r\n"
			    "Content-Length: 5\r\n\r\n56789" }
	};
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct store *s;
	pthread_t t;
	int port;

	(void)unused;
	port = serve_start(&v, &t);
	s = open_uri(s3_uri("bucket", "minio", "x", port), 2000);
	OK(store_get_stream(s, "k", append, &got, &e));
	serve_stop(&v, t);
	assert_string_equal(got.buf, "0123456789");
	assert_null(strcasestr(v.asked[0], "\r\nRange:"));
	assert_non_null(strstr(v.asked[2], "Range: bytes=5-\r\n"));
	assert_non_null(strstr(v.asked[2], "If-Match: \"e1\"\r\n"));
	assert_null(strcasestr(v.asked[0], "100-continue"));
	strbuf_release(&got);
	store_free(s);
}

static void a_replaced_object_is_never_mixed_with_the_old_one(void **unused)
{
	struct script v = {
		.answer = { "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 10\r\n\r\n01234",
			    /* a whole get may begin again */
			    "HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n",
			    "HTTP/1.1 200 OK\r\nETag: \"e2\"\r\nContent-Length: 3\r\n\r\nnew" }
	};
	/* This server knows no ranges: it sends the whole again. */
	struct script w = {
		.answer = { "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 10\r\n\r\n01234",
			    "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 10\r\n\r\n0123456789" }
	};
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct store *s;
	pthread_t t;
	int port;

	(void)unused;
	port = serve_start(&v, &t);
	s = open_uri(s3_uri("bucket", "minio", "x", port), 2000);
	OK(store_get(s, "k", 100, &got, &e));
	serve_stop(&v, t);
	assert_string_equal(got.buf, "new");
	store_free(s);
	strbuf_reset(&got);
	port = serve_start(&w, &t);
	s = open_uri(s3_uri("bucket", "minio", "x", port), 2000);
	assert_int_equal(store_get_stream(s, "k", append, &got, &e), -1);
	serve_stop(&w, t);
	assert_string_equal(got.buf, "01234");
	strbuf_release(&got);
	store_free(s);
}

static void a_taken_port_gives_way_to_a_free_one(void **unused)
{
	struct proc *p;
	struct minio *other;
	struct strbuf tail = STRBUF_INIT;
	char *data, *log, path[64];
	struct err e = ERR_INIT;
	FILE *f;

	(void)unused;
	need_minio();
	data = xstrfmt("%s/other", dir);
	log = xstrfmt("%s/other.log", dir);
	struct minio_opts o = { .data_dir = data,
				.log_path = log,
				.user = "minio",
				.password = SECRET,
				.port = minio_port(minio) };
	other = minio_start(&o, deadline_in_ms(30000), &e);
	if (!other)
		fail_msg("%s", e.text);
	assert_int_not_equal(minio_port(other), minio_port(minio));
	p = minio_proc(other);
	assert_true(proc_running(p));
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)proc_pid(p));
	assert_int_equal(fs_read_file(path, 65536, &tail, &e), 0);
	assert_null(memmem(tail.buf, tail.len, SECRET, strlen(SECRET)));
	minio_free(other);
	/* It cannot start where its data directory is a file. */
	free(data);
	data = xstrfmt("%s/broken", dir);
	assert_int_equal(fs_mkdir_p(data, 0755, &e), 0);
	o.data_dir = data;
	snprintf(path, sizeof(path), "%s/.minio.sys", data);
	f = fopen(path, "w");
	fputs("no directory", f);
	fclose(f);
	assert_null(minio_start(&o, deadline_in_ms(20000), &e));
	print_message("%s\n", e.text);
	strbuf_release(&tail);
	free(data);
	free(log);
}

/* Another MinIO answers on the port that ours was to have: ours is not ready. */
static void anothers_answer_is_not_ours(void **unused)
{
	const char *found = getenv("DRTEST_MINIO");
	char *was = found ? xstrdup(found) : NULL, *data = xstrfmt("%s/unheard", dir),
	     *log = xstrfmt("%s/unheard.log", dir), path[80];
	struct minio_opts o = {
		.data_dir = data, .log_path = log, .user = "minio", .password = SECRET
	};
	/* in a group of its own, it listens on the address that it was told; we do nothing */
	static const char script[] =
		"#!/bin/sh\n"
		"setsid python3 - \"$6\" \"$2/answered\" <<'P' &\n"
		"import http.server, sys\n"
		"class H(http.server.BaseHTTPRequestHandler):\n"
		"    def do_GET(self): self.send_response(200); self.end_headers(); open(sys.argv[2], 'a').write('x')\n"
		"    def log_message(self, *a): pass\n"
		"http.server.HTTPServer(('127.0.0.1', int(sys.argv[1].split(':')[1])), H).serve_forever()\n"
		"P\n"
		"while ! grep -qs xx \"$2/answered\"; do sleep 0.05; done\n"
		"kill $!\n"
		"echo 'FATAL port in disuse'\n"
		"exit 1\n";
	struct err e = ERR_INIT;

	(void)unused;
	snprintf(path, sizeof(path), "%s/impostor", dir);
	OK(fs_write_atomic(path, script, strlen(script), 0755, &e));
	setenv("DRTEST_MINIO", path, 1);
	assert_null(minio_start(&o, deadline_in_ms(120000), &e));
	assert_non_null(strstr(e.text, "FATAL port in disuse"));
	if (was)
		setenv("DRTEST_MINIO", was, 1);
	else
		unsetenv("DRTEST_MINIO");
	free(was);
	free(data);
	free(log);
}

static int setup(void **unused)
{
	struct err e = ERR_INIT;
	char *bin;

	(void)unused;
	strcpy(dir, "/tmp/drtest-test-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	if (guardian_start(&e) < 0)
		return -1;
	guardian_path(dir);
	bin = minio_find(&e);
	if (!bin) {
		print_message("skipping the S3 half: %s\n", e.text);
		return 0;
	}
	free(bin);
	minio = start_minio(0);
	return minio ? 0 : -1;
}

static int teardown(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	minio_free(minio);
	if (fs_remove_tree(dir, &e) < 0)
		print_message("%s\n", e.text);
	guardian_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_objects_in_a_directory),
		cmocka_unit_test(many_objects_in_s3),
		cmocka_unit_test(odd_keys_in_a_directory),
		cmocka_unit_test(odd_keys_in_s3),
		cmocka_unit_test(sizes_in_a_directory),
		cmocka_unit_test(sizes_in_s3),
		cmocka_unit_test(threads_in_a_directory),
		cmocka_unit_test(threads_in_s3),
		cmocka_unit_test(what_is_wrong_with_the_credentials_is_told),
		cmocka_unit_test(an_absent_bucket_is_told_from_an_absent_object),
		cmocka_unit_test(a_put_outlasts_a_restart_of_the_store),
		cmocka_unit_test(patience_ends),
		cmocka_unit_test(a_cut_download_resumes_where_it_stopped),
		cmocka_unit_test(a_replaced_object_is_never_mixed_with_the_old_one),
		cmocka_unit_test(a_taken_port_gives_way_to_a_free_one),
		cmocka_unit_test(anothers_answer_is_not_ours),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
