# Short names only; ./run and ./test do the set-up on a bare machine.
.PHONY: build test check run bench fuzz tidy asan tsan format clean
build:
	./tools/setup/make_build release
test:
	./test --unit
check:
	./test
run:
	./run
asan:
	./test --asan
tsan:
	./tools/setup/make_build tsan && ctest --test-dir build/tsan -L unit -LE text --output-on-failure
bench: build
	./tools/setup/install_packages packages-bench
	./tools/bench/run
# make fuzz T=http_request_fuzz [S=60]: one fuzz target for S seconds.
fuzz:
	@[ -z "$(T)" ] || ./tools/setup/make_build asan $(T)
	@./tools/fuzz $(T) $(or $(S),60)
tidy: build
	./tools/tidy/run --clang-tidy
format:
	git ls-files '*.h' '*.cc' | xargs clang-format-19 -i
clean:
	rm -rf build
