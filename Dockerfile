# One target an image. Base images are arguments, so that the same file builds on other bases:
#   docker build --target premortem-sidecar -t premortem-sidecar .
#   docker build --target premortem-operator -t premortem-operator .
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0-noble
ARG SIDECAR_BASE=mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled
ARG OPERATOR_BASE=mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled

FROM ${SDK_IMAGE} AS sidecar-build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev zlib1g-dev ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The projects first: packages are fetched again only when a reference changed.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY eng/Native.props eng/BannedSymbols.txt eng/
COPY contracts/*.csproj contracts/
COPY profiles/*.csproj profiles/
COPY sidecar/*.csproj sidecar/
RUN dotnet restore sidecar -p:PublishAot=true --use-current-runtime
COPY .editorconfig ./
COPY contracts contracts
COPY profiles profiles
COPY sidecar sidecar
ARG SOURCE_REVISION=
RUN dotnet publish sidecar -c Release -o /out --use-current-runtime -p:SourceRevisionId=${SOURCE_REVISION} \
 && mkdir -p /image/usr/bin /image/usr/share /image/etc/ssl/certs \
 && cp /out/premortem-sidecar /image/usr/bin/ \
 && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && cp -a /usr/share/zoneinfo /image/usr/share/ \
 && rm -rf /image/usr/share/zoneinfo/right /image/usr/share/zoneinfo/posix /image/usr/share/zoneinfo/localtime

# The native program, CA certificates and the time zones of schedules, nothing else: no shell, no package manager. libc and libssl are the base's.
FROM ${SIDECAR_BASE} AS premortem-sidecar
ARG SOURCE_REVISION=
LABEL org.opencontainers.image.title="premortem-sidecar" \
      org.opencontainers.image.description="Captures profiles before the OOM killer destroys the evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${SOURCE_REVISION}"
COPY --from=sidecar-build /image /
# The operator runs it as the target's own user; this one stands where nobody says.
USER 65532:65532
ENTRYPOINT ["/usr/bin/premortem-sidecar"]
CMD ["run", "--help"]

FROM ${SDK_IMAGE} AS operator-build
RUN apt-get update \
 && apt-get install -y --no-install-recommends tzdata \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY eng/BannedSymbols.txt eng/
COPY contracts/*.csproj contracts/
COPY runtime/*.csproj runtime/
COPY operator/*.csproj operator/
RUN dotnet restore operator -p:PublishReadyToRun=true --use-current-runtime
COPY .editorconfig ./
COPY contracts contracts
COPY runtime runtime
# One file of the sidecar's is the operator's too: what a schedule is.
COPY sidecar/Triggers sidecar/Triggers
COPY operator operator
ARG SOURCE_REVISION=
RUN dotnet publish operator -c Release -o /image/app --use-current-runtime --self-contained false -p:PublishReadyToRun=true -p:SourceRevisionId=${SOURCE_REVISION} \
 && mkdir -p /image/usr/share \
 && cp -a /usr/share/zoneinfo /image/usr/share/ \
 && rm -rf /image/usr/share/zoneinfo/right /image/usr/share/zoneinfo/posix /image/usr/share/zoneinfo/localtime

# The base has the .NET runtime; there is no shell and no package manager in it either. It trusts the cluster by what the service account brings.
FROM ${OPERATOR_BASE} AS premortem-operator
ARG SOURCE_REVISION=
LABEL org.opencontainers.image.title="premortem-operator" \
      org.opencontainers.image.description="Injects the sidecar that captures profiles before the OOM killer destroys the evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${SOURCE_REVISION}"
COPY --from=operator-build /image /
USER 65532:65532
EXPOSE 8080 9443
ENTRYPOINT ["/app/premortem-operator"]
CMD ["run"]
