# syntax=docker/dockerfile:1.17
# One image for the thirteen services and the shoppers: a static binary, run as
# nobody on a read-only file system. Alpine for its wget: health checks need one.
FROM golang:1.26-alpine3.22 AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg/mod \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /tenhop ./cmd/tenhop

FROM alpine:3.22.1
COPY --from=build /tenhop /usr/local/bin/tenhop
# A volume gets the owner of the folder that it is mounted on.
RUN install -d -o 65532 -g 65532 /var/lib/tenhop
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/tenhop"]
CMD ["--help"]
