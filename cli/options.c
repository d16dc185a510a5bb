#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/nearest.h"
#include "harness/base/xalloc.h"
#include "suites/scenario_find.h"

#define OPTIONS_MAX 64
#define HELP_COLUMNS 110 /* a narrower terminal has less */
#define HELP_NARROW 70   /* below: an option's help stands under its name */
#define NAME_COLUMNS 26  /* a longer one has its help on the next line */
#define VALUE_FIRST 1000

static const struct option_def help_option = { .name = "help", .letter = 'h', .kind = OPTION_FLAG };

int options_wrong(const struct command_def *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "drtest %s: ", c->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (drtest %s --help)\n", c->name);
	return 2;
}

int option_wants(struct err *e, const char *text, const char *want)
{
	return err_set(e, ERR_USAGE, 0, "'%.80s' is not %s", text, want);
}

/* ---- values */

static int take_number(const struct option_def *o, const char *text, uint64_t *out, struct err *e)
{
	uint64_t max = o->max ? o->max : o->kind == OPTION_UNSIGNED ? INT32_MAX : UINT64_MAX;
	char *end, want[96];

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *out >= o->min && *out <= max)
		return 0;
	if (o->max)
		snprintf(want, sizeof(want), "a whole number from %" PRIu64 " to %" PRIu64, o->min,
			 max);
	else
		snprintf(want, sizeof(want), "a whole number of at least %" PRIu64, o->min);
	return option_wants(e, text, want);
}

/* "256MiB", "1GiB", "100MB", "1000000" */
static int take_size(const char *text, size_t *out, struct err *e)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = { { "", 1 },          { "KiB", 1 << 10 }, { "MiB", 1 << 20 },
		      { "GiB", 1 << 30 }, { "MB", 1000000 },  { "GB", 1000000000 } };
	char *end;
	uint64_t v = strtoull(text, &end, 10), n;

	for (size_t i = 0; *text >= '0' && *text <= '9' && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) && !__builtin_mul_overflow(v, units[i].bytes, &n) &&
		    n && n <= (uint64_t)1 << 40) {
			*out = (size_t)n;
			return 0;
		}
	return option_wants(e, text, "a size such as 256MiB or 1GB, at most 1TiB");
}

static int take_choice(const struct option_def *o, const char *text, int *out, struct err *e)
{
	size_t n = strlen(text);
	char want[200];
	int at = 0;

	for (const char *p = o->arg; *p; at++) {
		size_t len = strcspn(p, "|");

		if (len == n && !strncmp(p, text, n)) {
			*out = at;
			return 0;
		}
		p += len + (p[len] == '|');
	}
	snprintf(want, sizeof(want), "one of %s", o->arg);
	return option_wants(e, text, want);
}

static int take_on_off(const char *text, bool *out, struct err *e)
{
	*out = !*text || !strcmp(text, "on") || !strcmp(text, "true") || !strcmp(text, "1");
	if (*out || !strcmp(text, "off") || !strcmp(text, "false") || !strcmp(text, "0"))
		return 0;
	return option_wants(e, text, "on or off");
}

/* "" is none, and would be taken for the present folder or for no option at all. */
static bool is_place(const char *arg)
{
	static const char *const places[] = { "FILE", "DIR", "URI", "URL", "NAME", "HOST" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!strcmp(arg, places[i]))
			return true;
	return false;
}

