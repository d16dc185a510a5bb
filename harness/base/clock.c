#include "harness/base/clock.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_int cancelled_by;

int64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

struct deadline deadline_in_ms(int64_t ms)
{
	return (struct deadline){ clock_mono_ns() + ms * 1000000 };
}

int64_t deadline_left_ms(struct deadline d)
{
	int64_t left = d.at_ns - clock_mono_ns();

	return left <= 0 ? 0 : (left + 999999) / 1000000;
}

bool deadline_passed(struct deadline d)
{
	return clock_mono_ns() >= d.at_ns;
}

struct deadline deadline_min(struct deadline a, struct deadline b)
{
	return a.at_ns < b.at_ns ? a : b;
}

void clock_cancel(int signo)
{
	atomic_store(&cancelled_by, signo);
}

int clock_cancelled(void)
{
	return atomic_load(&cancelled_by);
}

void clock_on_end_signals(void (*handler)(int signo))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	struct sigaction a = { .sa_handler = handler }, before;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &a, &before);
		if (signals[i] == SIGHUP && before.sa_handler == SIG_IGN)
			sigaction(SIGHUP, &before, NULL);
	}
}

void clock_cancel_reset(void)
{
	atomic_store(&cancelled_by, 0);
}

int pause_ms(int64_t ms, struct deadline d)
{
	struct deadline until = deadline_min(deadline_in_ms(ms), d);
	int64_t left;

	/* In slices: another thread may take the signal, so EINTR alone would not wake this one. */
	while (!clock_cancelled() && (left = deadline_left_ms(until)) > 0)
		poll(NULL, 0, (int)(left < 50 ? left : 50));
	return clock_cancelled() || deadline_passed(d) ? -1 : 0;
}

int64_t duration_parse_ms(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	char *end;
	double v;

	v = strtod(text, &end);
	if (end == text ||
	    end != text + strspn(text, "0123456789.")) /* no sign, no "1e3", no "0x10" */
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit)) {
			v *= units[i].ms;
			return isfinite(v) && v >= 0 && v <= 30.0 * 86400000 ? (int64_t)llround(v)
									     : -1;
		}
	return -1;
}
