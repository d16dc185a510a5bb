/* chaos: faults in time on real processes and links: instants, heals, triggers, overlaps, and what
 * is said in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chaos/chaos.h"
#include "harness/base/clock.h"
#include "harness/base/xalloc.h"

#define SOON_MS 10000

static _Atomic int n_before, n_after, n_healed;

static void before(void *arg, void *tag)
{
	(void)arg, (void)tag;
	n_before++;
}
static void after(void *arg, void *tag, const struct fault *f)
{
	(void)arg, (void)tag, (void)f;
	n_after++;
}
static void healed(void *arg, void *tag, const struct fault *f)
{
	(void)arg, (void)tag, (void)f;
	n_healed++;
}

static struct chaos *chaos(void)
{
	struct err e = ERR_INIT;
	struct chaos *c = chaos_new(&(struct chaos_hooks){ before, after, healed, NULL }, &e);

	if (!c)
		fail_msg("%s", e.text);
	n_before = n_after = n_healed = 0;
	return c;
}

static struct proc *sleeper(void)
{
	struct err e = ERR_INIT;
	struct proc *p = proc_start(
		&(struct proc_opts){ .name = "sleeper",
				     .argv = (char *[]){ (char *)"sleep", (char *)"100", NULL } },
		&e);

	if (!p)
		fail_msg("%s", e.text);
	return p;
}

static struct fault on_proc(const struct fault_ops *ops, struct proc *p)
{
	struct fault f = { .ops = ops };
	struct err e = ERR_INIT;

	strcpy(f.target.name, "sleeper");
	assert_int_equal(proc_ref(p, &f.target.procs[0], &e), 0);
	f.target.n_procs = 1;
	return f;
}

static char state_of(struct proc *p)
{
	char path[64], text[256] = "";
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)proc_pid(p));
	fp = fopen(path, "re");
	if (fp && fgets(text, sizeof(text), fp))
		fclose(fp);
	return strrchr(text, ')') ? strrchr(text, ')')[2] : '?';
}

static void wait_state(const struct armed *a, enum fault_state s)
{
	struct deadline d = deadline_in_ms(SOON_MS);

	while (armed_state(a) != s)
		if (pause_ms(1, d) < 0)
			fail_msg("state %d, not %d", armed_state(a), s);
}

static void wait_letter(struct proc *p, char want)
{
	struct deadline d = deadline_in_ms(SOON_MS);

	while (state_of(p) != want)
		if (pause_ms(1, d) < 0)
			fail_msg("the process is in state %c, not %c", state_of(p), want);
}

static void a_pause_holds_until_it_is_healed_and_healing_twice_is_fine(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper();
	struct fault f = on_proc(&fault_pause, p);
	struct err e = ERR_INIT;
	struct armed *a;

	(void)unused;
	a = chaos_arm(c, &f, &(struct chaos_when){ 0 }, NULL, &e);
	assert_non_null(a);
	assert_int_equal(armed_state(a), FAULT_ACTIVE);
	wait_letter(p, 'T');
	assert_int_equal(chaos_active(c, NULL), 1);
	assert_int_equal(chaos_heal(c, a, &e), 0);
	wait_letter(p, 'S');
	assert_int_equal(chaos_heal(c, a, &e), 0);
	assert_int_equal(chaos_active(c, NULL), 0);
	assert_true(n_before == 1 && n_after == 1 && n_healed == 1);
	chaos_free(c);
	proc_free(p);
}

static void a_fault_comes_at_its_time_and_ends_after_its_time(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper();
	struct fault f = on_proc(&fault_pause, p);
	struct err e = ERR_INIT;
	int64_t now = clock_mono_ns();
	struct armed *a;

	(void)unused;
	a = chaos_arm(c, &f, &(struct chaos_when){ .at_ns = now + 50000000, .lasts_ns = 60000000 },
		      NULL, &e);
	assert_non_null(a);
	wait_state(a, FAULT_OVER);
	assert_true(armed_fault(a)->at_ns >= now + 50000000);
	assert_true(armed_fault(a)->healed_ns >= armed_fault(a)->at_ns + 60000000);
	wait_letter(p, 'S');
	chaos_free(c);
	proc_free(p);
}

static void what_is_in_force_or_to_come_is_healed_at_the_end(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper(), *q = sleeper();
	struct fault f = on_proc(&fault_pause, p), g = on_proc(&fault_pause, q);
	struct err e = ERR_INIT;

	(void)unused;
	assert_non_null(chaos_arm(c, &f, &(struct chaos_when){ 0 }, NULL, &e));
	assert_non_null(chaos_arm(
		c, &g, &(struct chaos_when){ .at_ns = clock_mono_ns() + 3600000000000 }, NULL, &e));
	assert_int_equal(chaos_heal_all(c, &e), 0);
	wait_letter(p, 'S');
	assert_int_equal(n_after, 1); /* the other one never came */
	chaos_free(c);
	proc_free(p);
	proc_free(q);
}

