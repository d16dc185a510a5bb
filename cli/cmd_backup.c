#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "harness/backup/backup.h"

static const char backup_help[] =
	"usage: drtest backup --from URI --storage URI [--threads N] [--rate-limit MB] [--tso-map FILE] [--tidb-snapshot TSO] [--timeout DURATION]\n"
	"Writes a backup of all databases, as they are at one instant, to the storage: tables, views, sequences. What it does not carry (users,\n"
	"routines, triggers, events, history of versioned tables) is named. Rows go on changing meanwhile; a DDL waits until it is done.\n"
	"  --from URI         mysql://user:password@host:port/?ssl-ca=FILE; this URI and the next may be @FILE or env:NAME, argv is public\n"
	"  --storage URI      s3://bucket/prefix?endpoint=...&access-key=...  or  file:///directory\n"
	"  --threads N        connections that read at once (4)\n"
	"  --rate-limit MB    megabytes of rows a second, at most\n"
	"  --tso-map FILE     the local ground's commit clock: gives BackupTS\n"
	"  --tidb-snapshot T  TiDB: read at this TSO (the present one)\n"
	"  --timeout D        give up after 90s, 10m, 2h\n";
static const char restore_help[] =
	"usage: drtest restore --to URI --storage URI [--threads N] [--rate-limit MB] [--timeout DURATION]\n"
	"Restores a backup into a server that has none of its tables. The whole backup is checked before a row is written.\n"
	"Definitions are run only when they are a server's own CREATE of that object. A view whose function the server lacks is left out and named.\n";

struct options {
	const char *endpoint, *storage, *tso_map, *tidb_snapshot;
	unsigned threads;
	uint64_t rate;
	struct deadline deadline;
};

static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *out > 0 && *out <= max ? 0 : -1;
}

/* 0: go on; else the exit code + 1. */
static int parse(int argc, char **argv, bool backup, struct options *o)
{
	static const struct option longs[] = {
		{ "from", required_argument, NULL, 'e' },
		{ "to", required_argument, NULL, 'E' },
		{ "storage", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ "rate-limit", required_argument, NULL, 'r' },
		{ "tso-map", required_argument, NULL, 'm' },
		{ "tidb-snapshot", required_argument, NULL, 'S' },
		{ "timeout", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *help = backup ? backup_help : restore_help;
	uint64_t n;
	int64_t ms;
	int c;

	optind = 0; /* drtest parsed before us: glibc starts over */
	while ((c = options_next(argc, argv, "+h", longs, NULL)) != -1) {
		bool other = backup ? c == 'E' : c == 'e' || c == 'm' || c == 'S';

		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || other) {
			if (other)
				fprintf(stderr, "drtest %s: an option that is not for it\n",
					argv[0]);
			fputs(help, stderr);
			return 3;
		}
		if (c == 'e' || c == 'E')
			o->endpoint = optarg;
		else if (c == 's')
			o->storage = optarg;
		else if (c == 'm')
			o->tso_map = optarg;
		else if (c == 'S')
			o->tidb_snapshot = optarg;
		else if (c == 't' && parse_number(optarg, 64, &n) == 0)
			o->threads = (unsigned)n;
		else if (c == 'r' && parse_number(optarg, 1000000, &n) == 0)
			o->rate = n * 1000000;
		else if (c == 'd' && (ms = duration_parse_ms(optarg)) > 0)
			o->deadline = deadline_in_ms(ms);
		else {
			fprintf(stderr, "drtest %s: \"%.60s\" is out of range\n", argv[0], optarg);
			return 3;
		}
	}
	if (!o->endpoint || !o->storage || optind < argc) {
		fprintf(stderr, "drtest %s: %s\n%s", argv[0],
			optind < argc ? "too many arguments"
			: backup      ? "--from and --storage are needed"
				      : "--to and --storage are needed",
			help);
		return 3;
	}
	return 0;
}

static int finish(const char *name, int rc, const struct err *e, const struct store *st,
		  const struct backup_result *r)
{
	char when[TSO_TEXT_MAX] = "none";

	if (rc < 0) {
		fprintf(stderr, "drtest %s: %s\n", name, e->text);
		return err_exit_code(e);
	}
	if (r->backup_ts)
		tso_time_text(r->backup_ts, when);
	printf("Destination  %s\nSize         %" PRIu64 " bytes\nBackupTS     %" PRIu64
	       "  (%s)\nTables       %" PRIu64 "\nRows         %" PRIu64
	       "\nQueue        %.3f s\nExecution    %.3f s\n",
	       store_uri_redacted(st), r->size_bytes, r->backup_ts, when, r->tables, r->rows,
	       (double)r->queue_us / 1e6, (double)r->execution_us / 1e6);
	if (r->locked)
		printf("Note         a short global read lock was needed for one snapshot\n");
	if (*r->warnings)
		printf("Warning      %s\n", r->warnings);
	return 0;
}

static int run(int argc, char **argv, bool backup)
{
	struct options o = { 0 };
	struct sql_endpoint ep;
	struct backup_result r = { 0 };
	struct store *st = NULL;
	struct tso_map *map = NULL;
	struct err e = ERR_INIT;
	int rc = parse(argc, argv, backup, &o);

	if (rc)
		return rc - 1;
	rc = -1;
	if (sql_endpoint_from_uri(&ep, o.endpoint, &e) < 0 ||
	    !(st = store_open(o.storage, NULL, &e)))
		goto out;
	if (o.tso_map && !(map = tso_map_open(o.tso_map, &e)))
		goto out;
	if (backup) {
		struct backup_opts b = { .from = ep,
					 .threads = o.threads,
					 .rate_bytes_per_s = o.rate,
					 .tso_map = map,
					 .tidb_snapshot = o.tidb_snapshot,
					 .deadline = o.deadline };

		rc = store_create_bucket(st, &e) < 0 ? -1 : backup_run(st, &b, &r, &e);
	} else {
		struct restore_opts b = { .to = ep,
					  .threads = o.threads,
					  .rate_bytes_per_s = o.rate,
					  .deadline = o.deadline };

		rc = restore_run(st, &b, &r, &e);
	}
out:
	rc = finish(argv[0], rc, &e, st, &r);
	tso_map_free(map);
	store_free(st);
	return rc;
}

int cmd_backup(int argc, char **argv)
{
	return run(argc, argv, true);
}

int cmd_restore(int argc, char **argv)
{
	return run(argc, argv, false);
}
