#include "harness/tidb/playground_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"

/* [start, start + n) without colours, title sequences and cursor moves; cut at what `out` takes. */
static void strip_controls(char *out, size_t room, const char *start, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < room; i++) {
		if (start[i] != 033) {
			if (start[i] != '\r')
				out[len++] = start[i];
		} else if (i + 1 < n && start[i + 1] == ']') { /* OSC: to BEL or ESC \ */
			while (i < n && start[i] != 7)
				i++;
		} else if (i + 1 < n && start[i + 1] == '[') { /* CSI: to a letter */
			i += 2;
			while (i < n && !((start[i] >= 'A' && start[i] <= 'Z') ||
					  (start[i] >= 'a' && start[i] <= 'z')))
				i++;
		} else if (i + 1 < n) {
			i++; /* ESC and one more: ESC 7, ESC 8, ESC = */
		}
	}
	while (len && (out[len - 1] == ' ' || out[len - 1] == '\t'))
		len--;
	out[len] = '\0';
}

static int port_parse(const char *text, unsigned *port)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (*text < '0' || *text > '9' || !n || n > 65535)
		return -1;
	*port = (unsigned)n;
	return 0;
}

/* "host:port" with whatever behind it; a scheme before it is skipped. */
static int address_parse(struct playground_address *a, const char *text)
{
	const char *p = strstr(text, "://"), *colon;
	size_t n;

	if (p)
		text = p + 3;
	n = strcspn(text, "/, \t]\"");
	for (colon = text + n; colon > text && *colon != ':';)
		colon--;
	if (colon == text || (size_t)(colon - text) >= sizeof(a->host))
		return -1;
	memcpy(a->host, text, (size_t)(colon - text));
	a->host[colon - text] = '\0';
	return port_parse(colon + 1, &a->port);
}

