#include "cli/version.h"

#include <curl/curl.h>
#include <expat.h>
#include <jansson.h>
#include <luajit.h>
#include <lz4.h>
#include <microhttpd.h>
#include <mysql.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "harness/base/failpoint.h"
#include "harness/compare/toml.h"

#ifndef DRTEST_VERSION
#define DRTEST_VERSION "unknown"
#endif
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED ", with AddressSanitizer"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZED ", with ThreadSanitizer"
#else
#define SANITIZED ""
#endif

const char *const drtest_version = DRTEST_VERSION;

void version_print(void)
{
	char microhttpd_built[32], expat_built[32], xxhash_built[32], xxhash_now[32], mariadb[32];
	unsigned x = XXH_versionNumber(), m = (unsigned)mysql_get_client_version();

	snprintf(mariadb, sizeof(mariadb), "%u.%u.%u", m / 10000, m / 100 % 100, m % 100);
	snprintf(expat_built, sizeof(expat_built), "expat_%d.%d.%d", XML_MAJOR_VERSION,
		 XML_MINOR_VERSION, XML_MICRO_VERSION);
	snprintf(microhttpd_built, sizeof(microhttpd_built), "%x.%x.%x", MHD_VERSION >> 24,
		 MHD_VERSION >> 16 & 0xff, MHD_VERSION >> 8 & 0xff);
	snprintf(xxhash_built, sizeof(xxhash_built), "%d.%d.%d", XXH_VERSION_MAJOR,
		 XXH_VERSION_MINOR, XXH_VERSION_RELEASE);
	snprintf(xxhash_now, sizeof(xxhash_now), "%u.%u.%u", x / 10000, x / 100 % 100, x % 100);
	const struct {
		const char *name, *built, *now;
	} libs[] = {
		{ "LuaJIT", LUAJIT_VERSION, LUAJIT_VERSION },
		{ "MariaDB Connector/C", MARIADB_PACKAGE_VERSION, mariadb },
		{ "libcurl", LIBCURL_VERSION, curl_version_info(CURLVERSION_NOW)->version },
		{ "OpenSSL", OPENSSL_VERSION_STR, OpenSSL_version(OPENSSL_VERSION_STRING) },
		{ "SQLite", SQLITE_VERSION, sqlite3_libversion() },
		{ "zstd", ZSTD_VERSION_STRING, ZSTD_versionString() },
		{ "lz4", LZ4_VERSION_STRING, LZ4_versionString() },
		{ "xxHash", xxhash_built, xxhash_now },
		{ "jansson", JANSSON_VERSION, jansson_version_str() },
		{ "expat", expat_built, XML_ExpatVersion() },
		{ "libmicrohttpd", microhttpd_built, MHD_get_version() },
		{ "toml++", toml_library, toml_library },
	};

	printf("drtest %s\ncompiled by " COMPILER SANITIZED "%s\n", drtest_version,
	       failpoints_built() ? ", with failpoints: only for tests" : "");
	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++) {
		/* "LuaJIT 2.1.0-beta3", "expat_2.5.0" */
		const char *now = libs[i].now + strcspn(libs[i].now, "0123456789");
		const char *built = libs[i].built + strcspn(libs[i].built, "0123456789");

		printf("  %-20s %s", libs[i].name, now);
		printf(strcmp(now, built) != 0 ? " (compiled with %s)\n" : "\n", built);
	}
}
