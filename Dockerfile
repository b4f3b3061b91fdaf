# The operator alone: one static binary, CA certificates, no shell, not root.
# make image makes the same image without docker: it reads the last stage here, and fills /rootfs itself.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags "-s -w -X main.release=$VERSION" -o /rootfs/swarm-operator ./cmd/swarm-operator
# /tmp takes the clone of a remote source, and /var/lib/swarm-operator what the operator keeps.
RUN mkdir -p /rootfs/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ && mkdir -m 1777 /rootfs/tmp && \
    mkdir -p /rootfs/var/lib && mkdir -m 0700 /rootfs/var/lib/swarm-operator && chown 65532:65532 /rootfs/var/lib/swarm-operator

FROM scratch
ARG VERSION=dev REVISION
LABEL org.opencontainers.image.title="swarm-operator" \
      org.opencontainers.image.description="A declarative reconciler for Docker Swarm" \
      org.opencontainers.image.source="https://github.com/swarm-operator/swarm-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /rootfs/ /
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/swarm-operator", "health"]
ENTRYPOINT ["/swarm-operator"]
CMD ["run", "--source", "/source"]
