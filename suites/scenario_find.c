#include "suites/scenario_find.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/nearest.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

static char found[PATH_MAX];

/* The folders in their order; false after the last one. One that is not there is "". */
static int find_folder(int i, char out[PATH_MAX])
{
	static const char *const beside[] = { "share/drtest/scenarios", "scenarios" };
	const char *told = getenv("DRTEST_SCENARIOS");
	char exe[PATH_MAX], *slash;
	ssize_t n;

	out[0] = '\0';
	if (i == 0)
		snprintf(out, PATH_MAX, "scenarios");
	else if (i == 1 && told)
		snprintf(out, PATH_MAX, "%s", told);
	if (i < 2)
		return 1;
	if (i - 2 >= (int)(sizeof(beside) / sizeof(beside[0])))
		return 0;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return 1;
	exe[n] = '\0';
	/* beside the program's own folder: PREFIX/bin, build */
	for (int up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (!slash)
			return 1;
		*slash = '\0';
	}
	if (snprintf(out, PATH_MAX, "%s/%s", exe, beside[i - 2]) >= PATH_MAX)
		out[0] = '\0';
	return 1;
}

const char *scenario_find(const char *name)
{
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	size_t n = strlen(base);
	const char *end = n > 4 && !strcmp(base + n - 4, ".lua") ? "" : ".lua";
	char dir[PATH_MAX];

	/* another folder than scenarios/ was meant as it stands */
	if (fs_exists(name) || !*base ||
	    (base != name && (size_t)(base - name) != strlen("scenarios/")) ||
	    (base != name && strncmp(name, "scenarios/", strlen("scenarios/")) != 0))
		return name;
	for (int i = 0; find_folder(i, dir); i++)
		if (dir[0] &&
		    snprintf(found, sizeof(found), "%s/%s%s", dir, base, end) <
			    (int)sizeof(found) &&
		    fs_exists(found))
			return found;
	return name;
}

const char *scenario_folder(void)
{
	for (int i = 0; find_folder(i, found); i++)
		if (found[0] && fs_exists(found))
			return found;
	return NULL;
}

struct names {
	char **name;
	size_t n;
};

static int collect_scenario(void *arg, const char *name, struct err *e)
{
	struct names *to = arg;
	size_t n = strlen(name);

	(void)e;
	if (n <= 4 || strcmp(name + n - 4, ".lua") != 0)
		return 0;
	to->name = xreallocarray(to->name, to->n + 1, sizeof(to->name[0]));
	to->name[to->n] = xstrdup(name);
	to->name[to->n++][n - 4] = '\0';
	return 0;
}

const char *scenario_nearest(const char *name)
{
	const char *base = strncmp(name, "scenarios/", 10) ? name : name + 10;
	const char *dir = strchr(base, '/') ? NULL : scenario_folder(), *meant = NULL;
	struct names all = { 0 };
	struct err e = ERR_INIT;
	char word[PATH_MAX];
	size_t n;

	snprintf(word, sizeof(word), "%s", base);
	n = strlen(word);
	if (n > 4 && !strcmp(word + n - 4, ".lua"))
		word[n - 4] = '\0';
	if (dir && fs_list(dir, collect_scenario, &all, &e) >= 0)
		meant = nearest(word, (const char *const *)all.name, all.n);
	if (meant)
		snprintf(found, sizeof(found), "%s", meant);
	for (size_t i = 0; i < all.n; i++)
		free(all.name[i]);
	free(all.name);
	return meant ? found : NULL;
}
