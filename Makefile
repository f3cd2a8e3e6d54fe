# A thin front for meson. build/ is the optimised server, build-test/ the one with sanitizers.
MESON = meson
PYTHON = /usr/bin/python3
SEEDS ?= 1000
JOBS ?= 2

.PHONY: all run test test-tsan bench bench-quick bench-million bench-scale kills floods soak day planted fuzz format lint install clean deps deps-test deps-clients

all: deps build/build.ninja
	@ninja -C build

build/build.ninja:
	@$(MESON) setup build -Dtests=disabled -Db_lto=true -Db_lto_threads=2 >/dev/null

build-test/build.ninja:
	@$(MESON) setup build-test -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Dwerror=true >/dev/null

build-soak/build.ninja:
	@$(MESON) setup build-soak -Dbuildtype=release -Ddebug=true -Db_lto=true -Db_lto_threads=2 >/dev/null

build-tsan/build.ninja:
	@$(MESON) setup build-tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Dwerror=true >/dev/null

deps:
	@tools/deps build

deps-test: deps
	@tools/deps test

deps-clients: deps-test
	@tools/deps clients

run: all
	@build/jackdaw run --demo

# The unit tests of these folders in a build: unit_tests(BUILD,FOLDER\|FOLDER). Under sanitizers each block of a heap is the
# system's, so base is tested without, too.
unit_tests = $$(ninja -C $(1) -t targets all | sed -n 's,^\(tests/unit/\($(2)\)/[^:]*\): c_LINKER.*,\1,p')

test: deps-clients all build-test/build.ninja build-tsan/build.ninja build-soak/build.ninja
	@ninja -C build-test
	@ninja -C build-tsan jackdaw $(call unit_tests,build-tsan,base\|mio\|link)
	@ninja -C build-soak $(call unit_tests,build-soak,base) tests/bench/counts
	@$(PYTHON) tests/run.py build-test 'build-tsan:base,mio,link,e2e chat' build-soak:base,counts

soak: deps-test build-soak/build.ninja
	@ninja -C build-soak tests/sim/soak
	@build-soak/tests/sim/soak --seeds $(SEEDS) --jobs $(JOBS)

day: deps-test build-soak/build.ninja
	@ninja -C build-soak tests/sim/soak
	@build-soak/tests/sim/soak --day --seeds $(SEEDS) --jobs $(JOBS)

planted: deps-test
	@$(PYTHON) tests/planted.py --jobs $(JOBS)

# The promises about kills, at their size: about ten minutes.
kills: deps-test all
	@JACKDAW=build/jackdaw $(PYTHON) tests/e2e/test_kills.py --full
	@JACKDAW=build/jackdaw $(PYTHON) tests/e2e/test_rest.py --full
	@JACKDAW=build/jackdaw $(PYTHON) tests/e2e/test_import.py --full

# Strangers by the thousand, and thousands who come back: about five minutes.
floods: deps-test all
	@JACKDAW=build/jackdaw $(PYTHON) tests/e2e/test_floods.py --full
	@JACKDAW=build/jackdaw $(PYTHON) tests/e2e/test_tls_storm.py --full

# PEERS="jabberd2 ejabberd prosody" measures Debian's beside it, about half an hour; PLOTS=FOLDER draws the figures.
bench: deps-test all
	@[ -z "$(PEERS)$(PLOTS)" ] || tools/deps peers
	@$(PYTHON) tests/bench/bench.py --jackdaw build/jackdaw --peers "$(PEERS)" $(if $(PLOTS),--plots "$(PLOTS)")

bench-quick: deps-test all
	@$(PYTHON) tests/bench/bench.py --jackdaw build/jackdaw --quick

# As many sessions as SESSIONS says, a million if it does not: about ten minutes and 15 GiB.
bench-million: deps-test all
	@$(PYTHON) tests/bench/million.py --jackdaw build/jackdaw $(if $(SESSIONS),--sessions $(SESSIONS))

# What grows with sessions, workers and accounts, and should not: about five minutes.
bench-scale: deps-test all
	@$(PYTHON) tests/bench/scale.py --jackdaw build/jackdaw

fuzz: deps-test
	@tools/fuzz $(TARGET) $(SECONDS)

format:
	@clang-format -i $$(git ls-files 'src/*.[ch]' 'src/**/*.[ch]' 'tests/**/*.[ch]')

lint: build-test/build.ninja
	@$(PYTHON) tests/unit/test_layers.py src
	@clang-tidy -p build-test --quiet $$(git ls-files 'src/**/*.c')

install: all
	@ninja -C build install

clean:
	@rm -rf build build-test build-tsan build-soak build-fuzz build-clients