/* The value of an option in a line of words: "--host 127.0.0.1". */
static const char *word_after(const char *line, const char *option, char *out, size_t room)
{
	const char *p = strstr(line, option);
	size_t n;

	if (!p)
		return NULL;
	p += strlen(option);
	p += strspn(p, " =");
	n = strcspn(p, " ");
	if (!n || n >= room)
		return NULL;
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

static void take_sql(struct playground_text *t, const char *line)
{
	struct playground_address a = { 0 };
	char port[16];
	size_t at;

	if (!word_after(line, "--host", a.host, sizeof(a.host)) ||
	    !word_after(line, "--port", port, sizeof(port)) || port_parse(port, &a.port) < 0)
		return;
	t->started = true;
	for (size_t i = 0; i < t->n_sql; i++)
		if (t->sql[i].port == a.port && !strcmp(t->sql[i].host, a.host))
			return;
	if (t->n_sql == PLAYGROUND_SQL_MAX)
		return;
	for (at = t->n_sql++; at && t->sql[at - 1].port > a.port; at--)
		t->sql[at] = t->sql[at - 1];
	t->sql[at] = a;
}

/* "tidb-0 quit: exit status 3" */
static void take_quit(struct playground_text *t, const char *line)
{
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (!n || n > 60 || strncmp(line + n, " quit", 5) != 0 ||
	    (line[n + 5] && line[n + 5] != ':') || t->stopping || t->quit[0])
		return;
	snprintf(t->quit, sizeof(t->quit), "%.*s%.200s", (int)n, line,
		 line[n + 5] ? line + n + 5 : ": no status");
}

static bool begins_with(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

static void take_line(struct playground_text *t, const char *line)
{
	const char *p;

	if (begins_with(line, "Connect TiDB:") || begins_with(line, "To connect TiDB:")) {
		take_sql(t, line);
	} else if (begins_with(line, "TiDB Dashboard:") ||
		   begins_with(line, "To view the dashboard:") ||
		   begins_with(line, "PD Endpoints:") ||
		   begins_with(line, "PD client endpoints:")) {
		p = strchr(line, ':') + 1;
		p += strspn(p, " [");
		if (!t->pd.port)
			address_parse(&t->pd, p);
	} else if (begins_with(line, "Error: ")) {
		if (!t->failed[0])
			snprintf(t->failed, sizeof(t->failed), "%.500s", line + 7);
	} else if (begins_with(line, "Playground receive signal:") || begins_with(line, "Force ")) {
		t->stopping = true;
	} else if (begins_with(line, "check detail log from: ")) {
		if (t->quit[0] && !t->quit_log[0])
			snprintf(t->quit_log, sizeof(t->quit_log), "%.500s", line + 23);
	} else if ((p = strstr(line, " ... Error")) && !p[10]) {
		const char *from = begins_with(line, "- TiDB: ") ? line + 8 : line;

		snprintf(t->late, sizeof(t->late), "%.*s", (int)(p - from < 255 ? p - from : 255),
			 from);
	} else {
		take_quit(t, line);
	}
}

/* The end of the line that begins at at: where it is broken, or the cursor goes up or down (a
 * spinner turns without a line feed). *next is behind it. NULL: it is still being written. */
static const char *line_end(const char *at, const char *end, const char **next)
{
	for (const char *p = at; p < end; p++) {
		const char *q = p + 2;

		if (*p == '\n') {
			*next = p + 1;
			return p;
		}
		if (*p != 033 || q >= end || p[1] != '[')
			continue;
		while (q < end && *q >= '0' && *q <= '9')
			q++;
		if (q < end && (*q == 'A' || *q == 'B')) {
			*next = q + 1;
			return p;
		}
	}
	return NULL;
}

void playground_text_parse(struct playground_text *t, const char *text, size_t n)
{
	const char *at = text, *end, *next;
	char line[1024];

	memset(t, 0, sizeof(*t));
	/* a line that is still being written says half of what it means */
	for (; (end = line_end(at, text + n, &next)); at = next) {
		strip_controls(line, sizeof(line), at, (size_t)(end - at));
		take_line(t, line);
	}
}

int playground_meta_pid(const char *text, size_t n, pid_t *pid)
{
	json_t *j = foreign_json(text, n, NULL), *v = j ? json_object_get(j, "pid") : NULL;
	int rc = -1;

	if (json_is_integer(v) && json_integer_value(v) > 1 && json_integer_value(v) < (1 << 22)) {
		*pid = (pid_t)json_integer_value(v);
		rc = 0;
	}
	json_decref(j);
	return rc;
}

/* The value of "--name=value" or "-P value" among the arguments; NULL: not there. */
static const char *find_argument(const char *cmdline, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < n; at += strlen(cmdline + at) + 1) {
		const char *arg = cmdline + at;

		if (!strncmp(arg, name, len) && arg[len] == '=')
			return arg + len + 1;
		if (!strcmp(arg, name) && at + strlen(arg) + 1 < n)
			return arg + strlen(arg) + 1;
	}
	return NULL;
}

static int host_and_port(struct playground_address *a, const char *host, const char *port)
{
	if (!host || !port || strlen(host) >= sizeof(a->host))
		return -1;
	strcpy(a->host, host);
	return port_parse(port, &a->port);
}

int playground_component_parse(struct playground_component *c, const char *cmdline, size_t n)
{
	const char *client = find_argument(cmdline, n, "--advertise-client-urls"),
		   *addr = find_argument(cmdline, n, "--advertise-addr"),
		   *status = find_argument(cmdline, n, "--status-addr"),
		   *log = find_argument(cmdline, n, "--log-file");
	struct playground_address s = { 0 };

	memset(c, 0, sizeof(*c));
	if (!n || cmdline[n - 1] || !log || strlen(log) >= sizeof(c->log))
		return -1;
	strcpy(c->log, log);
	if (client) {
		c->kind = PLAYGROUND_PD;
		return address_parse(&c->address, client);
	}
	if (addr && find_argument(cmdline, n, "--pd-endpoints")) {
		c->kind = PLAYGROUND_TIKV;
		if (status && address_parse(&s, status) == 0)
			c->status_port = s.port;
		return address_parse(&c->address, addr);
	}
	if (addr && find_argument(cmdline, n, "--pd")) {
		c->kind = PLAYGROUND_TICDC;
		return address_parse(&c->address, addr);
	}
	if (find_argument(cmdline, n, "--store")) {
		c->kind = PLAYGROUND_TIDB;
		if (find_argument(cmdline, n, "--status"))
			port_parse(find_argument(cmdline, n, "--status"), &c->status_port);
		return host_and_port(&c->address, find_argument(cmdline, n, "--host"),
				     find_argument(cmdline, n, "-P"));
	}
	c->kind = PLAYGROUND_OTHER;
	return 0;
}

int tool_version_parse(const char *text, unsigned v[3])
{
	const char *p = strstr(text, "TiDB-v");
	int n;

	p = p ? p + 6 : text;
	p += strcspn(p, "0123456789");
	v[0] = v[1] = v[2] = 0;
	n = sscanf(p, "%9u.%9u.%9u", &v[0], &v[1], &v[2]);
	return n >= 2 ? 0 : -1;
}

int tool_version_cmp(const unsigned a[3], unsigned major, unsigned minor, unsigned patch)
{
	const unsigned b[3] = { major, minor, patch };

	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}
