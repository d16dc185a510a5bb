#include "harness/base/failpoint.h"

#ifdef DRTEST_FAILPOINTS
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MAX 16

static struct {
	char name[64];
	unsigned long at, hits;
	bool from_there_on, has_value;
	uint64_t value;
} faults[FAULTS_MAX];
static size_t n_faults;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_environment(void)
{
	const char *p = getenv("DRTEST_FAILPOINT");

	while (p && *p && n_faults < FAULTS_MAX) {
		size_t n = strcspn(p, ",");
		char one[64] = "", *number;

		memcpy(one, p, n < sizeof(one) ? n : sizeof(one) - 1);
		number = strchr(one, ':');
		faults[n_faults].at = number ? strtoul(number + 1, NULL, 10) : 1;
		faults[n_faults].from_there_on = !number || strchr(number, '+');
		if (number)
			*number = '\0';
		memcpy(faults[n_faults++].name, one, sizeof(one));
		p += n + (p[n] == ',');
	}
}

bool failpoint(const char *name)
{
	bool hit = false;

	pthread_once(&once, read_environment);
	for (size_t i = 0; i < n_faults; i++)
		if (!strcmp(faults[i].name, name)) {
			pthread_mutex_lock(&lock);
			faults[i].hits++;
			hit |= faults[i].hits == faults[i].at ||
			       (faults[i].from_there_on && faults[i].hits > faults[i].at);
			pthread_mutex_unlock(&lock);
		}
	return hit;
}

bool fault_same(const char *name, uint64_t value)
{
	bool hit = failpoint(name), same = false;

	for (size_t i = 0; i < n_faults; i++)
		if (!strcmp(faults[i].name, name)) {
			pthread_mutex_lock(&lock);
			if (hit) {
				faults[i].value = value;
				faults[i].has_value = true;
			}
			same |= faults[i].has_value && faults[i].value == value;
			pthread_mutex_unlock(&lock);
		}
	return same;
}
#endif

bool failpoints_built(void)
{
#ifdef DRTEST_FAILPOINTS
	return true;
#else
	return false;
#endif
}