static void a_kill_is_ours_in_the_log_and_its_target_may_be_freed(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper();
	struct fault f = on_proc(&fault_kill, p), g = on_proc(&fault_kill, p);
	struct err e = ERR_INIT;

	(void)unused;
	assert_non_null(chaos_arm(c, &f, &(struct chaos_when){ .later_ns = 1000 }, NULL, &e));
	assert_int_equal(proc_wait(p, deadline_in_ms(SOON_MS)), 1);
	assert_string_equal(proc_how(p), "SIGKILL (ours)");
	assert_false(proc_killed_by_others(p));
	proc_free(p);
	assert_null(chaos_arm(c, &g, &(struct chaos_when){ 0 }, NULL, &e));
	assert_non_null(strstr(e.text, "has ended"));
	chaos_free(c);
}

static void a_kill_that_is_not_ours_is_told_apart(void **unused)
{
	struct proc *p = sleeper();

	(void)unused;
	kill(proc_pid(p), SIGKILL);
	assert_int_equal(proc_wait(p, deadline_in_ms(SOON_MS)), 1);
	assert_true(proc_killed_by_others(p));
	assert_non_null(strstr(proc_how(p), "not sent by drtest"));
	proc_free(p);
}

static void faults_of_one_group_on_one_target_may_not_overlap(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper(), *q = sleeper();
	struct err e = ERR_INIT;
	int64_t t = clock_mono_ns() + 3600000000000, s = 1000000000;
	struct fault f = on_proc(&fault_pause, p), g = on_proc(&fault_pause, p),
		     h = on_proc(&fault_kill, p), other = on_proc(&fault_pause, q),
		     later = on_proc(&fault_pause, p), memory = on_proc(&fault_memory, p);

	(void)unused;
	memory.args.memory_bytes = 1 << 30;
	assert_non_null(
		chaos_arm(c, &f, &(struct chaos_when){ .at_ns = t, .lasts_ns = 2 * s }, NULL, &e));
	assert_null(
		chaos_arm(c, &g, &(struct chaos_when){ .at_ns = t + s, .lasts_ns = s }, NULL, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "overlaps pause of sleeper"));
	assert_null(chaos_arm(c, &h, &(struct chaos_when){ .at_ns = t + s }, NULL, &e));
	assert_non_null(chaos_arm(c, &other, &(struct chaos_when){ .at_ns = t + s, .lasts_ns = s },
				  NULL, &e));
	assert_non_null(chaos_arm(
		c, &later, &(struct chaos_when){ .at_ns = t + 2 * s, .lasts_ns = s }, NULL, &e));
	assert_non_null(
		chaos_arm(c, &memory, &(struct chaos_when){ .at_ns = t, .lasts_ns = s }, NULL, &e));
	chaos_free(c);
	proc_free(p);
	proc_free(q);
}

/* ---- links: a server that takes and says nothing */

static int listener(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&a, &n);
	*port = ntohs(a.sin_port);
	return fd;
}

