# SPDX-License-Identifier: Apache-2.0
# The front door. `make help` lists what can be asked for; the work is done by CMake and tools/.
#
#   make run     install what is missing, build, show a device talking to AWS IoT Core on the desk
#   make test    install what is missing, build on every compiler, run every test
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
export JOBS

.PHONY: all help run test check bench soak fuzz install clean format lx106 image figures arduino-zip
all: build/elo

help:
	@sed -n 's/^# \{0,1\}//p; s/^\([a-z0-9-]*\):.*## /make \1	/p' Makefile | expand -t 16

# build/elo is the release binary. CMake decides what is out of date, so it is always asked.
.PHONY: build/elo
build/elo:
	@tools/setup build
	@[ -f build/release/build.ninja ] || cmake --preset release --log-level=WARNING
	@cmake --build build/release --parallel $(JOBS) --target elo -- --quiet
	@ln -sf release/elo build/elo

# The ESP8266 is emulated, CPU and all, where what that takes is there already (tools/image).
run: build/elo ## the main job: a virtual ESP8266, the desk, telemetry up, a command down
	@build/elo demo $$(tools/image if-quick) $(ARGS)

test: ## every test: gcc, clang, ASan+UBSan, TSan, the ESP8266's compiler, fuzz smoke
	@tools/setup all
	@tools/test all

check: ## format, warnings on three compilers, sanitizers, fuzz smoke, the library's symbols
	@tools/setup all
	@tools/test check

bench: ## the benchmarks beside Debian's mosquitto; results in docs/bench.md
	@tools/setup all
	@$(MAKE) --no-print-directory build/elo
	@cmake --build build/release --parallel $(JOBS) -- --quiet
	@bench/run $(ARGS)

soak: ## 2,000 kills, 10,000 connections, an hour of 2,000 devices; the result in docs/soak.md
	@tools/setup all
	@$(MAKE) --no-print-directory build/elo
	@cmake --build build/release --parallel $(JOBS) -- --quiet
	@tests/soak/run $(ARGS)

fuzz: ## every fuzz target for FUZZ_SECONDS (default 60) each, another way every time
	@tools/setup all
	@FUZZ_SEED=$${FUZZ_SEED:-0} FUZZ_SECONDS=$${FUZZ_SECONDS:-60} tools/test fuzz

lx106: ## lib/ with the ESP8266's compiler, its sizes, and images run on the emulated board
	@tools/setup all
	@tools/test lx106

image: ## the firmware for the emulated board: `elo device --emulate`, and then `make run`
	@tools/setup image
	@tools/image

figures: ## what the library costs on the ESP8266's CPU: a table, and build/figures.json
	@tools/setup all
	@tools/test build_target
	@tools/figures $(ARGS)

arduino-zip: ## build/Elo.zip, which the Arduino IDE takes
	@tools/arduino-zip

format: ## clang-format over every source
	@git ls-files '*.c' '*.h' '*.cpp' '*.ino' | xargs clang-format -i

install: build/elo ## the binary, and the image if it is built, into PREFIX (default /usr/local)
	@cmake --install build/release --prefix "$(DESTDIR)$(PREFIX)"

clean: ## everything that was built
	rm -rf build
