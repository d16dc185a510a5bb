# drtest. `make demo` and `make check` do everything on a fresh machine; `make` alone builds build/drtest.
#   BUILD=dir        where objects go (default build)
#   SAN=address,undefined   a sanitized build (make check uses build/asan, build/tsan)
BUILD ?= build
SAN ?=
CC = gcc
# Debian's, which has the modules that the packages bring, whatever else stands on PATH before it
PYTHON ?= $(or $(wildcard /usr/bin/python3),python3)
# A warning is an error with the compiler that drtest is tested with; another one's new warnings stop nobody's build.
WERROR ?= $(if $(filter 12%,$(shell $(CC) -dumpversion)),-Werror)
VERSION := 0.1.0$(shell git describe --always --dirty 2>/dev/null | sed s/^/-g/)
PKGS = luajit libcurl libzstd jansson expat liblz4 libxxhash libssl libcrypto sqlite3 libmicrohttpd
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(shell mariadb_config --include 2>/dev/null)
CFLAGS = -std=c11 -O2 -g -pthread -Wall -Wextra -Wmissing-prototypes -Wshadow -Wno-unknown-warning-option -Wno-format-truncation $(WERROR) -fno-omit-frame-pointer
LDLIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(shell mariadb_config --libs 2>/dev/null) -lm -ldl -pthread
# One file is C++: harness/compare/toml.cc, toml++ behind a C header.
CXX = $(patsubst clang%,clang++%,$(patsubst %gcc,%g++,$(CC)))
CXXFLAGS = $(filter-out -std=c11 -Wmissing-prototypes,$(CFLAGS)) -std=c++17
LDLIBS += -lstdc++
LDFLAGS = -rdynamic
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all -O1
LDFLAGS += -fsanitize=$(SAN)
endif

