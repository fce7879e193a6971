.DEFAULT_GOAL := help
.PHONY: help build test e2e unit fuzz demo bench targets assets cluster-assets cluster node cluster-down s3 s3-down format lint clean images images-test

CONFIGURATION := Release
PUBLISH := artifacts/publish
DOTNET_FLAGS := -c $(CONFIGURATION) --nologo -v quiet
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1
# A build server that lives on would hold memory and files of a tree that may go.
export DOTNET_CLI_USE_MSBUILD_SERVER := 0
export MSBUILDDISABLENODEREUSE := 1
export UseSharedCompilation := false

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build everything, and the native programs into artifacts/publish
	@eng/deps build
	@eng/build $(CONFIGURATION)

targets: ## build the sample services that tests and demo watch
	@eng/deps demo
	@eng/targets

assets: ## fetch what the tests need besides: a kernel for qemu, an S3 server
	@eng/deps test
	@tests/vm/vm assets
	@tests/s3/s3 install

cluster-assets: ## build Kubernetes' API server, once (10 minutes), and fetch etcd, kubectl and helm
	@tests/cluster/cluster assets

cluster: build cluster-assets ## a Kubernetes control plane with the operator in it; says how to reach it
	@tests/cluster/cluster operator

node: ## a real one-node Kubernetes, where pods run (root); tests/cluster/README.md tells about it
	@tests/cluster/cluster assets node
	@tests/cluster/cluster node

cluster-down: ## stop either
	@tests/cluster/cluster down

test: build targets assets cluster-assets ## unit and integration tests; the last line sums them up
	@eng/test

e2e: build targets ## play the stories on a real node, brought up here; or on a cluster: KUBECONFIG=… S3_ENDPOINT=… IMAGE_REGISTRY=… IMAGE_TAG=…
	@eng/deps test
	@eng/e2e

unit: ## unit tests alone
	@dotnet build Operator.sln $(DOTNET_FLAGS)
	@eng/test Contracts Profiles Runtime Operator Sidecar

fuzz: ## throw made-up and damaged profiles at readers and reports, beside go tool pprof, for MINUTES=10 of CPU
	@eng/deps test
	@for project in Profiles Cli; do dotnet build tests/$$project.Tests $(DOTNET_FLAGS) || exit 1; done
	@eng/fuzz $(MINUTES)

demo: ## Go and .NET services leak and die; their profiles are there (S3=1: in a real bucket; PLAY="go dotnet native")
	@eng/demo $(if $(S3),--s3) $(PLAY)

bench: build targets ## print the figures of docs/benchmarks.md (BENCH="idle capture dotnet-trace footprint upload replay heap survival operator pods top report")
	@eng/deps bench
	@tests/Benchmarks/run $(BENCH)

images: ## build the container images with docker or podman; without both, or with ARCHIVE=DIR: OCI archives, and no registry is asked
	@eng/images $(if $(ARCHIVE),--archive $(ARCHIVE))

images-test: ## look into the archives: users, labels, sizes, what must not be there; twice the same bytes
	@tests/Images/check

s3: ## start the S3 server of the tests, and say how to reach it
	@eng/deps test
	@tests/s3/s3 up

s3-down: ## stop it
	@tests/s3/s3 down

format: ## format the code
	@dotnet format Operator.sln

lint: ## fail where format would change something
	@dotnet format Operator.sln --verify-no-changes

clean: ## remove what was built
	@rm -rf artifacts
