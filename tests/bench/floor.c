/* The floor of a client: oltp_write_only's statements as bytes made beforehand, sent over sockets;
 * of the answers nothing is looked at but where they end and whether they are errors. No SQL, no
 * Lua, no histogram, no ledger: what is left is the kernel's TCP, which every client pays. floor
 * PORT TABLES ROWS CONNECTIONS SECONDS prepared|text; prints transactions, refused ones, seconds
 * and CPU as one line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STEPS 6      /* BEGIN, four statements, COMMIT */
#define TXNS 256     /* of each connection, again and again */
#define ANSWER 65536 /* bytes of one read */
#define C_BYTES 119
#define PAD_BYTES 59
#define TYPE_LONG 3
#define TYPE_STRING 0xfd

static const char *const text[4] = {
	"UPDATE sbtest%u SET k=k+1 WHERE id=%u", "UPDATE sbtest%u SET c='%s' WHERE id=%u",
	"DELETE FROM sbtest%u WHERE id=%u",
	"INSERT INTO sbtest%u (id, k, c, pad) VALUES (%u, %u, '%s', '%s')"
};
static const char *const prepared[4] = {
	"UPDATE sbtest%u SET k=k+1 WHERE id=?", "UPDATE sbtest%u SET c=? WHERE id=?",
	"DELETE FROM sbtest%u WHERE id=?",
	"INSERT INTO sbtest%u (id, k, c, pad) VALUES (?, ?, ?, ?)"
};

struct packet {
	char *bytes;
	size_t n;
};
struct client {
	MYSQL *handle;
	int fd;
	unsigned long (*id)[4]; /* of prepared statements, by table */
	struct packet packet[TXNS][STEPS];
	unsigned txn, step;
	bool undo; /* a ROLLBACK is under way */
	size_t have;
	unsigned char head[5]; /* of the answer: its length and its first byte */
	size_t left;           /* bytes of the answer that are still to come */
};

static uint64_t state = 88172645463325252u;
static unsigned draw(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % n) + 1;
}

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(3);
}

static void digits(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = i % 12 == 11 ? '-' : (char)('0' + draw(10) % 10);
	out[n] = 0;
}

static struct packet wrap(const char *body, size_t n)
{
	struct packet p = { malloc(n + 4), n + 4 };

	p.bytes[0] = (char)(n & 255);
	p.bytes[1] = (char)(n >> 8 & 255);
	p.bytes[2] = (char)(n >> 16 & 255);
	p.bytes[3] = 0;
	memcpy(p.bytes + 4, body, n);
	return p;
}

static struct packet query(const char *sql)
{
	char body[1024];

	body[0] = 3; /* COM_QUERY */
	snprintf(body + 1, sizeof(body) - 1, "%s", sql);
	return wrap(body, 1 + strlen(sql));
}

/* Numbers where the text is NULL. */
static struct packet execute(unsigned long id, const char *const *texts, const unsigned *numbers,
			     size_t n)
{
	char body[1024] = { 23 }; /* COM_STMT_EXECUTE */
	size_t at = 10;

	for (int i = 0; i < 4; i++)
		body[1 + i] = (char)(id >> (8 * i) & 255);
	body[6] = 1; /* iterations */
	at += 1;     /* no NULLs: one byte for up to eight values */
	body[at++] = 1;
	for (size_t i = 0; i < n; i++) {
		body[at++] = (char)(texts[i] ? TYPE_STRING : TYPE_LONG);
		body[at++] = 0;
	}
	for (size_t i = 0; i < n; i++)
		if (texts[i]) {
			size_t len = strlen(texts[i]);

			body[at++] = (char)len;
			memcpy(body + at, texts[i], len);
			at += len;
		} else {
			memcpy(body + at, &numbers[i], 4);
			at += 4;
		}
	return wrap(body, at);
}

static void make_packets(struct client *c, unsigned tables, unsigned rows, bool text_mode)
{
	for (unsigned t = 0; t < TXNS; t++) {
		unsigned table[4], a = draw(rows), b = draw(rows), d = draw(rows), k = draw(rows);
		char c1[C_BYTES + 1], c2[C_BYTES + 1], pad[PAD_BYTES + 1], sql[1024];
		struct packet *p = c->packet[t];

		for (int i = 0; i < 3; i++)
			table[i] = draw(tables);
		table[3] = table[2]; /* what is inserted was deleted */
		digits(c1, C_BYTES);
		digits(c2, C_BYTES);
		digits(pad, PAD_BYTES);
		p[0] = query("BEGIN");
		p[5] = query("COMMIT");
		if (text_mode) {
			snprintf(sql, sizeof(sql), text[0], table[0], a);
			p[1] = query(sql);
			snprintf(sql, sizeof(sql), text[1], table[1], c1, b);
			p[2] = query(sql);
			snprintf(sql, sizeof(sql), text[2], table[2], d);
			p[3] = query(sql);
			snprintf(sql, sizeof(sql), text[3], table[3], d, k, c2, pad);
			p[4] = query(sql);
			continue;
		}
		p[1] = execute(c->id[table[0] - 1][0], (const char *[]){ NULL }, &a, 1);
		p[2] = execute(c->id[table[1] - 1][1], (const char *[]){ c1, NULL },
			       (unsigned[]){ 0, b }, 2);
		p[3] = execute(c->id[table[2] - 1][2], (const char *[]){ NULL }, &d, 1);
		p[4] = execute(c->id[table[3] - 1][3], (const char *[]){ NULL, NULL, c2, pad },
			       (unsigned[]){ d, k, 0, 0 }, 4);
	}
}