int option_set(const struct option_def *o, void *into, const char *text, struct err *e)
{
	void *to = (char *)into + o->at;
	uint64_t n = 0;
	char *end;

	switch (o->kind) {
	case OPTION_FLAG: *(bool *)to = true; return 0;
	case OPTION_OFF: *(bool *)to = false; return 0;
	case OPTION_ON_OFF: return take_on_off(text, to, e);
	case OPTION_TEXT:
		if (!*text && o->arg && is_place(o->arg))
			return err_set(e, ERR_USAGE, 0, "%s must not be empty", o->arg);
		*(const char **)to = text;
		return 0;
	case OPTION_FIELD:
		if (strlen(text) >= o->max)
			return err_set(e, ERR_USAGE, 0, "at most %" PRIu64 " bytes", o->max - 1);
		memcpy(to, text, strlen(text) + 1);
		return 0;
	case OPTION_UNSIGNED:
		if (take_number(o, text, &n, e) < 0)
			return -1;
		*(unsigned *)to = (unsigned)n;
		return 0;
	case OPTION_WHOLE: return take_number(o, text, to, e);
	case OPTION_REAL:
		*(double *)to = strtod(text, &end);
		return end != text && !*end && isfinite(*(double *)to) && *(double *)to >= 0 &&
				       (*(double *)to > 0 || !o->min)
			       ? 0
			       : option_wants(e, text,
					      o->min ? "a number above 0"
						     : "a number of at least 0");
	case OPTION_TIME_MS:
		*(int64_t *)to = duration_parse_ms(text);
		return *(int64_t *)to > 0 ? 0
					  : option_wants(e, text, "a time such as 30s, 10m, 2h");
	case OPTION_SIZE: return take_size(text, to, e);
	case OPTION_CHOICE: return take_choice(o, text, to, e);
	case OPTION_TAKE: return o->take(into, text, e);
	case OPTION_IGNORED:
	case OPTION_RENAMED: return 0;
	}
	return 0;
}

