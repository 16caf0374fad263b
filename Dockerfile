# tray-import in a container: see docs/install.md.
#
#     docker build -t tray-import .
#
# Neither stage is given a secret: the token is mounted when the container runs, never built in.

ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
# the dependencies are a layer of their own: they change less often than the source
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --locked --release \
    && rm -r src
COPY src src
COPY templates templates
COPY templates templates
# cargo goes by modification times, and the empty files above are newer than the source may be
RUN touch src/main.rs src/lib.rs && cargo build --locked --release \
    && target/release/tray-import --version

# glibc, libgcc and ca-certificates; no shell, no package manager; runs as user 65532 ("nonroot")
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/tray-import /usr/local/bin/tray-import
# customers, catalog and results are mounted here
WORKDIR /data
ENTRYPOINT ["tray-import"]
CMD ["--help"]