static void prepare(struct client *c, unsigned tables)
{
	c->id = calloc(tables, sizeof(*c->id));
	for (unsigned t = 0; t < tables; t++)
		for (int i = 0; i < 4; i++) {
			MYSQL_STMT *s = mysql_stmt_init(c->handle);
			char sql[200];

			snprintf(sql, sizeof(sql), prepared[i], t + 1);
			if (mysql_stmt_prepare(s, sql, strlen(sql)) != 0)
				die("prepare", mysql_stmt_error(s));
			c->id[t][i] = s->stmt_id; /* it stays open: the handle is never closed */
		}
}

static void send_packet(struct client *c, const struct packet *p)
{
	if (write(c->fd, p->bytes, p->n) != (ssize_t)p->n)
		die("write", strerror(errno));
	c->have = 0;
}

/* 1: the answer has ended; *refused: it was an error. One packet each: none of these returns rows.
 */
static int answered(struct client *c, bool *refused)
{
	static unsigned char in[ANSWER];
	ssize_t n = read(c->fd, in, sizeof(in));
	size_t used = 0;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		die("read", n ? strerror(errno) : "the server closed the connection");
	if (n < 0)
		return 0;
	while (c->have < sizeof(c->head) && used < (size_t)n) {
		c->head[c->have++] = in[used++];
		if (c->have == sizeof(c->head))
			c->left = (size_t)(c->head[0] | c->head[1] << 8 | c->head[2] << 16) - 1;
	}
	if (c->have < sizeof(c->head))
		return 0;
	c->left -= (size_t)n - used;
	*refused = c->head[4] == 0xff;
	return c->left == 0;
}

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return seconds_of(u.ru_utime) + seconds_of(u.ru_stime);
}

int main(int argc, char **argv)
{
	unsigned port, tables, rows, n, refused = 0;
	uint64_t done = 0;
	struct client *client;
	struct packet rollback = query("ROLLBACK");
	struct epoll_event ev[64];
	double from, until, cpu_from;
	int ep = epoll_create1(0);
	bool text_mode;

	if (argc != 7)
		die("usage", "floor PORT TABLES ROWS CONNECTIONS SECONDS prepared|text");
	port = (unsigned)atoi(argv[1]);
	tables = (unsigned)atoi(argv[2]);
	rows = (unsigned)atoi(argv[3]);
	n = (unsigned)atoi(argv[4]);
	text_mode = !strcmp(argv[6], "text");
	client = calloc(n, sizeof(*client));
	for (unsigned i = 0; i < n; i++) {
		struct client *c = &client[i];

		c->handle = mysql_init(NULL);
		if (!mysql_real_connect(c->handle, "127.0.0.1", "root", "", "sbtest", port, NULL,
					0))
			die("connect", mysql_error(c->handle));
		if (!text_mode)
			prepare(c, tables);
		make_packets(c, tables, rows, text_mode);
		c->fd = (int)mysql_get_socket(c->handle);
		fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
		epoll_ctl(ep, EPOLL_CTL_ADD, c->fd,
			  &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c });
	}
	from = now();
	until = from + atof(argv[5]);
	cpu_from = cpu();
	for (unsigned i = 0; i < n; i++)
		send_packet(&client[i], &client[i].packet[0][0]);
	while (now() < until) {
		int ready = epoll_wait(ep, ev, 64, 100);

		for (int i = 0; i < ready; i++) {
			struct client *c = ev[i].data.ptr;
			bool error = false;

			if (!answered(c, &error))
				continue;
			if (error && !c->undo) { /* a deadlock, mostly: the next transaction */
				refused++;
				c->undo = true;
				send_packet(c, &rollback);
				continue;
			}
			if (c->undo || ++c->step == STEPS) {
				done += !c->undo;
				c->undo = false;
				c->step = 0;
				c->txn = (c->txn + 1) % TXNS;
			}
			send_packet(c, &c->packet[c->txn][c->step]);
		}
	}
	printf("{\"transactions\":%" PRIu64 ",\"refused\":%u,\"seconds\":%.3f,\"cpu_s\":%.4f}\n",
	       done, refused, now() - from, cpu() - cpu_from);
	return 0; /* the sockets go with the process: what is under way is rolled back */
}
