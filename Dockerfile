# One target an image. Base images are arguments, so that the same file builds on other bases; docs/reference/images.md has all of them.
#   docker build --target premortem-sidecar -t premortem-sidecar .
#   docker build --target premortem-operator -t premortem-operator .
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0-noble
ARG SIDECAR_BASE=mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled
ARG OPERATOR_BASE=mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled
# source: compile here, in SDK_IMAGE. published: take what eng/images has put into the context, of programs that eng/build compiled.
ARG BUILD=source

FROM ${SDK_IMAGE} AS sidecar-source
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev zlib1g-dev ca-certificates tzdata libc-bin jq \
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
COPY eng/image-files eng/image-sbom eng/
ARG SOURCE_REVISION=
ARG VERSION=
ARG CREATED=
RUN dotnet publish sidecar -c Release -o /out --use-current-runtime -p:SourceRevisionId=${SOURCE_REVISION} \
 && eng/image-files premortem-sidecar /out /image \
 && eng/image-sbom premortem-sidecar "${VERSION}" "${CREATED}" artifacts/obj/Premortem.Sidecar/project.assets.json /out >/image/usr/share/premortem-sidecar.spdx.json

FROM scratch AS sidecar-published
COPY premortem-sidecar /image

FROM sidecar-${BUILD} AS sidecar-image

# The native program, CA certificates and the time zones of schedules, nothing else: no shell, no package manager. libc and libssl are the base's.
FROM ${SIDECAR_BASE} AS premortem-sidecar
ARG SOURCE_REVISION=
ARG SOURCE_URL=
ARG VERSION=
ARG CREATED=
LABEL org.opencontainers.image.title="premortem-sidecar" \
      org.opencontainers.image.description="Captures profiles before the OOM killer destroys the evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${SOURCE_REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=sidecar-image /image /
# The operator runs it as the target's own user; this one stands where nobody says.
USER 65532:65532
ENTRYPOINT ["/usr/bin/premortem-sidecar"]
CMD ["run", "--help"]

FROM ${SDK_IMAGE} AS operator-source
RUN apt-get update \
 && apt-get install -y --no-install-recommends tzdata libc-bin jq \
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
# Two files of the sidecar's are the operator's too: what a schedule is, and a broken connection.
COPY sidecar/Triggers sidecar/Triggers
COPY sidecar/Hosting/BrokenConnections.cs sidecar/Hosting/
COPY operator operator
COPY eng/image-files eng/image-sbom eng/
ARG SOURCE_REVISION=
ARG VERSION=
ARG CREATED=
RUN dotnet publish operator -c Release -o /out --use-current-runtime -p:PublishReadyToRun=true -p:SourceRevisionId=${SOURCE_REVISION} \
 && eng/image-files premortem-operator /out /image \
 && eng/image-sbom premortem-operator "${VERSION}" "${CREATED}" artifacts/obj/Premortem.Operator/project.assets.json /out >/image/usr/share/premortem-operator.spdx.json

FROM scratch AS operator-published
COPY premortem-operator /image

FROM operator-${BUILD} AS operator-image

# The program brings its runtime; there is no shell and no package manager in the base either. It trusts the cluster by what the service account brings.
FROM ${OPERATOR_BASE} AS premortem-operator
ARG SOURCE_REVISION=
ARG SOURCE_URL=
ARG VERSION=
ARG CREATED=
LABEL org.opencontainers.image.title="premortem-operator" \
      org.opencontainers.image.description="Injects the sidecar that captures profiles before the OOM killer destroys the evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${SOURCE_REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=operator-image /image /
USER 65532:65532
EXPOSE 8080 9443
ENTRYPOINT ["/app/premortem-operator"]
CMD ["run"]