# Folders in the order of the arrows: each may include those before it (cli all of them).
LIBS = base os net sql redo binlog backup compare replay feed verify tidb cluster run bindings workloads chaos reports suites
dir_of = $(if $(filter $(1),workloads chaos reports suites),$(1),harness/$(1))
lib_of = $(BUILD)/lib$(1).a
srcs_of = $(wildcard $(call dir_of,$(1))/*.c $(call dir_of,$(1))/*/*.c)
objs_of = $(patsubst %.c,$(BUILD)/%.o,$(call srcs_of,$(1))) $(patsubst %.cc,$(BUILD)/%.o,$(wildcard $(call dir_of,$(1))/*.cc))
lua_of = $(patsubst %.lua,$(BUILD)/%.lua.o,$(wildcard $(call dir_of,$(1))/*.lua $(call dir_of,$(1))/loads/*.lua \
	$(if $(filter bindings,$(1)),scenarios/lib/*.lua)))
# What reports carry inside themselves: scripts, style sheets, and the vendored ones' licence.
web_of = $(patsubst %,$(BUILD)/%.embed.o,$(wildcard $(call dir_of,$(1))/*.js $(call dir_of,$(1))/*.css $(call dir_of,$(1))/*.json \
	$(call dir_of,$(1))/vendor/*/* $(call dir_of,$(1))/live/*.js))
ALL_LIBS = $(foreach l,$(LIBS),$(call lib_of,$(l)))
# archives refer backwards only, but bindings register through run: one group is simplest
LINK = -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LDLIBS)

.PHONY: all clean deps demo check bench bench-scale bench-forecast bench-deps bench-backup bench-redo bench-load bench-proxy
all: $(BUILD)/drtest

# What is missing is installed first, by a make of its own: the flags above come from packages that may not be there yet.
deps:
	@tools/deps
bench-deps:
	@tools/deps --bench
demo: deps
	@$(MAKE) --no-print-directory -j2 all
	$(BUILD)/drtest run scenarios/failover.lua --on local
# One page of ratios, drtest beside its peers. ONLY=hot,wide: these figures alone; PAIRS=5
PAIRS ?= 5
ONLY ?=
bench: bench-deps
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/bench/redo_tool $(BUILD)/tests/bench/floor
	@$(PYTHON) tests/bench/page.py $(BUILD)/drtest $(BUILD)/tests/bench/redo_tool $(BUILD)/tests/bench/floor $(BUILD)/bench.md --pairs $(PAIRS) --only "$(ONLY)"
# Curves over size: pictures, figures and the table of docs/SCALE.md. ONLY=read,compare: these alone
bench-scale: bench-deps
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/bench/redo_tool $(BENCH_VERIFY)
	@$(PYTHON) tests/bench/scale.py $(BUILD)/drtest $(BUILD)/tests/bench/redo_tool $(BENCH_VERIFY) docs --only "$(ONLY)"
# Is the forecast right? DRILLS=20 short drills with drawn options, each forecast from the others. FOLDER=…: it goes on there
DRILLS ?= 20
FOLDER ?= $(BUILD)/forecast
bench-forecast: deps
	@$(MAKE) --no-print-directory -j2 all
	@$(PYTHON) tests/bench/forecast.py $(BUILD)/drtest $(FOLDER) --drills $(DRILLS)
bench-backup: bench-deps
	@$(MAKE) --no-print-directory -j2 all
	@tests/bench/backup.sh $(BUILD)/drtest
bench-load: bench-deps
	@$(MAKE) --no-print-directory -j2 all
	@tests/bench/load.sh $(BUILD)/drtest
bench-proxy: deps
	@$(MAKE) --no-print-directory -j2 $(BUILD)/tests/bench/proxy
	@$(BUILD)/tests/bench/proxy
# What benches make their data with: tests/bench/*.c
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(foreach l,base os net sql redo replay,$(call lib_of,$(l))) -Wl,--end-group $(LDLIBS)
bench-redo: bench-deps
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/bench/redo_tool
	@tests/bench/redo.sh $(BUILD)/drtest $(BUILD)/tests/bench/redo_tool
# make check K=feed: the tests whose names hold that, and what they need; K=--failed: those that failed last time
check: deps
ifeq ($(K),)
	@$(MAKE) --no-print-directory -j2 -k all tests && tests/run
else
	@MAKE="$(MAKE) CC='$(CC)'" tests/run --build $(K)
endif


# What another user of the machine may do, which only root can try (docs/SECURITY.md); make check has the rest.
.PHONY: check-root
check-root: all
	@[ "$$(id -u)" = 0 ] || { echo "make check-root: as root, since it plays other users"; exit 1; }
	@bash tests/scenarios/attacks.sh && bash tests/scenarios/clean.sh && bash tests/scenarios/faults.sh

# The shipped scenarios on real TiDB, where a real tiup is on PATH; else skipped in one line.
.PHONY: check-tidb
check-tidb: all
	@tests/tidb/suite

# The load of many pods, and the nightly rehearsal, on a real Kubernetes of this machine (its parts are built once, in the user's cache); skipped in
# one line, by name, where a part is missing.
.PHONY: check-kubernetes
check-kubernetes: all
	@tests/kubernetes/suite

define LIB_RULE
$(call lib_of,$(1)): $(call objs_of,$(1)) $(call lua_of,$(1)) $(call web_of,$(1))
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call LIB_RULE,$(l))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  c++ $<"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# Where a switch stands for column types, a new type without a case in it does not compile.
TYPE_SWITCHES = binlog/row_image binlog/table_map backup/format compare/compare_values replay/row_sample replay/apply_sql sql/checksum sql/literal
$(foreach f,$(TYPE_SWITCHES),$(BUILD)/harness/$(f).o $(BUILD)/fault/harness/$(f).o): CFLAGS += -Wswitch-enum

# A Lua file becomes two symbols: lua_<name with _ for / and .>[] and _size, looked up through harness/base/embed.h
$(BUILD)/%.lua.o: %.lua tools/embed
	@mkdir -p $(@D)
	@tools/embed $< > $(BUILD)/$*.lua.c
	@$(CC) $(CFLAGS) -c -o $@ $(BUILD)/$*.lua.c

$(BUILD)/%.embed.o: % tools/embed
	@mkdir -p $(@D)
	@tools/embed $< > $(BUILD)/$*.embed.c
	@$(CC) $(CFLAGS) -c -o $@ $(BUILD)/$*.embed.c

CLI_OBJS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cli/*.c cli/*/*.c))
# Made again when the version is another one
$(BUILD)/version: FORCE
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: FORCE
$(BUILD)/cli/version.o: $(BUILD)/version
$(BUILD)/cli/version.o: CPPFLAGS += -DDRTEST_VERSION='"$(VERSION)"'
$(BUILD)/drtest: $(CLI_OBJS) $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $(CLI_OBJS) $(LINK)

