# The operator alone: one static binary, CA certificates, no shell, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.release=$VERSION" -o /swarm-operator ./cmd/swarm-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /swarm-operator /swarm-operator
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/swarm-operator", "health"]
ENTRYPOINT ["/swarm-operator"]
CMD ["run", "--source", "/source"]