const struct option_def *option_find(const struct option_def *table, const char *name)
{
	for (const struct option_def *o = table; o->name; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

const struct option_def *option_of_now(const struct command_def *c, const struct option_def *o)
{
	if (!o->now)
		return o;
	fprintf(stderr,
		"note: drtest %s: --%s is now --%s; the next version removes the old name\n",
		c->name, o->name, o->now);
	if (o->kind == OPTION_RENAMED)
		o = option_find(c->options, o->now);
	assert(o);
	return o;
}

/* ---- help */

static int help_columns(FILE *out)
{
	int fd = out == stdout ? STDOUT_FILENO : fileno(out); /* what stdout is now may have none */
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 && w.ws_col < HELP_COLUMNS
		       ? w.ws_col
		       : HELP_COLUMNS;
}

/* Prints text from column `from` on, broken at blanks; what follows a line break begins there. */
static void print_wrapped(FILE *out, const char *text, int from)
{
	int columns = help_columns(out);
	int at = from;

	while (*text) {
		size_t n = strcspn(text, " \n");
		int wide = 0;

		for (size_t i = 0; i < n; i++)
			wide += (text[i] & 0xc0) != 0x80;
		if (at > from && at + 1 + wide > columns) {
			fprintf(out, "\n%*s", from, "");
			at = from;
		}
		fprintf(out, "%s%.*s", at > from ? " " : "", (int)n, text);
		at += wide + (at > from);
		text += n;
		if (*text == '\n') {
			fprintf(out, "\n%*s", from, "");
			at = from;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

void options_beside(const char *text, int used, int from)
{
	if (!isatty(STDOUT_FILENO)) {
		printf("%*s%s\n", from > used ? from - used : 0, "", text);
		return;
	}
	if (help_columns(stdout) < HELP_NARROW && from > 8)
		from = 8;
	if (used > from)
		printf("\n%*s", from, "");
	else
		printf("%*s", from - used, "");
	print_wrapped(stdout, text, from);
}

void options_help(const struct command_def *c, FILE *out)
{
	bool narrow = help_columns(out) < HELP_NARROW;
	int width = 0;
	const char *line = c->usage;

	for (bool first = true; *line; first = false) {
		size_t n = strcspn(line, "\n");

		if (narrow && first) {
			fputs("usage: ", out);
			print_wrapped(out, line, 7);
			break;
		}
		fprintf(out, "%s%.*s\n", first ? "usage: " : "       ", (int)n, line);
		line += n + (line[n] == '\n');
	}
	print_wrapped(out, c->about, 0);
	for (const struct option_def *o = c->options; o->name; o++) {
		int n = (int)strlen(o->name) + 2 + (o->arg ? 1 + (int)strlen(o->arg) : 0) +
			(o->letter ? 4 : 0);

		if (o->help && n > width && n <= NAME_COLUMNS)
			width = n;
	}
	for (const struct option_def *o = c->options; o->name; o++) {
		char name[120], letter[8] = "", help[512];

		if (!o->help)
			continue;
		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(name, sizeof(name), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		fprintf(out, "  %-*s", narrow ? 0 : width, name);
		if (narrow)
			fputs("\n    ", out);
		else if ((int)strlen(name) > width)
			fprintf(out, "\n%*s", width + 2, "");
		fputs("  ", out);
		snprintf(help, sizeof(help), "%s%s%s", o->verbs ? o->verbs : "",
			 o->verbs ? ": " : "", o->help);
		print_wrapped(out, help, narrow ? 6 : width + 4);
	}
	if (c->more)
		print_wrapped(out, c->more, 0);
}

/* ---- the command line */

int options_give(struct options_given *g, const struct option_def *o, const char *text,
		 struct err *e)
{
	size_t name = o->times == OPTION_PER_NAME ? strcspn(text, "=") : 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->given[i].o == o && o->times != OPTION_OFTEN &&
		    (!name || (!strncmp(g->given[i].text, text, name) &&
			       g->given[i].text[name] == text[name])))
			return err_set(e, ERR_USAGE, 0, "--%s%s%.*s is given twice: remove one",
				       o->name, name ? " " : "", (int)name, text);
	g->given = xreallocarray(g->given, g->n + 1, sizeof(*g->given));
	g->given[g->n++] = (struct option_given){ o, text };
	return 0;
}

void options_given_release(struct options_given *g)
{
	free(g->given);
	*g = (struct options_given){ 0 };
}

static int refuse_unknown(const struct command_def *c, const char *arg, const struct option *longs)
{
	const char *names[OPTIONS_MAX + 1], *meant;
	size_t n = 0;
	char word[64];

	for (const struct option *o = longs; o->name; o++)
		names[n++] = o->name;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "="), arg);
	meant = nearest(word + strspn(word, "-"), names, n);
	return meant ? options_wrong(c, "unknown option %s: did you mean --%s?", word, meant)
		     : options_wrong(c, "unknown option %s", word);
}

/* "-seed": getopt took its first letter for an option. NULL: the word is a letter or several. */
static const char *long_of_one_hyphen(char *const *argv)
{
	const char *now = argv[optind], *before = argv[optind - 1];

	if (now && now[0] == '-' && now[1] == (char)optopt && now[2])
		return now;
	return before[0] == '-' && before[1] == (char)optopt && before[2] ? before : NULL;
}

/* What getopt_long() did not take. */
static int refuse_option(const struct command_def *c, char *const *argv, const struct option *longs)
{
	const char *word;

	if (optopt < VALUE_FIRST && optopt)
		for (const struct option_def *o = c->options; o->name; o++)
			if (o->letter == optopt)
				return options_wrong(c, "-%c needs a value", optopt);
	for (const struct option *o = longs; optopt >= VALUE_FIRST && o->name; o++)
		if (o->val == optopt)
			return options_wrong(c,
					     o->has_arg == required_argument
						     ? "--%s needs a value"
						     : "--%s takes no value",
					     o->name);
	if (optopt && (word = long_of_one_hyphen(argv)))
		return refuse_unknown(c, word, longs);
	if (optopt)
		return options_wrong(c, "unknown option -%c", optopt);
	return refuse_unknown(c, argv[optind - 1], longs);
}

static bool is_for(const struct option_def *o, const char *verb)
{
	const char *at = o->verbs ? strstr(o->verbs, verb) : verb;

	return at && (!o->verbs || !at[strlen(verb)] || at[strlen(verb)] == ',');
}

static int take_option(const struct command_def *c, const char *verb, const struct option_def *o,
		       struct options_given *given, void *into)
{
	struct err e = ERR_INIT;

	o = option_of_now(c, o);
	if (!is_for(o, verb))
		return options_wrong(c, "--%s is not for %s, only for %s", o->name, verb, o->verbs);
	if (optarg && options_give(given, o, optarg, &e) < 0)
		return options_wrong(c, "%s", e.text);
	return option_set(o, into, optarg, &e) < 0 ? options_wrong(c, "--%s: %s", o->name, e.text)
						   : 0;
}

static int argument_of(const struct option_def *o)
{
	if (o->kind == OPTION_FLAG || o->kind == OPTION_OFF)
		return no_argument;
	return o->kind == OPTION_IGNORED && !o->arg ? optional_argument : required_argument;
}

/* One operand too many, and the last that was expected. */
static int refuse_operand(const struct command_def *c, const char *word, const char *before)
{
	/* a hyphen that an editor or a chat made longer: en dash, em dash, minus */
	static const char *const dashes[] = { "\u2013", "\u2014", "\u2212" };

	for (size_t i = 0; i < sizeof(dashes) / sizeof(dashes[0]); i++)
		if (!strncmp(word, dashes[i], 3))
			return options_wrong(c,
					     "unexpected argument '%.80s': an option begins with "
					     "two hyphens (--)",
					     word);
	return before ? options_wrong(c, "unexpected argument '%.80s' after '%.80s'", word, before)
		      : options_wrong(c, "unexpected argument '%.80s'", word);
}

/* As getopt_long() wants them: the table's options, then --help. */
struct getopt_options {
	struct option longs[OPTIONS_MAX + 2];
	const struct option_def *defs[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 8];
	size_t n;
};

static void for_getopt(const struct command_def *c, struct getopt_options *g)
{
	size_t len = 1;

	*g = (struct getopt_options){ .letters = "h" };
	for (const struct option_def *o = c->options; o->name && g->n < OPTIONS_MAX; o++, g->n++) {
		int has = argument_of(o->kind == OPTION_RENAMED ? option_find(c->options, o->now)
								: o);

		g->defs[g->n] = o;
		g->longs[g->n] = (struct option){ o->name, has, NULL, VALUE_FIRST + (int)g->n };
		if (o->letter) {
			g->letters[len++] = o->letter;
			if (has == required_argument)
				g->letters[len++] = ':';
		}
	}
	g->defs[g->n] = &help_option;
	g->longs[g->n] = (struct option){ "help", no_argument, NULL, VALUE_FIRST + (int)g->n };
}

int options_parse(const struct command_def *c, int argc, char **argv, void *into)
{
	struct options_given given = { 0 };
	struct getopt_options g;
	int v, rc = 0;

	for_getopt(c, &g);
	optind = 0; /* glibc: from the beginning, whatever was parsed before */
	opterr = 0;
	while (!rc) {
		const struct option_def *o = NULL;

		optopt = 0;
		v = getopt_long(argc, argv, g.letters, g.longs, NULL);
		if (v == -1)
			break;
		for (size_t i = 0; v < VALUE_FIRST && i <= g.n && !o; i++)
			o = g.defs[i]->letter == v ? g.defs[i] : NULL;
		o = v < VALUE_FIRST ? o : g.defs[v - VALUE_FIRST];
		if (v == '?') {
			rc = refuse_option(c, argv, g.longs);
		} else if (o == &help_option) {
			options_help(c, stdout);
			rc = 1;
		} else {
			rc = take_option(c, argv[0], o, &given, into);
		}
	}
	options_given_release(&given);
	if (!rc && argc - optind > c->operands_max)
		rc = refuse_operand(c, argv[optind + c->operands_max],
				    c->operands_max ? argv[optind + c->operands_max - 1] : NULL);
	return rc;
}

int options_no_verb(const struct command_def *c, const char *verb, const char *const *verbs,
		    size_t n)
{
	const char *meant = *verb ? nearest(verb, verbs, n) : NULL;
	char all[200] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 verbs[i]);
	if (!*verb)
		return options_wrong(c, "missing verb: %s", all);
	return meant ? options_wrong(c, "there is no verb '%.80s': did you mean '%s'?", verb, meant)
		     : options_wrong(c, "there is no verb '%.80s': there are %s", verb, all);
}

const char *options_scenario(const char *command, const char *name)
{
	const char *file = scenario_find(name), *meant,
		   *what = strcmp(command, "suite") ? "scenario" : "suite";
	int cause;

	if (access(file, R_OK) == 0)
		return file;
	cause = errno;
	meant = cause == ENOENT ? scenario_nearest(name) : NULL;
	if (meant)
		fprintf(stderr, "drtest %s: no %s '%s': did you mean '%s'? (drtest list)\n",
			command, what, name, meant);
	else if (cause == ENOENT && !strchr(name, '/') && !strstr(name, ".lua"))
		fprintf(stderr,
			"drtest %s: no %s '%s' here, in scenarios/, in $DRTEST_SCENARIOS or next to drtest (see drtest list)\n",
			command, what, name);
	else
		fprintf(stderr, "drtest %s: %s %s: %s (see drtest list)\n", command, what, name,
			strerror(cause));
	return NULL;
}