# The test build: the same program with fault points (harness/base/failpoint.h), for `drtest-test selftest`. Only files that have one differ.
FAULT_SRCS := $(shell grep -lE base/failpoint.h -r harness --include=*.c)
FAULT_OBJS = $(patsubst %.c,$(BUILD)/fault/%.o,$(FAULT_SRCS))
$(BUILD)/fault/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc $< (fault points)"
	@$(CC) $(CPPFLAGS) -DDRTEST_FAILPOINTS $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/drtest-test: $(FAULT_OBJS) $(CLI_OBJS) $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $(FAULT_OBJS) $(CLI_OBJS) $(LINK)
# The verdict's whole test: 20 seeds of each defect, drills whose processes lie, 100 clean drills. Under an hour on two cores.
.PHONY: selftest
selftest: deps
	@$(MAKE) --no-print-directory -j2 $(BUILD)/drtest-test
	$(BUILD)/drtest-test selftest --seeds 20 --recordings 2 --drills 100 --faults 20 --output $(BUILD)/selftest.json
.PHONY: hunt
# Random and directed cases for changefeed, replay and compare: make hunt TIME=1h SEED=7
TIME ?= 60s
SEED ?= 1
hunt: deps
	@$(MAKE) --no-print-directory $(BUILD)/drtest
	tests/hunt/hunt --time $(TIME) --seed $(SEED)
# Single-line mutants of what a verdict rests on: do the tests notice? make mutation N=30
.PHONY: mutation
N ?= 300
mutation: deps
	tests/mutation/mutate --n $(N) --seed $(SEED)
# examples/ci by their runners' rules, in a bare Debian each, two nights over one history. Needs root and debootstrap.
.PHONY: check-ci
check-ci:
	tests/ci-examples/run

# MariaDB's own test suite as the workload (Debian: mariadb-test, mariadb-test-data): make peer-suite TIME=10m FILES=innodb
.PHONY: peer-suite
FILES ?=
peer-suite: deps
	@$(MAKE) --no-print-directory $(BUILD)/drtest
	tests/peer-suite/peer-suite --time $(TIME) --files '$(FILES)'
# An hour of readers beside a changefeed at work, and the redo logs of a hundred drills: an hour and a quarter.
.PHONY: soak
soak: deps
	@$(MAKE) --no-print-directory $(BUILD)/drtest
	tests/soak/soak.py live 60 --set every=60s
	tests/soak/soak.py lint 100

# Unit tests: tests/unit/<folder>/test_*.c links the libraries up to its folder, nothing above (the arrows, held by the linker).
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*/test_*.c))
below = $(shell set -- $(LIBS); out=; for l; do out="$$l $$out"; [ $$l = $(1) ] && break; done; echo $$out)
define UNIT_RULE
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/tests/unit/$(1)/%.o $(foreach l,$(call below,$(1)),$(call lib_of,$(l)))
	@echo "  ld $$@"
	@$(CC) $(LDFLAGS) -o $$@ $$^ -lcmocka $(LDLIBS)
.PHONY: unit-$(1)
unit-$(1): $(filter $(BUILD)/tests/unit/$(1)/%,$(UNIT))
	@set -e; for t in $$^; do echo "  run $$$$t"; $$$$t; done
endef
$(foreach l,$(LIBS),$(eval $(call UNIT_RULE,$(l))))