static int dial(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void a_request_kills_in_its_middle(void **unused)
{
	struct chaos *c = chaos();
	struct proc *p = sleeper();
	struct fault f = on_proc(&fault_kill, p);
	struct err e = ERR_INIT;
	int port, fd = listener(&port), client;
	struct netproxy *n =
		netproxy_start(&(struct netproxy_opts){ .to_port = port, .http = true }, &e);
	struct chaos_when w = {
		.trigger = CHAOS_REQUEST, .link = n, .match = "_row_", .nth = 1, .after_bytes = 3
	};
	struct armed *a;

	(void)unused;
	assert_non_null(n);
	a = chaos_arm(c, &f, &w, NULL, &e);
	assert_non_null(a);
	client = dial(netproxy_port(n));
	send(client, "PUT /x_meta_1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", 49, MSG_NOSIGNAL);
	send(client, "PUT /x_row_1 HTTP/1.1\r\nContent-Length: 9\r\n\r\nab", 46, MSG_NOSIGNAL);
	assert_int_equal(proc_wait(p, deadline_in_ms(50)), 0);
	send(client, "cd", 2, MSG_NOSIGNAL);
	assert_int_equal(proc_wait(p, deadline_in_ms(SOON_MS)), 1);
	wait_state(a, FAULT_OVER);
	close(client);
	chaos_free(c);
	netproxy_free(n);
	proc_free(p);
	close(fd);
}

static void a_heal_that_fails_is_kept_and_may_be_tried_again(void **unused)
{
	struct chaos *c = chaos();
	struct err e = ERR_INIT;
	int port, fd = listener(&port), thief = socket(AF_INET, SOCK_STREAM, 0);
	struct netproxy *n = netproxy_start(&(struct netproxy_opts){ .to_port = port }, &e);
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fault f = { .ops = &fault_cut,
			   .target = { .name = "feed → primary", .links = { n }, .n_links = 1 } };
	struct strbuf names = STRBUF_INIT;
	struct armed *a;

	(void)unused;
	a = chaos_arm(c, &f, &(struct chaos_when){ 0 }, NULL, &e);
	assert_non_null(a);
	at.sin_port = htons((uint16_t)netproxy_port(n));
	assert_int_equal(bind(thief, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(thief, 1), 0);
	assert_int_equal(chaos_heal(c, a, &e), -1);
	assert_int_equal(armed_state(a), FAULT_STUCK);
	assert_non_null(strstr(e.text, "heal cut of feed → primary"));
	assert_int_equal(chaos_active(c, &names), 1);
	assert_string_equal(names.buf, "cut of feed → primary");
	strbuf_release(&names);
	close(thief);
	assert_int_equal(chaos_heal(c, a, &e), 0);
	assert_int_equal(armed_state(a), FAULT_OVER);
	chaos_free(c);
	fault_link_forget(n);
	netproxy_free(n);
	close(fd);
}

static void faults_are_said_in_words(void **unused)
{
	static const struct {
		const char *words[4];
		const char *said; /* NULL: refused with */
		const char *why;
	} cases[] = {
		{ { "delay", "by=20ms", "jitter=5ms" }, "delay of x: 20 ms ± 5 ms", NULL },
		{ { "black_hole", "direction=up" }, "black_hole of x: there only", NULL },
		{ { "hole", "direction=up" }, "black_hole of x: there only", NULL },
		{ { "slow", "kb_per_s=100", "direction=down" },
		  "slow of x: 100 KB/s, back only",
		  NULL },
		{ { "refuse", "status=503", "share=0.25" },
		  "refuse of x: status 503, 25 % of the requests",
		  NULL },
		{ { "cut" }, "cut of x", NULL },
		{ { "frob" }, NULL, "unknown fault 'frob'" },
		{ { "cut", "by=1s" }, NULL, "cut has no argument 'by'" },
		{ { "delay", "by=fast" }, NULL, "by cannot be 'fast'" },
		{ { "delay", "by" }, NULL, "is not name=value" },
		{ { "delay" }, NULL, "delay needs by" },
		{ { "delay", "by=1ms", "jitter=2ms" }, NULL, "jitter must not be larger" },
		{ { "refuse", "status=200" }, NULL, "400 to 599" },
		{ { "refuse", "share=2" }, NULL, "share cannot be '2'" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf said = STRBUF_INIT;
		struct err e = ERR_INIT;
		struct fault f;
		size_t n = 0;
		int rc;

		while (n < 4 && cases[i].words[n])
			n++;
		rc = fault_parse(&f, cases[i].words, n, &e);
		if (rc == 0) {
			strcpy(f.target.name, "x");
			f.target.n_links = f.target.n_procs = 1;
			rc = fault_check(&f, &e);
		}
		if (cases[i].said) {
			if (rc < 0)
				fail_msg("%s", e.text);
			fault_describe(&f, &said);
			assert_string_equal(said.buf, cases[i].said);
		} else {
			assert_int_equal(rc, -1);
			assert_int_equal(e.kind, ERR_USAGE);
			if (!strstr(e.text, cases[i].why))
				fail_msg("'%s' does not say '%s'", e.text, cases[i].why);
		}
		strbuf_release(&said);
	}
}

static void memory_ends_where_it_was_told_and_comes_back(void **unused)
{
	struct chaos *c = chaos();
	struct err e = ERR_INIT;
	struct proc *p = sleeper();
	struct fault f = on_proc(&fault_memory, p);
	struct rlimit was, now;
	struct armed *a;

	(void)unused;
	f.args.memory_bytes = 64 << 20;
	assert_int_equal(prlimit(proc_pid(p), RLIMIT_AS, NULL, &was), 0);
	a = chaos_arm(c, &f, &(struct chaos_when){ 0 }, NULL, &e);
	assert_non_null(a);
	assert_int_equal(prlimit(proc_pid(p), RLIMIT_AS, NULL, &now), 0);
	assert_true(now.rlim_cur >= (64 << 20) && now.rlim_cur < was.rlim_cur);
	assert_int_equal(chaos_heal(c, a, &e), 0);
	assert_int_equal(prlimit(proc_pid(p), RLIMIT_AS, NULL, &now), 0);
	assert_true(now.rlim_cur == was.rlim_cur);
	chaos_free(c);
	proc_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_holds_until_it_is_healed_and_healing_twice_is_fine),
		cmocka_unit_test(a_fault_comes_at_its_time_and_ends_after_its_time),
		cmocka_unit_test(what_is_in_force_or_to_come_is_healed_at_the_end),
		cmocka_unit_test(a_kill_is_ours_in_the_log_and_its_target_may_be_freed),
		cmocka_unit_test(a_kill_that_is_not_ours_is_told_apart),
		cmocka_unit_test(faults_of_one_group_on_one_target_may_not_overlap),
		cmocka_unit_test(a_request_kills_in_its_middle),
		cmocka_unit_test(a_heal_that_fails_is_kept_and_may_be_tried_again),
		cmocka_unit_test(faults_are_said_in_words),
		cmocka_unit_test(memory_ends_where_it_was_told_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