# Fuzzers: tests/fuzz/fuzz_NAME.c defines LLVMFuzzerTestOneInput; tests/fuzz/replay.c runs a corpus through it with any compiler.
# First line of the source names the library it needs:  /* lib: redo */
FUZZ = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(foreach l,base os net sql redo binlog backup compare replay feed verify tidb cluster chaos reports workloads,$(call lib_of,$(l)))
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(LINK)
# Integration tests: real servers and processes; tests/integration/*.c without test_ in front is what they share.
INTEGRATION = $(patsubst tests/integration/%.c,$(BUILD)/tests/integration/%,$(wildcard tests/integration/test_*.c))
INTEGRATION_COMMON = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/integration/test_%,$(wildcard tests/integration/*.c)))
CMD_OBJS = $(filter-out $(BUILD)/cli/main.o,$(CLI_OBJS))
$(BUILD)/tests/integration/test_%: $(BUILD)/tests/integration/test_%.o $(INTEGRATION_COMMON) $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(INTEGRATION_COMMON) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group -lcmocka $(LDLIBS)
.SECONDARY:

BENCH_VERIFY = $(BUILD)/tests/bench/verify_checks
$(BENCH_VERIFY): $(BUILD)/tests/bench/verify_checks.o $(ALL_LIBS)
	@echo "  ld $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(LINK)
.PHONY: bench-verify
bench-verify: bench-deps
	@$(MAKE) --no-print-directory -j2 all $(BENCH_VERIFY)
	@tests/bench/verify.sh $(BUILD)/drtest $(BENCH_VERIFY)

# All that tests/run runs: integration tests as they are shipped, unit tests and fuzzers sanitized, the load engine also under TSan.
.PHONY: tests unit-tests integration-tests
unit-tests: $(UNIT)
integration-tests: $(INTEGRATION)
# Behind drtest: the make below builds in the same folder, and two must not write one library.
tests: $(BUILD)/drtest
	@$(MAKE) --no-print-directory -k BUILD=$(BUILD) integration-tests $(BUILD)/drtest-test
	@$(MAKE) --no-print-directory -k BUILD=$(BUILD)/asan SAN=address,undefined unit-tests fuzzers
	@$(MAKE) --no-print-directory -k BUILD=$(BUILD)/tsan SAN=thread tsan-tests
.PHONY: fuzzers tsan-tests
fuzzers: $(FUZZ)
tsan-tests: $(filter $(BUILD)/tests/unit/workloads/%,$(UNIT)) $(BUILD)/tests/integration/test_loads

fuzz-replay: $(FUZZ)
	@set -e; for f in $(FUZZ); do echo "  replay $$f"; $$f tests/fuzz/corpus/$$(basename $$f | sed s/^fuzz_//)/*; done
.PHONY: fuzz-replay

# Installed drtest finds its scenarios beside itself: PREFIX/bin/drtest, PREFIX/share/drtest/scenarios.
PREFIX ?= /usr/local
DESTDIR ?=
share = $(DESTDIR)$(PREFIX)/share
# Where zsh looks: for what an administrator installs, and for Debian's packages.
ZSH = zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
.PHONY: install uninstall deb tiup lint format
install: all
	install -D -m 755 $(BUILD)/drtest $(DESTDIR)$(PREFIX)/bin/drtest
	install -d $(share)/drtest/scenarios $(share)/doc/drtest
	install -m 644 scenarios/*.lua $(share)/drtest/scenarios/
	install -m 644 reports/result.schema.json $(share)/drtest/
	install -D -m 644 packaging/drtest.1 $(share)/man/man1/drtest.1
	install -D -m 644 packaging/completion.bash $(share)/bash-completion/completions/drtest
	install -D -m 644 packaging/completion.zsh $(share)/$(ZSH)/_drtest
	install -D -m 644 packaging/completion.fish $(share)/fish/vendor_completions.d/drtest.fish
	install -m 644 README.md CHANGELOG.md LICENSE NOTICE packaging/sbom.json docs/*.md $(share)/doc/drtest/
	if [ -d examples ]; then cp -R examples $(share)/doc/drtest/; fi
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/drtest $(share)/drtest $(share)/man/man1/drtest.1 $(share)/bash-completion/completions/drtest \
		$(share)/$(ZSH)/_drtest $(share)/fish/vendor_completions.d/drtest.fish $(share)/doc/drtest
# The layout of .clang-format, laid on every C file.
format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

# This is clang's, clang-tidy's, luacheck's and shellcheck's opinion, of those that are here.
lint:
	@tests/lint $(BUILD)
deb: all
	packaging/deb $(BUILD) $(VERSION)
# A component for a tiup mirror of one's own.
tiup: all
	@packaging/tiup $(BUILD) $(VERSION)

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
